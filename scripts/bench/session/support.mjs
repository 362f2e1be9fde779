// What the parts of the session bench share: plans, feeds, summaries.
import { mkdir, mkdtemp, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';

const { TENSOR_ARRAYS, Tensor } = await import('../../../dist/tensor.js');

/** The q-th part of sorted times. */
export function quantile(sorted, q) {
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

const tenths = (value) => Math.round(value * 10) / 10;

/** Microseconds, of milliseconds. */
export function summary(times) {
  const sorted = Float64Array.from(times).sort();
  const at = (q) => tenths(quantile(sorted, q) * 1000);
  const mean = tenths((sorted.reduce((a, b) => a + b, 0) / sorted.length) * 1000);
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), min: at(0), mean, count: sorted.length };
}

/** The median of some numbers, to a tenth. */
export function median(values) {
  return tenths(quantile(Float64Array.from(values).sort(), 0.5));
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

/** Extents of an input; the profile's opt where dynamic. */
export function dimsOf(session, input) {
  const range = session.profiles[0]?.[input.name];
  return range === undefined ? input.shape : range.opt;
}

/** A tensor for each input, random by seed, of ordinary memory unless `make` gives other. */
export function feedsOf(session, seed, make) {
  const feeds = {};
  for (const input of session.inputs) {
    const dims = dimsOf(session, input);
    const length = dims.reduce((a, b) => a * b, 1);
    const source = random(length, seed);
    const data = input.type === 'uint8' ? source.map((value) => Math.floor(value * 256)) : source;
    const tensor =
      make?.(input.type, dims) ??
      new Tensor(input.type, new TENSOR_ARRAYS[input.type](length), dims);
    tensor.data.set(data);
    feeds[input.name] = tensor;
  }
  return feeds;
}

/** {@link feedsOf} in page-locked memory. */
export const pinnedFeeds = (session, seed) =>
  feedsOf(session, seed, (type, dims) => session.createPinnedTensor(type, dims));

/** Page-locked outputs, where their shapes are known. */
export const pinnedOutputs = (session) =>
  Object.fromEntries(
    session.outputs.map(({ name, type, shape }) => {
      const known = shape.every((dim) => typeof dim === 'number');
      return [name, known ? session.createPinnedTensor(type, shape) : null];
    }),
  );

/** Milliseconds of each of many calls, one after the other, for so many seconds. */
export async function timesOf(call, seconds, sync = false) {
  const times = [];
  for (let i = 0; i < 30; i += 1) sync ? call() : await call();
  const start = performance.now();
  while (performance.now() - start < seconds * 1000 || times.length < 30) {
    const at = performance.now();
    if (sync) call();
    else await call();
    times.push(performance.now() - at);
  }
  return times;
}

/** {@link timesOf} with the event loop's delay beside an idle second before. */
export async function withDelay(work) {
  const idle = monitorEventLoopDelay({ resolution: 1 });
  idle.enable();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  idle.disable();
  const busy = monitorEventLoopDelay({ resolution: 1 });
  busy.enable();
  const result = await work();
  busy.disable();
  const p99 = (histogram) => Math.round(histogram.percentile(99) / 1e3) / 1e3;
  return {
    ...result,
    delayP99Ms: p99(busy),
    idleDelayP99Ms: p99(idle),
    delayAboveIdleMs: Math.round((p99(busy) - p99(idle)) * 1000) / 1000,
  };
}

/**
 * The plan itself, or the one built of an ONNX model; kept in `folder` under its name, and taken from
 * there the next time.
 */
export async function planOf(path, { name, folder, shapes, options }) {
  if (path === undefined || !path.endsWith('.onnx')) return path;
  const into = folder ?? (await mkdtemp(join(tmpdir(), 'bench-session-')));
  const file = join(into, `${name}.plan`);
  if (await stat(file).catch(() => undefined)) return file;
  const { buildEngine, profileFromShapes } = await import('../../../dist/engine/index.js');
  const profile = shapes === '' ? undefined : profileFromShapes(shapes, shapes, shapes);
  const at = performance.now();
  const built = await buildEngine(path, {
    ...options,
    ...(profile === undefined ? {} : { profiles: [profile] }),
  });
  console.error(`built ${name} in ${Math.round((performance.now() - at) / 100) / 10} s`);
  await mkdir(into, { recursive: true });
  await writeFile(file, built.plan);
  return file;
}
