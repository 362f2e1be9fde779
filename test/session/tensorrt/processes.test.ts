import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileLib, runModule } from '../../engine/compiled-lib.js';
import { fakeEnvironment } from '../../fakes/build.js';
import { answersTo, DYNAMIC, FakeGpu, FIXED, type Live } from './support.js';

const run = promisify(execFile);

let gpu: FakeGpu;
let root: string;
let prelude: string;
beforeAll(async () => {
  gpu = await FakeGpu.open();
  root = compileLib();
  const fixed = await gpu.plan('fixed', FIXED);
  const dynamic = await gpu.plan('dynamic', DYNAMIC);
  prelude = `
import { InferenceSession } from './dist/session/tensorrt/index.js';
import { Tensor } from './dist/tensor.js';
const FIXED = ${JSON.stringify(fixed)};
const DYNAMIC = ${JSON.stringify(dynamic)};
const libraryDir = ${JSON.stringify(gpu.fakes.dir)};
const open = (plan, options = {}) => InferenceSession.create(plan, { libraryDir, ...options });
const numbers = (count, seed) =>
  Float32Array.from({ length: count }, (_, i) => (((i * 37 + seed * 11) % 101) - 50) / 16);
const feedsOf = (rows, seed = 0) => ({
  image: new Tensor('float32', numbers(rows * 48, seed), [rows, 3, 4, 4]),
  extra: new Tensor('float32', numbers(rows * 2, seed + 1), [rows, 2]),
});
`;
}, 900_000);
afterAll(async () => {
  await gpu.close();
  await rm(root, { recursive: true });
});

/** Runs a script on the fakes; `live` is what the fake driver still held at its end. */
async function child(
  name: string,
  source: string,
  cuda = {},
  args: string[] = [],
  more: NodeJS.ProcessEnv = {},
) {
  const report = join(gpu.folder, `${name}.json`);
  const env = { ...fakeEnvironment(gpu.fakes, { cuda: { report, ...cuda } }), ...more };
  const result = await runModule(root, prelude + source, { args, env });
  const live = JSON.parse(await readFile(report, 'utf8').catch(() => 'null')) as Live | null;
  return { ...result, live };
}

const NOTHING = {
  deviceAllocations: 0,
  pinnedBlocks: 0,
  streams: 0,
  events: 0,
  graphs: 0,
  graphExecs: 0,
};

