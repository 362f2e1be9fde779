// Measures sessions on this machine's GPU and prints one JSON document: the floor (device, launch,
// transfers, native loops), run and runSync against the loop and the bare round trip, many concurrent
// callers with every result checked, batches, and create/run/release cycles with memory.
//   node scripts/bench/session.mjs PLAN|MODEL.onnx --libraryDir DIR [--shapes input:1x3x224x224]
//     [--imagePlan PLAN]     the same engine with uint8 images (imageInput)
//     [--batchPlan PLAN] [--batchFloatPlan PLAN]     of a batch, uint8 or not; its float twin is the floor
//     [--int8 --fp16 --calibration DIR] [--batch 32] [--plans DIR]     MODEL.onnx: what is built, kept in DIR
//     [--seconds 2] [--rounds 3] [--runs 100000] [--cycles 1000] [--deviceId 0]
//     [--only open,loops-wait,loops-spin,latency,image,concurrent,batch,cycles]
// Runs on dist/ and the native modules; needs no development dependency and no network.
import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { latency } from './session/latency.mjs';
import {
  dimsOf,
  feedsOf,
  pinnedFeeds,
  pinnedOutputs,
  planOf,
  summary,
  withDelay,
} from './session/support.mjs';

const text = (otherwise) => ({ type: 'string', default: otherwise });
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    libraryDir: { type: 'string' },
    imagePlan: { type: 'string' },
    batchPlan: { type: 'string' },
    batchFloatPlan: { type: 'string' },
    plans: { type: 'string' },
    calibration: { type: 'string' },
    int8: { type: 'boolean' },
    fp16: { type: 'boolean' },
    imageInput: { type: 'boolean' },
    batch: { type: 'string' },
    seconds: text('2'),
    rounds: text('3'),
    runs: text('100000'),
    cycles: text('1000'),
    deviceId: text('0'),
    only: text(''),
    shapes: text(''),
  },
});
const [model] = positionals;
if (model === undefined) {
  console.error('Usage: node scripts/bench/session.mjs PLAN|MODEL.onnx --libraryDir DIR');
  process.exit(2);
}
const { InferenceSession } = await import('../../dist/session/tensorrt/index.js');

const seconds = Number(values.seconds);
const library = values.libraryDir === undefined ? {} : { libraryDir: values.libraryDir };
const common = { deviceId: Number(values.deviceId), ...library };

/** Plans of an ONNX model: the engine, the same from uint8 images, and both for a batch. */
async function plans() {
  const { calibration } = values;
  const options = {
    ...library,
    ...(values.int8 ? { int8: true } : {}),
    ...(values.fp16 ? { fp16: true } : {}),
    ...(calibration === undefined ? {} : { calibration }),
  };
  const batch = values.shapes.replace(/:1x/g, `:${values.batch}x`);
  const build = (name, path, shapes, image) =>
    planOf(path, {
      name,
      folder: values.plans,
      shapes,
      options: image ? { ...options, imageInput: {} } : options,
    });
  const image = values.imageInput ? model : undefined;
  return {
    one: await build('one', model, values.shapes),
    image: await build('image', values.imagePlan ?? image, values.shapes, true),
    batchFloat: await build(
      'batch-float',
      values.batchFloatPlan ?? (values.batch === undefined ? undefined : model),
      batch,
    ),
    batch: await build(
      'batch-image',
      values.batchPlan ?? (values.batch === undefined ? undefined : image),
      batch,
      true,
    ),
  };
}
const plan = await plans();

const report = {
  model,
  date: new Date().toISOString(),
  node: process.version,
  cpu: cpus()[0]?.model,
  cores: cpus().length,
  switches: values,
};

const part = async (name, work) => {
  if (values.only !== '' && !values.only.split(',').includes(name)) return;
  try {
    report[name] = await work();
  } catch (error) {
    const { code, remedy, detail } = error;
    report[name] = { error: `${code ?? error.name}: ${error.message}`, detail, remedy };
    process.exitCode = 1;
  }
  console.error(`${name}: ${JSON.stringify(report[name])}`);
};

