// Measures sessions on this machine's GPU and prints one JSON document: the native loops, run, runSync,
// the bare round trip, many concurrent callers, batches, and create/run/dispose cycles with memory.
//   node scripts/bench/session.mjs PLAN|MODEL.onnx --libraryDir DIR [--batchPlan PLAN] [--seconds 2] [--runs 100000]
//     [--shapes input:1x3x224x224] [--cycles 200] [--deviceId 0] [--only loops,runs,…]
// Runs on dist/ and the native modules; needs no development dependency and no network.
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    libraryDir: { type: 'string' },
    batchPlan: { type: 'string' },
    seconds: { type: 'string', default: '2' },
    runs: { type: 'string', default: '100000' },
    cycles: { type: 'string', default: '200' },
    deviceId: { type: 'string', default: '0' },
    only: { type: 'string', default: '' },
    shapes: { type: 'string', default: '' },
  },
});
const [model] = positionals;
if (model === undefined) {
  console.error('Usage: node scripts/bench/session.mjs PLAN --libraryDir DIR');
  process.exit(2);
}
const { InferenceSession } = await import('../../dist/session/tensorrt/index.js');
const { Tensor, TENSOR_ARRAYS } = await import('../../dist/tensor.js');

/** The plan itself, or one that is built of an ONNX model beside it. */
async function planOf(path) {
  if (!path.endsWith('.onnx')) return path;
  const { buildEngine } = await import('../../dist/engine/index.js');
  const fixed = values.shapes.split(',').map((entry) => {
    const [name, text = ''] = entry.split(':');
    const dims = text.split('x').map(Number);
    return [name, { min: dims, opt: dims, max: dims }];
  });
  const built = await buildEngine(path, {
    ...(values.libraryDir === undefined ? {} : { libraryDir: values.libraryDir }),
    ...(values.shapes === '' ? {} : { profiles: [Object.fromEntries(fixed)] }),
  });
  const file = join(await mkdtemp(join(tmpdir(), 'bench-session-')), 'model.plan');
  await writeFile(file, built.plan);
  return file;
}
const plan = await planOf(model);

const seconds = Number(values.seconds);
const common = {
  deviceId: Number(values.deviceId),
  ...(values.libraryDir === undefined ? {} : { libraryDir: values.libraryDir }),
};
const report = { model, node: process.version, cores: cpus().length };
const wanted = (part) => values.only === '' || values.only.split(',').includes(part);

/** Microseconds, of milliseconds. */
function summary(times) {
  const sorted = Float64Array.from(times).sort();
  const at = (q) =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] * 1e4) / 10;
  const mean = Math.round((sorted.reduce((a, b) => a + b, 0) / sorted.length) * 1e4) / 10;
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), min: at(0), mean, count: sorted.length };
}

function random(length, seed) {
  const values = new Float32Array(length);
  let state = seed >>> 0 || 1;
  for (let i = 0; i < length; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = state / 4294967296;
  }
  return values;
}

/** Dims of an input; the profile's opt where dynamic. */
function dimsOf(session, input) {
  const range = session.profiles[0]?.[input.name];
  return range === undefined ? input.shape : range.opt;
}

function feedsOf(session, seed, make = (type, dims) => ({ type, dims })) {
  const feeds = {};
  for (const input of session.inputs) {
    const dims = dimsOf(session, input);
    const length = dims.reduce((a, b) => a * b, 1);
    const source = random(length, seed);
    const data =
      input.type === 'uint8' ? Uint8Array.from(source, (v) => Math.floor(v * 256)) : source;
    const made = make(input.type, dims);
    if (made.data === undefined) {
      feeds[input.name] = new Tensor(input.type, new TENSOR_ARRAYS[input.type](data), dims);
    } else {
      made.data.set(data);
      feeds[input.name] = made;
    }
  }
  return feeds;
}

const pinnedFeeds = (session, seed) =>
  feedsOf(session, seed, (type, dims) => session.createPinnedTensor(type, dims));

/** Times `call` until `seconds` have passed, at least 50 times. */
async function timed(call, sync = false) {
  const times = [];
  for (let i = 0; i < 50; i += 1) sync ? call() : await call();
  const start = performance.now();
  while (performance.now() - start < seconds * 1000 || times.length < 50) {
    const at = performance.now();
    if (sync) call();
    else await call();
    times.push(performance.now() - at);
  }
  return summary(times);
}

const part = async (name, work) => {
  if (!wanted(name)) return;
  try {
    report[name] = await work();
  } catch (error) {
    report[name] = {
      error: `${error.code ?? error.name}: ${error.message}`,
      detail: error.detail,
      remedy: error.remedy,
    };
  }
  console.error(`${name}: ${JSON.stringify(report[name])}`);
};

