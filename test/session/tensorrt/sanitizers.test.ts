import { execFile } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fakeEnvironment } from '../../fakes/build.js';
import { DYNAMIC, FakeGpu, FIXED } from './support.js';

const run = promisify(execFile);
const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..', '..');
const CORE = ['logger', 'tensorrt_library', 'library_version', 'shared_library', 'text', 'network'];

let gpu: FakeGpu;
const SANITIZERS = ['address,undefined', 'thread'];
const programs = new Map<string, string>();
let suppressions: string;
const plans: string[] = [];
beforeAll(async () => {
  gpu = await FakeGpu.open();
  suppressions = join(gpu.folder, 'suppressions');
  // The fakes are not instrumented: what orders their accesses is not seen.
  await writeFile(suppressions, 'called_from_lib:libnvinfer.so\ncalled_from_lib:libcuda.so\n');
  plans.push(await gpu.plan('fixed', FIXED), await gpu.plan('dynamic', DYNAMIC));
  await Promise.all(
    SANITIZERS.map(async (sanitizer) => programs.set(sanitizer, await compile(sanitizer))),
  );
}, 900_000);
afterAll(() => gpu.close());

async function ccFiles(folder: string): Promise<string[]> {
  const names = await readdir(join(root, folder));
  return names.filter((name) => name.endsWith('.cc')).map((name) => join(root, folder, name));
}

/** Compiles native/core's sessions with the test program, under one sanitizer. */
async function compile(sanitizer: string): Promise<string> {
  const { findHeaders } = await import(
    new URL('../../../scripts/sdk-paths.mjs', import.meta.url).href
  );
  const headers = (await findHeaders()).get('tensorrt10') as string;
  const output = join(gpu.folder, `stress-${sanitizer.replace(',', '-')}`);
  const sources = [
    join(here, 'native', 'stress.cc'),
    ...(await ccFiles('native/core/cuda')),
    ...(await ccFiles('native/core/session')),
    ...CORE.map((name) => join(root, 'native', 'core', `${name}.cc`)),
  ];
  await run(
    process.env.CXX ?? 'g++',
    [
      '-std=c++17',
      '-O1',
      '-g',
      `-fsanitize=${sanitizer}`,
      '-fno-sanitize-recover=all',
      '-Wno-deprecated-declarations',
      '-DTRTN_FAMILY="tensorrt10"',
      `-I${join(root, 'native')}`,
      '-isystem',
      headers,
      '-isystem',
      join(root, 'native', 'cuda_stub'),
      ...sources,
      '-o',
      output,
      '-lpthread',
      '-ldl',
    ],
    { maxBuffer: 1 << 24 },
  );
  return output;
}

// The real thing is the addon in the other tests; here is the same core where a race or a stray byte
// ends the process. Leaks are counted by the fake driver: what lives as long as the process is no leak.
describe('the core of sessions', () => {
  it.each(SANITIZERS)('runs clean under %s', { timeout: 600_000 }, async (sanitizer) => {
    const program = programs.get(sanitizer)!;
    const env = {
      ...fakeEnvironment(gpu.fakes, { cuda: { delayUs: 20 } }),
      ASAN_OPTIONS: 'detect_leaks=0',
      TSAN_OPTIONS: `halt_on_error=1 report_thread_leaks=0 suppressions=${suppressions}`,
    };
    for (const [index, plan] of plans.entries()) {
      const args = [gpu.fakes.nvinfer, plan, ...(index === 1 ? ['dynamic'] : [])];
      const result = await run(program, args, { env }).catch((error) => error);
      expect({ stdout: result.stdout, stderr: result.stderr }).toEqual({
        stdout: 'ok\n',
        stderr: '',
      });
    }
  });
});