async function withSession(options, work, source = plan.one) {
  const session = await InferenceSession.create(source, { ...common, ...options });
  try {
    return await work(session);
  } finally {
    await session.release();
  }
}

await part('open', async () => {
  const at = performance.now();
  return withSession({}, async (session) => {
    const openMs = performance.now() - at;
    await session.run(feedsOf(session, 1));
    return {
      openMs,
      firstResultMs: performance.now() - at,
      libraryVersion: session.libraryVersion,
      inputs: session.inputs,
      outputs: session.outputs,
      graphCapture: session.graphCapture(),
      memory: session.memory(),
    };
  });
});

/** The native loops, from the device alone to what `run` does. */
async function floor(session, spin) {
  const feeds = feedsOf(session, 1);
  const pinned = pinnedFeeds(session, 1);
  const result = {};
  const loop = async (key, transfers, graph, events = false, tensors = feeds) => {
    const options = { transfers, graph, spin, events, duration: seconds, warmUp: 0.3 };
    const times = await session.loop(tensors, options);
    result[key] = { host: summary(times.host), graph: times.graph };
    if (!events) return;
    for (const stage of ['enqueue', 'upload', 'compute', 'download']) {
      result[key][stage] = summary(times[stage]);
    }
  };
  await loop('enqueue', 'none', false);
  await loop('graph', 'none', true);
  await loop('graphDevice', 'none', true, true);
  await loop('graphPinned', 'pinned', true);
  await loop('graphPinnedTensor', 'memory', true, false, pinned);
  await loop('graphMemory', 'memory', true);
  await loop('graphMemoryStages', 'memory', true, true);
  await loop('enqueueMemory', 'memory', false);
  return result;
}

for (const spin of [false, true]) {
  await part(`loops-${spin ? 'spin' : 'wait'}`, () =>
    withSession({ spinWait: spin }, (session) => floor(session, spin)),
  );
}

/** As it comes, without the early wake, with others, and polling all the time. */
const WAITS = {
  default: {},
  asleep: { wakeAheadMicroseconds: 0 },
  condvar: { wakeAheadMicroseconds: 0, spinMicroseconds: 0 },
  ahead50: { wakeAheadMicroseconds: 50 },
  ahead200: { wakeAheadMicroseconds: 200 },
  spin: { spinWait: true },
};

const measure = { rounds: Number(values.rounds), seconds: seconds / 4 };

async function latencies(waits, source) {
  const result = {};
  for (const [name, options] of Object.entries(waits)) {
    const spin = options.spinWait ?? false;
    result[name] = await withSession(
      options,
      (session) => latency(session, { ...measure, spin }),
      source,
    );
    console.error(`  ${name}: ${JSON.stringify(result[name])}`);
  }
  return result;
}

await part('latency', () => latencies(WAITS, plan.one));
if (plan.image !== undefined) {
  await part('image', () => latencies({ default: {}, spin: WAITS.spin }, plan.image));
}

await part('concurrent', () =>
  withSession({ contexts: 2 }, async (session) => {
    const total = Number(values.runs);
    const callers = 8;
    const cases = [];
    for (let i = 0; i < callers; i += 1) {
      const feeds = feedsOf(session, 100 + i);
      const outputs = session.runSync(feeds);
      cases.push({ feeds, expected: Object.values(outputs).map((tensor) => tensor.data) });
    }
    const distinct = new Set(cases.map(({ expected }) => String(expected[0].slice(0, 8)))).size;
    let wrong = 0;
    let largest = 0;
    let errors = 0;
    const start = performance.now();
    await Promise.all(
      cases.map(async ({ feeds, expected }) => {
        for (let i = 0; i < total / callers; i += 1) {
          try {
            const outputs = await session.run(feeds);
            Object.values(outputs).forEach((tensor, index) => {
              const want = expected[index];
              for (let k = 0; k < want.length; k += 1) {
                const off = Math.abs(Number(tensor.data[k]) - Number(want[k]));
                if (off > largest) largest = off;
                if (off > 1e-3 || Number.isNaN(off)) wrong += 1;
              }
            });
          } catch (error) {
            errors += 1;
            if (errors === 1) console.error(error);
          }
        }
      }),
    );
    const elapsed = (performance.now() - start) / 1000;
    return { total, distinct, wrong, largest, errors, runsPerSecond: total / elapsed };
  }),
);