async function withSession(options, work, source = plan) {
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
    const info = { openMs, firstResultMs: performance.now() - at };
    return {
      ...info,
      libraryVersion: session.libraryVersion,
      inputs: session.inputs,
      outputs: session.outputs,
      graphCapture: session.graphCapture(),
      memory: session.memory(),
    };
  });
});

for (const spin of [false, true]) {
  const name = spin ? 'spin' : 'wait';
  await part(`loops-${name}`, () =>
    withSession({ spinWait: spin }, async (session) => {
      const feeds = feedsOf(session, 1);
      const pinned = pinnedFeeds(session, 1);
      const result = {};
      const loop = async (key, transfers, graph, events = false, tensors = feeds) => {
        const options = { transfers, graph, spin, events, duration: seconds, warmUp: 0.3 };
        const times = await session.loop(tensors, options);
        result[key] = { host: summary(times.host), graph: times.graph };
        if (events) {
          for (const stage of ['enqueue', 'upload', 'compute', 'download']) {
            result[key][stage] = summary(times[stage]);
          }
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
    }),
  );

  await part(`runs-${name}`, () =>
    withSession({ spinWait: spin }, async (session) => {
      const feeds = feedsOf(session, 1);
      const pinned = pinnedFeeds(session, 1);
      const output = Object.fromEntries(
        session.outputs.map(({ name: key, type, shape }) => {
          const known = shape.every((dim) => typeof dim === 'number');
          return [key, known ? session.createPinnedTensor(type, shape) : null];
        }),
      );
      const loop = await session.loop(feeds, { duration: seconds, spin, warmUp: 0.2 });
      const loopPinned = await session.loop(pinned, { duration: seconds, spin, warmUp: 0.2 });
      return {
        loopMemory: summary(loop.host),
        loopPinned: summary(loopPinned.host),
        ping: await timed(() => session.ping()),
        run: await timed(() => session.run(feeds)),
        runPinned: await timed(() => session.run(pinned)),
        runPinnedOutputs: await timed(() => session.run(pinned, output)),
        runSync: await timed(() => session.runSync(feeds), true),
        runSyncPinned: await timed(() => session.runSync(pinned), true),
        pingAgain: await timed(() => session.ping()),
      };
    }),
  );
}

await part('ping-condvar', () =>
  withSession({ spinMicroseconds: 0 }, (session) => timed(() => session.ping())),
);

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

if (values.batchPlan !== undefined) {
  for (const contexts of [1, 2, 3, 4]) {
    await part(`batch-${contexts}`, () =>
      withSession(
        { contexts },
        async (session) => {
          const idle = monitorEventLoopDelay({ resolution: 1 });
          idle.enable();
          await new Promise((resolve) => setTimeout(resolve, 1000));
          idle.disable();
          const device = await session.loop(feedsOf(session, 1), {
            transfers: 'none',
            events: true,
            duration: 1,
          });
          const batch = dimsOf(session, session.inputs[0])[0];
          const inFlight = contexts * 2;
          const rate = async (feeds) => {
            let done = 0;
            const busy = monitorEventLoopDelay({ resolution: 1 });
            busy.enable();
            const start = performance.now();
            await Promise.all(
              Array.from({ length: inFlight }, async (_, i) => {
                while (performance.now() - start < seconds * 1000) {
                  await session.run(feeds[i % feeds.length]);
                  done += 1;
                }
              }),
            );
            const elapsed = (performance.now() - start) / 1000;
            busy.disable();
            return {
              imagesPerSecond: (done * batch) / elapsed,
              delayP99Ms: busy.percentile(99) / 1e6,
            };
          };
          const pinned = Array.from({ length: inFlight }, (_, i) => pinnedFeeds(session, i + 1));
          const ordinary = Array.from({ length: inFlight }, (_, i) => feedsOf(session, i + 1));
          return {
            batch,
            computeUs: summary(device.compute),
            deviceImagesPerSecond: batch / (summary(device.compute).p50 / 1e6),
            pinned: await rate(pinned),
            ordinary: await rate(ordinary),
            idleDelayP99Ms: idle.percentile(99) / 1e6,
            memory: session.memory(),
          };
        },
        values.batchPlan,
      ),
    );
  }
}

await part('cycles', async () => {
  const bytes = new Uint8Array(await readFile(plan));
  const figures = [];
  const count = Number(values.cycles);
  let free = 0;
  const start = performance.now();
  for (let i = 0; i < count; i += 1) {
    const session = await InferenceSession.create(bytes, common);
    await session.run(feedsOf(session, 1));
    free = session.memory().gpuFreeBytes;
    await session.release();
    if (i === 9 || i === Math.floor(count / 2) || i === count - 1) {
      globalThis.gc?.();
      figures.push({ cycle: i + 1, rssBytes: process.memoryUsage.rss(), gpuFreeWhileOpen: free });
    }
  }
  const perCycleMs = (performance.now() - start) / count;
  return { count, perCycleMs, figures };
});

console.log(JSON.stringify(report, null, 2));
