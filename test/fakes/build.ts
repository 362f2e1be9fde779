// Compiles the fake NVIDIA libraries with g++, once for each content of sources and headers.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { stubsFromHeader } from './stubs.js';

const run = promisify(execFile);
const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(dirname(here));
const compiler = process.env.CXX ?? 'g++';
// -ffp-contract: a fused multiply-add would round differently from expected.ts.
const FLAGS = [
  '-std=c++17',
  '-O1',
  '-fPIC',
  '-fvisibility=hidden',
  '-fno-gnu-unique',
  '-ffp-contract=off',
  '-Wno-deprecated-declarations',
];

/** TensorRT versions that the fakes can stand for. */
export type FakeMajor = 8 | 10 | 11;

/** Where the compiled fakes are. */
export interface Fakes {
  /** Folder of all of them: the value for TENSORRT_LIB_DIR and LD_LIBRARY_PATH. */
  dir: string;
  /** libcuda.so.1 */
  cuda: string;
  /** libnvinfer.so.<major> */
  nvinfer: string;
  /** libnvonnxparser.so.<major> */
  parser: string;
  /** The test program of test/fakes/driver. */
  driver: string;
}

async function headersOf(major: FakeMajor): Promise<string | undefined> {
  const paths = new URL('../../scripts/sdk-paths.mjs', import.meta.url).href;
  const { findHeaders } = (await import(paths)) as {
    findHeaders: () => Promise<Map<string, string>>;
  };
  return (await findHeaders()).get(`tensorrt${major}`);
}

async function sourcesIn(folder: string): Promise<string[]> {
  const names = await readdir(join(here, folder));
  return names.sort().map((name) => join(here, folder, name));
}

async function contentHash(major: FakeMajor, headers: string): Promise<string> {
  const hash = createHash('sha256').update(`${major} ${FLAGS.join(' ')} ${compiler}`);
  hash.update((await run(compiler, ['--version'])).stdout);
  for (const folder of ['include', 'cuda', 'nvinfer', 'parser', 'driver']) {
    for (const file of await sourcesIn(folder)) hash.update(file).update(await readFile(file));
  }
  for (const name of ['NvInferImpl.h', 'NvInferVersion.h', 'NvOnnxParser.h']) {
    hash.update(await readFile(join(headers, name)));
  }
  return hash
    .update(await readFile(join(here, 'stubs.ts')))
    .digest('hex')
    .slice(0, 16);
}

// All sources of a library as one translation unit: the headers are long, and parsing them once is
// most of the work.
async function compile(work: string, folder: string, output: string, flags: string[]) {
  const sources = (await sourcesIn(folder)).filter((file) => file.endsWith('.cc'));
  const unit = join(work, `${folder}.cc`);
  await writeFile(unit, sources.map((file) => `#include ${JSON.stringify(file)}\n`).join(''));
  await run(compiler, [...FLAGS, unit, '-o', join(work, output), ...flags], {
    maxBuffer: 1 << 24,
  });
}

/**
 * Builds the fakes into build/fakes and says where they are; does nothing when they are there.
 *
 * @returns undefined when the headers of that version are not there (8 and 11 only).
 */
export async function buildFakes(): Promise<Fakes>;
export async function buildFakes(major: FakeMajor): Promise<Fakes | undefined>;
export async function buildFakes(major: FakeMajor = 10): Promise<Fakes | undefined> {
  const headers = await headersOf(major);
  if (headers === undefined) {
    if (major === 10) throw new Error('No TensorRT 10 headers: run `npm run setup`');
    return undefined;
  }
  const parent = join(root, 'build', 'fakes');
  const dir = join(parent, `${major}-${await contentHash(major, headers)}`);
  const fakes: Fakes = {
    dir,
    cuda: join(dir, 'libcuda.so.1'),
    nvinfer: join(dir, `libnvinfer.so.${major}`),
    parser: join(dir, `libnvonnxparser.so.${major}`),
    driver: join(dir, 'driver'),
  };
  if (await stat(dir).catch(() => undefined)) return fakes;

  await mkdir(parent, { recursive: true });
  const work = await mkdtemp(join(parent, 'building-'));
  try {
    await writeFile(
      join(work, 'stubs.h'),
      stubsFromHeader(await readFile(join(headers, 'NvInferImpl.h'), 'utf8')),
    );
    const include = ['-isystem', headers, '-I', join(here, 'include'), '-I', work];
    const shared = (name: string) => ['-shared', '-Wl,-z,defs', `-Wl,-soname,${name}`];
    const nvinfer = `libnvinfer.so.${major}`;
    const parser = `libnvonnxparser.so.${major}`;
    await compile(work, 'cuda', 'libcuda.so.1', [...shared('libcuda.so.1'), '-lpthread', '-ldl']);
    await compile(work, 'nvinfer', nvinfer, [...shared(nvinfer), ...include, '-lpthread', '-ldl']);
    await compile(work, 'parser', parser, [
      ...shared(parser),
      '-Wl,-rpath,$ORIGIN',
      ...include,
      join(work, nvinfer),
    ]);
    await compile(work, 'driver', 'driver', [...include, '-lpthread', '-ldl']);
    // Two test processes may build at once: the first one's result stays.
    await rename(work, dir).catch(async (error: unknown) => {
      if (!(await stat(dir).catch(() => undefined))) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return fakes;
}

/** Switches of one fake: `{ cc: '8.0', fail: 'cuMemAlloc_v2:3' }`. */
export type FakeOptions = Readonly<Record<string, string | number>>;

const optionText = (options: FakeOptions): string =>
  Object.entries(options)
    .map(([key, value]) => `${key}=${value}`)
    .join(';');

/**
 * The environment of a process that is to find the fakes and no library of NVIDIA's. LD_LIBRARY_PATH
 * is read when a process starts: it has no effect on one that runs already.
 */
export function fakeEnvironment(
  fakes: Fakes,
  options: { cuda?: FakeOptions; tensorrt?: FakeOptions } = {},
): NodeJS.ProcessEnv {
  return {
    ...process.env,
    TENSORRT_LIB_DIR: fakes.dir,
    LD_LIBRARY_PATH: fakes.dir,
    TENSORRT_NODE_FAKE_CUDA: optionText(options.cuda ?? {}),
    TENSORRT_NODE_FAKE_TENSORRT: optionText(options.tensorrt ?? {}),
  };
}