describe('sessions and the process around them', () => {
  it('give everything back when they are released', async () => {
    const { status, stdout, stderr, live } = await child(
      'released',
      `
      for (const [plan, options] of [[FIXED, { contexts: 2 }], [DYNAMIC, {}]]) {
        const session = await open(plan, options);
        const image = session.createDeviceTensor('float32', [2, 3, 4, 4]);
        const extra = session.createPinnedTensor('float32', [2, 2]);
        for (let i = 0; i < 3; i += 1) await session.run({ image, extra });
        await session.run(feedsOf(2));
        await session.loop(feedsOf(2), { iterations: 3, warmUp: 0, events: true });
        await session.run(feedsOf(9)).catch(() => {});
        image.dispose();
        extra.dispose();
        await session.release();
      }
      console.log('done');`,
    );
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'done\n', stderr: '' });
    expect(live).toMatchObject(NOTHING);
    expect(live!.calls.cuGraphLaunch).toBeGreaterThan(3);
  });

  it('give everything back at the end of a process that forgot them, runs in flight or not', async () => {
    const { status, stdout, stderr, live } = await child(
      'forgotten',
      `
      const session = await open(FIXED, { contexts: 2 });
      const outputs = await session.run(feedsOf(2));
      console.log(JSON.stringify([...outputs.scores.data]));
      for (let i = 0; i < 20; i += 1) session.run(feedsOf(2, i));
      process.exit(0);`,
      { delayUs: 2000 },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual(answersTo(2).scores);
    expect(live).toMatchObject(NOTHING);
  });

  it('give everything back, pinned tensors too, when the event loop has nothing left', async () => {
    const { status, stderr, live } = await child(
      'left',
      `
      const session = await open(FIXED);
      session.createPinnedTensor('float32', [1000]);
      await session.run(feedsOf(2));`,
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(live).toMatchObject(NOTHING);
  });

  it('answer until the end, to every listener of the event exit', async () => {
    const { status, stdout, stderr, live } = await child(
      'listeners',
      `
      let session;
      const answer = (when) => {
        console.log(when, session.runSync(feedsOf(2)).scores.data.length);
        process.exitCode = 4;
      };
      process.on('exit', () => answer('early'));
      session = await open(FIXED);
      process.on('exit', () => answer('late'));
      for (let i = 0; i < 20; i += 1) session.run(feedsOf(2, i)).catch(() => {});
      process.exit();`,
      { delayUs: 500 },
    );
    expect({ status, stdout, stderr }).toEqual({
      status: 4,
      stdout: 'early 20\nlate 20\n',
      stderr: '',
    });
    expect(live).toMatchObject(NOTHING);
  });

  it('end by themselves once nothing is pending', async () => {
    const { status, stdout } = await child(
      'idle',
      `
      const session = await open(FIXED, { spinWait: true });
      session.run(feedsOf(2)).then(() => console.log('settled'));`,
    );
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'settled\n' });
  });

  it('are collected when they are abandoned', async () => {
    const { status, stdout, live } = await child(
      'abandoned',
      `
      const free = [];
      const witness = await open(FIXED);
      for (let i = 0; i < 30; i += 1) {
        await (await open(FIXED)).run(feedsOf(2));
        if (i === 0) free.push(witness.memory().gpuFreeBytes);
      }
      for (let i = 0; i < 40; i += 1) {
        globalThis.gc();
        await new Promise((resolve) => setTimeout(resolve, 20));
        if (witness.memory().gpuFreeBytes >= free[0]) break;
      }
      console.log(witness.memory().gpuFreeBytes >= free[0]);
      await witness.release();`,
      {},
      ['--expose-gc'],
    );
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'true\n' });
    expect(live).toMatchObject(NOTHING);
  });

  it('survive workers that end in the middle of runs, of opening and of loops', async () => {
    const { status, stdout, stderr, live } = await child(
      'workers',
      `
      import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
      import { fileURLToPath } from 'node:url';
      if (isMainThread) {
        for (let i = 0; i < 12; i += 1) {
          const worker = new Worker(fileURLToPath(import.meta.url), { workerData: i });
          await new Promise((resolve, reject) => {
            worker.once('message', resolve);
            worker.once('error', reject);
          });
          await new Promise((resolve) => setTimeout(resolve, i));
          await worker.terminate();
        }
        const session = await open(FIXED);
        console.log((await session.run(feedsOf(2))).scores.data.length);
        await session.release();
      } else if (workerData % 3 === 0) {
        open(FIXED, { contexts: 2 });
        parentPort.postMessage('opening');
      } else {
        const session = await open(workerData % 2 === 0 ? FIXED : DYNAMIC, { contexts: 2 });
        const pinned = session.createPinnedTensor('float32', [2, 3, 4, 4]);
        const again = async () => {
          for (;;) await session.run({ image: pinned, extra: feedsOf(2).extra });
        };
        if (workerData % 2 === 0) session.loop(feedsOf(2), { duration: 1000 });
        for (let i = 0; i < 4; i += 1) again();
        setTimeout(() => parentPort.postMessage('running'), 10);
      }`,
      { delayUs: 300 },
    );
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '20\n', stderr: '' });
    expect(live).toMatchObject(NOTHING);
  });

  it('say so where no further thread can be started, and work on once one can', async () => {
    const refusing = join(gpu.folder, 'no-threads');
    await writeFile(
      `${refusing}.c`,
      `#define _GNU_SOURCE
      #include <dlfcn.h>
      #include <errno.h>
      #include <pthread.h>
      #include <unistd.h>
      int pthread_create(pthread_t* t, const pthread_attr_t* a, void* (*f)(void*), void* x) {
        if (access("${refusing}", F_OK) == 0) return EAGAIN;
        int (*next)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*) =
            dlsym(RTLD_NEXT, "pthread_create");
        return next(t, a, f, x);
      }`,
    );
    const library = `${refusing}.so`;
    await run('gcc', ['-shared', '-fPIC', '-o', library, `${refusing}.c`, '-ldl']);
    const { status, stdout, stderr, live } = await child(
      'threads',
      `
      import { rmSync, writeFileSync } from 'node:fs';
      const tell = (what) => (error) => console.log(what, error.message.split(':')[0]);
      const session = await open(FIXED);
      let abandoned = await open(FIXED);
      writeFileSync(${JSON.stringify(refusing)}, '');
      await open(FIXED).catch(tell('open'));
      await session.release().catch(tell('release'));
      abandoned = undefined;
      for (let i = 0; i < 5; i += 1) {
        globalThis.gc();
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      rmSync(${JSON.stringify(refusing)});
      const again = await open(FIXED);
      console.log((await again.run(feedsOf(2))).scores.data.length);
      await again.release();`,
      {},
      ['--expose-gc'],
      { LD_PRELOAD: library },
    );
    expect({ status, stdout, stderr }).toEqual({
      ...{ status: 0, stderr: '' },
      stdout: 'open Cannot start a thread\nrelease Cannot start a thread\n20\n',
    });
    expect(live).toMatchObject(NOTHING);
  });

  it('keep memory level over many openings', async () => {
    const { status, stdout, live } = await child(
      'cycles',
      `
      const cycle = async () => {
        const session = await open(FIXED);
        await session.run(feedsOf(2));
        await session.release();
      };
      for (let i = 0; i < 100; i += 1) await cycle();
      globalThis.gc();
      const before = process.memoryUsage.rss();
      for (let i = 0; i < 200; i += 1) await cycle();
      globalThis.gc();
      console.log(process.memoryUsage.rss() / before);`,
      {},
      // V8's young generation grows with what JavaScript throws away: that is not what is measured.
      ['--expose-gc', '--max-semi-space-size=1'],
    );
    expect(status).toBe(0);
    expect(Number(stdout)).toBeLessThan(1.05);
    expect(live).toMatchObject(NOTHING);
  });

  it('leave nothing of large plans in the memory of the process', async () => {
    const plan = await gpu.plan('large', FIXED, { planBytes: 16_000_000 });
    const { status, stdout } = await child(
      'large-plans',
      `
      import { readFileSync } from 'node:fs';
      const bytes = new Uint8Array(readFileSync(${JSON.stringify(plan)}));
      const rss = () => { globalThis.gc(); return process.memoryUsage.rss(); };
      await (await open(FIXED)).release();
      const before = rss();
      for (let i = 0; i < 20; i += 1) {
        const session = await open(bytes);
        await session.run(feedsOf(2));
        await session.release();
      }
      console.log(rss() - before);`,
      {},
      ['--expose-gc'],
    );
    expect(status).toBe(0);
    // Of the copy that is deserialised, and of what the library allocates: each would stay once for each
    // thread that freed it, 60 MB in all.
    expect(Number(stdout) / 1e6).toBeLessThan(25);
  });
});