/** Images a second over so many runs in flight, each with its own tensors. */
async function rate(session, feeds, outputs) {
  const batch = dimsOf(session, session.inputs[0])[0];
  let done = 0;
  const start = performance.now();
  await Promise.all(
    feeds.map(async (own, i) => {
      while (performance.now() - start < seconds * 1000) {
        await session.run(own, outputs?.[i]);
        done += 1;
      }
    }),
  );
  return { imagesPerSecond: (done * batch) / ((performance.now() - start) / 1000) };
}

/** What the GPU alone does of a plan. */
async function deviceRate(source) {
  return withSession(
    {},
    async (session) => {
      const options = { transfers: 'none', events: true, duration: 1 };
      const { compute } = await session.loop(feedsOf(session, 1), options);
      const batch = dimsOf(session, session.inputs[0])[0];
      const times = summary(compute);
      return { batch, computeUs: times, imagesPerSecond: batch / (times.p50 / 1e6) };
    },
    source,
  );
}

await part('batch', async () => {
  const source = plan.batch ?? plan.batchFloat;
  if (source === undefined) return { skipped: 'no --batch and no --batchPlan' };
  const own = await deviceRate(source);
  const floorOf = plan.batchFloat === undefined ? own : await deviceRate(plan.batchFloat);
  const result = { device: own, floatDevice: floorOf };
  const percent = (measured) => ({
    ...measured,
    percentOfFloor: Math.round((measured.imagesPerSecond / floorOf.imagesPerSecond) * 1000) / 10,
  });
  for (const contexts of [1, 2, 3, 4]) {
    result[`contexts${contexts}`] = await withSession(
      { contexts },
      async (session) => {
        const flights = Array.from({ length: contexts + 1 }, (_, i) => i + 1);
        const pinned = flights.map((seed) => pinnedFeeds(session, seed));
        const outputs = flights.map(() => pinnedOutputs(session));
        const ordinary = flights.map((seed) => feedsOf(session, seed));
        return {
          pinned: percent(await withDelay(() => rate(session, pinned, outputs))),
          ordinary: percent(await withDelay(() => rate(session, ordinary))),
          memory: session.memory(),
        };
      },
      source,
    );
    console.error(`  contexts ${contexts}: ${JSON.stringify(result[`contexts${contexts}`])}`);
  }
  return result;
});

await part('cycles', async () => {
  const bytes = new Uint8Array(await readFile(plan.one));
  const figures = [];
  const count = Number(values.cycles);
  const looks = new Set([10, 50, 100, 250, 500, 1000, count]);
  const start = performance.now();
  const releases = [];
  for (let cycle = 1; cycle <= count; cycle += 1) {
    const session = await InferenceSession.create(bytes, common);
    await session.run(feedsOf(session, 1));
    const { gpuFreeBytes } = session.memory();
    const at = performance.now();
    await session.release();
    releases.push(performance.now() - at);
    if (!looks.has(cycle)) continue;
    globalThis.gc?.();
    // What of the resident memory is V8's, and what JavaScript's arrays.
    const { rss, heapTotal, external, arrayBuffers } = process.memoryUsage();
    figures.push({ cycle, rssBytes: rss, heapTotal, external, arrayBuffers, gpuFreeBytes });
  }
  const perCycleMs = (performance.now() - start) / count;
  const [first, last] = [figures[0], figures.at(-1)];
  return {
    count,
    perCycleMs,
    releaseUs: summary(releases),
    gc: globalThis.gc !== undefined,
    figures,
    hostGrowthPercent: Math.round((last.rssBytes / first.rssBytes - 1) * 1000) / 10,
    deviceGrowthBytes: first.gpuFreeBytes - last.gpuFreeBytes,
  };
});

console.log(JSON.stringify(report, null, 2));
