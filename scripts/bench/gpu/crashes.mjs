import { readFile } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import * as trt from '../../../dist/index.js';
import { digits, digitsBatches, digitsModel } from './digits.mjs';

const image = (rows = 1) =>
  new trt.Tensor('float32', new Float32Array(rows * 3072), [rows, 3, 32, 32]);

/** What a promise came to: `done`, or the code or name of its error. */
const outcome = (promise) =>
  promise.then(
    () => 'done',
    ({ code, name, message }) => `${code ?? name}: ${message}`.slice(0, 200),
  );

async function openAndRun(plan, library) {
  const session = await trt.InferenceSession.create(plan, library);
  try {
    await session.run({ input: image() });
  } finally {
    await session.release();
  }
}

function flipped(at) {
  return async ({ plan, library }) => {
    const bytes = await readFile(plan);
    const position = Math.floor((bytes.length - 1) * at);
    bytes[position] ^= 0x40;
    return { position, outcome: await outcome(openAndRun(bytes, library)) };
  };
}

const CHECKS = {
  'an empty, a short, a truncated plan': async ({ plan, library }) => {
    const bytes = await readFile(plan);
    const cut = [0, 20, 64, bytes.length >> 1, bytes.length - 1];
    const outcomes = {};
    for (const length of cut) {
      outcomes[length] = await outcome(openAndRun(bytes.subarray(0, length), library));
    }
    return { outcomes };
  },
  'a byte flipped in the header': flipped(0),
  'a byte flipped in the version': async ({ plan, library }) => {
    const bytes = await readFile(plan);
    bytes[25] ^= 0x04;
    return { outcome: await outcome(openAndRun(bytes, library)) };
  },
  'a byte flipped at 1%': flipped(0.01),
  'a byte flipped at 50%': flipped(0.5),
  'a byte flipped at the end': flipped(1),
  'wrong feeds': async ({ plan, library }) => {
    const session = await trt.InferenceSession.create(plan, library);
    const outcomes = {
      none: await outcome(session.run({})),
      name: await outcome(session.run({ other: image() })),
      type: await outcome(
        session.run({ input: new trt.Tensor('int32', new Int32Array(3072), [1, 3, 32, 32]) }),
      ),
      rank: await outcome(
        session.run({ input: new trt.Tensor('float32', new Float32Array(3072), [3, 32, 32]) }),
      ),
      tooMany: await outcome(session.run({ input: image(33) })),
      noRows: await outcome(session.run({ input: image(0) })),
      right: await outcome(session.run({ input: image(2) })),
    };
    await session.release();
    return { outcomes };
  },
  'dispose during runs': async ({ plan, library }) => {
    const outcomes = {};
    for (let round = 0; round < 20; round += 1) {
      const session = await trt.InferenceSession.create(plan, { ...library, contexts: 2 });
      const runs = Array.from({ length: 64 }, () => outcome(session.run({ input: image(8) })));
      await session.dispose();
      for (const one of await Promise.all(runs)) outcomes[one] = (outcomes[one] ?? 0) + 1;
    }
    return { outcomes };
  },
  'process.exit during runs': async ({ plan, library }) => {
    const session = await trt.InferenceSession.create(plan, { ...library, contexts: 2 });
    for (let i = 0; i < 500; i += 1) session.run({ input: image(32) }).catch(() => {});
    await session.run({ input: image(1) });
    process.stdout.write('{"left":"runs"}', () => process.exit(0));
    return new Promise(() => {});
  },
  'abort during a build': async ({ library }) => {
    const start = performance.now();
    const signal = AbortSignal.timeout(1500);
    const options = { ...library, profiles: [digits.profile], cache: false, fp16: true, signal };
    const first = await outcome(trt.buildEngine(digitsModel, options));
    const abortedMs = performance.now() - start - 1500;
    const again = await outcome(
      trt.buildEngine(digitsModel, { ...library, profiles: [digits.profile], cache: false }),
    );
    return { first, abortedMs, again };
  },
  'abort during a calibration': async ({ library }) => {
    const controller = new AbortController();
    const batches = async function* () {
      for await (const batch of digitsBatches(8)) {
        yield batch;
        controller.abort(new Error('enough'));
      }
    };
    const options = { ...library, profiles: [digits.profile], cache: false, int8: true };
    const { signal } = controller;
    return {
      outcome: await outcome(
        trt.buildEngine(digitsModel, { ...options, signal, calibrator: { batches } }),
      ),
    };
  },
  'process.exit during a build': async ({ library }) => {
    trt.buildEngine(digitsModel, { ...library, profiles: [digits.profile], cache: false });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    process.stdout.write('{"left":"a build"}', () => process.exit(0));
    return new Promise(() => {});
  },
  'process.exit during a build of a worker': async ({ library }) => {
    const text = `
      import { workerData } from 'node:worker_threads';
      import * as trt from '${new URL('../../../dist/index.js', import.meta.url).href}';
      trt.buildEngine(workerData.model, workerData.options).catch(() => {});
      setInterval(() => {}, 1000);`;
    const options = { ...library, profiles: [digits.profile], cache: false };
    new Worker(new URL(`data:text/javascript,${encodeURIComponent(text)}`), {
      workerData: { model: digitsModel, options },
    });
    await new Promise((resolve) => setTimeout(resolve, 2500));
    process.stdout.write('{"left":"a worker"}', () => process.exit(0));
    return new Promise(() => {});
  },
  'a build that was aborted, and nothing else to do': async ({ library }) => {
    const signal = AbortSignal.timeout(1500);
    const options = { ...library, profiles: [digits.profile], cache: false, signal };
    return { outcome: await outcome(trt.buildEngine(digitsModel, options)) };
  },
  'create, run, release 200 times': async ({ plan, library }) => {
    const memory = [];
    for (let i = 0; i < 200; i += 1) {
      const session = await trt.InferenceSession.create(plan, library);
      await session.run({ input: image() });
      const { gpuFreeBytes } = session.memory();
      await session.release();
      if (i % 50 === 49) memory.push({ rss: process.memoryUsage().rss, gpuFreeBytes });
    }
    return { memory };
  },
};

/** Names of what must not crash; each is a process of its own. */
export const crashChecks = Object.keys(CHECKS);

/** Does one of them. */
export function crashCheck(name, context) {
  return CHECKS[name](context);
}
