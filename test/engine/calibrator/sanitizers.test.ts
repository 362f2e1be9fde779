import { execFile } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fakeEnvironment } from '../../fakes/build.js';
import { type Held, NOTHING, Workshop } from './support.js';

const run = promisify(execFile);
const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..', '..');
const SANITIZERS = ['address,undefined', 'thread'];

let shop: Workshop;
beforeAll(async () => {
  shop = await Workshop.open(10);
}, 900_000);
afterAll(() => shop.close());

async function ccFiles(folder: string): Promise<string[]> {
  const names = await readdir(join(root, folder));
  return names.filter((name) => name.endsWith('.cc')).map((name) => join(root, folder, name));
}

/** Compiles native/core's builds with the test program, under one sanitizer. */
async function compile(sanitizer: string): Promise<string> {
  const paths = new URL('../../../scripts/sdk-paths.mjs', import.meta.url).href;
  const headers = (await (await import(paths)).findHeaders()).get('tensorrt10') as string;
  const output = join(shop.folder, `stress-${sanitizer.replace(',', '-')}`);
  const base = new Set(['pixels.cc', 'resample.cc', 'resample_avx2.cc', 'cuda_driver.cc']);
  const sources = [
    join(here, 'native', 'stress.cc'),
    ...(await ccFiles('native/core')).filter((file) => !base.has(file.split('/').at(-1)!)),
    ...(await ccFiles('native/core/calibration')),
    ...(await ccFiles('native/core/cuda')),
  ];
  await run(
    process.env.CXX ?? 'g++',
    [
      ...['-std=c++17', '-O1', '-g', `-fsanitize=${sanitizer}`, '-fno-sanitize-recover=all'],
      ...['-Wno-deprecated-declarations', '-DTRTN_FAMILY="tensorrt10"', '-DTRTN_SANITIZE'],
      ...[`-I${join(root, 'native')}`, '-isystem', headers],
      ...['-isystem', join(root, 'native', 'cuda_stub'), ...sources],
      ...['-o', output, '-lpthread', '-ldl'],
    ],
    { maxBuffer: 1 << 24 },
  );
  return output;
}

// The real thing is the addon in the other tests; here is the same core where a race or a stray byte
// ends the process. What is left on the GPU is counted by the fake driver.
describe('the core of calibrated builds', () => {
  it.each(SANITIZERS)('runs clean under %s', { timeout: 900_000 }, async (sanitizer) => {
    const program = await compile(sanitizer);
    const suppressions = join(shop.folder, 'suppressions');
    // The fakes are not instrumented: what orders their accesses is not seen.
    await writeFile(
      suppressions,
      'called_from_lib:libnvinfer.so\ncalled_from_lib:libnvonnxparser.so\ncalled_from_lib:libcuda.so\n',
    );
    const report = join(shop.folder, 'stress.json');
    const env = {
      ...fakeEnvironment(shop.fakes, {
        cuda: { report, delayUs: 20 },
        tensorrt: { batchMs: 1 },
      }),
      ASAN_OPTIONS: 'detect_leaks=0',
      TSAN_OPTIONS: `halt_on_error=1 report_thread_leaks=0 suppressions=${suppressions}`,
    };
    const { nvinfer, parser } = shop.fakes;
    const args = [nvinfer, parser, join(shop.folder, 'FIXED.onnx')];
    const result = await run(program, args, { env }).catch((error) => error);
    expect({ stdout: result.stdout, stderr: result.stderr }).toEqual({
      stdout: 'ok\n',
      stderr: '',
    });
    expect(JSON.parse(await readFile(report, 'utf8')) as Held).toMatchObject(NOTHING);
  });
});
