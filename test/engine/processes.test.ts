import { rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileLib, runModule } from './compiled-lib.js';

let root: string;
beforeAll(() => {
  root = compileLib();
});
afterAll(() => rmSync(root, { recursive: true }));

/** What every child begins with: a build of the digits model for three compute capabilities. */
const PRELUDE = `
import { buildEngine } from './dist/engine/index.js';
const MODEL = ${JSON.stringify(resolve('examples/digits/model.onnx'))};
const range = { min: [1, 3, 32, 32], opt: [4, 3, 32, 32], max: [8, 3, 32, 32] };
const build = (options = {}) =>
  buildEngine(MODEL, { computeCapabilities: [80, 89, 120], profiles: [{ input: range }], ...options });
`;

describe('builds and the process around them', () => {
  it('runs eight at once with one thread in the pool, and files are read meanwhile', async () => {
    const child = await runModule(
      root,
      `${PRELUDE}
      import { readFile } from 'node:fs/promises';
      await build();
      const builds = Array.from({ length: 8 }, () => build());
      let running = true;
      const all = Promise.all(builds).then((results) => { running = false; return results; });
      let worst = 0;
      let reads = 0;
      while (running) {
        const start = performance.now();
        await readFile(MODEL);
        worst = Math.max(worst, performance.now() - start);
        reads += 1;
        await new Promise((done) => setTimeout(done, 5));
      }
      const plans = (await all).map(({ plan }) => plan.byteLength);
      console.log(JSON.stringify({ plans, worst, reads }));`,
      { env: { UV_THREADPOOL_SIZE: '1' } },
    );
    expect(child).toMatchObject({ status: 0, stderr: '' });
    const { plans, worst, reads } = JSON.parse(child.stdout);
    expect(plans).toHaveLength(8);
    expect(Math.min(...plans)).toBeGreaterThan(100_000);
    expect(reads).toBeGreaterThan(3);
    // The figure is the issue's: a build must not hold the pool or the event loop.
    expect(worst).toBeLessThan(100);
  });

  it('survives workers that are terminated in the middle of builds', async () => {
    const child = await runModule(
      root,
      `${PRELUDE}
      import { Worker, isMainThread, parentPort } from 'node:worker_threads';
      import { fileURLToPath } from 'node:url';
      if (isMainThread) {
        for (let i = 0; i < 8; i++) {
          const worker = new Worker(fileURLToPath(import.meta.url));
          await new Promise((done, fail) => {
            worker.once('message', done);
            worker.once('error', fail);
          });
          await new Promise((done) => setTimeout(done, 20 * i));
          await worker.terminate();
        }
        const { plan } = await build();
        console.log(plan.byteLength > 100000);
      } else {
        const report = () => parentPort.postMessage('started');
        await Promise.all([build({ onProgress: report }), build({ onProgress: report }), build()]);
        setInterval(() => {}, 1000);
      }`,
    );
    expect(child).toMatchObject({ status: 0, stderr: '', stdout: 'true\n' });
  });

  it('builds in several workers at once, each with its own results', async () => {
    const child = await runModule(
      root,
      `${PRELUDE}
      import { Worker, isMainThread, parentPort } from 'node:worker_threads';
      import { fileURLToPath } from 'node:url';
      if (isMainThread) {
        const sizes = await Promise.all([1, 2, 3].map(() => new Promise((done, fail) => {
          const worker = new Worker(fileURLToPath(import.meta.url));
          worker.once('message', done);
          worker.once('error', fail);
        })));
        console.log(sizes.every((size) => size > 100000));
      } else {
        parentPort.postMessage((await build()).plan.byteLength);
      }`,
    );
    expect(child).toMatchObject({ status: 0, stderr: '', stdout: 'true\n' });
  });

  it('ends the process in the middle of a build with the status that was asked for', async () => {
    const child = await runModule(
      root,
      `${PRELUDE}
      build().catch(() => {});
      build({ onProgress: ({ phase }) => { if (phase !== 'build') process.exit(7); } });`,
    );
    expect(child).toMatchObject({ status: 7, stderr: '' });
  });

  it('waits for a build that nothing else keeps the process alive for', async () => {
    const child = await runModule(
      root,
      `${PRELUDE}
      build().then(({ plan }) => console.log(plan.byteLength > 100000));`,
    );
    expect(child).toMatchObject({ status: 0, stderr: '', stdout: 'true\n' });
  });

  it('does not grow over 200 builds', async () => {
    const child = await runModule(
      root,
      `${PRELUDE}
      const rss = () => { gc(); return process.memoryUsage().rss; };
      const some = async (count) => { for (let i = 0; i < count; i++) await build({ computeCapabilities: [80] }); };
      await some(40);
      const before = rss();
      await some(160);
      console.log(JSON.stringify({ grown: rss() - before }));`,
      // One arena: glibc's arenas grow with the threads that ever ran at once, which is no leak.
      { args: ['--expose-gc'], env: { MALLOC_ARENA_MAX: '1' }, timeoutMs: 110_000 },
    );
    expect(child).toMatchObject({ status: 0, stderr: '' });
    const { grown } = JSON.parse(child.stdout);
    // A plan has 280 kB and a parsed model 90 kB: 160 leaked ones would be 45 MB or 14 MB.
    expect(grown / 2 ** 20).toBeLessThan(10);
  });
});
