// Calibrates a model with TensorRT's own calibrator from generated JPEG files, and prints one JSON
// document: seconds from the first getBatch to the hand-over of the cache, the share of them that
// TensorRT waited for images, and how fast the same images are prepared when nothing else is done.
//   node scripts/bench/calibrator.mjs MODEL.onnx --libraryDir DIR [--images 7686]
//     [--pixels 512|WIDTHxHEIGHT] [--size 288] [--divisor 32] [--batch 32] [--algorithm minmax]
//     [--seed 1] [--folder DIR] [--fp16] [--decodeOnly] [--processes N]
// A dynamic model gets a profile of the batch's shape; one that fixes its batch is fed with that. --folder keeps the images for the next time.
// Runs on dist/ and the native modules; needs no development dependency and no network.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const cores = availableParallelism();
if (process.env.UV_THREADPOOL_SIZE === undefined) {
  // Read by Node before this file is: so this process only starts the one that works.
  const env = { ...process.env, UV_THREADPOOL_SIZE: String(Math.max(4, cores)) };
  const { status } = spawnSync(process.execPath, process.argv.slice(1), { env, stdio: 'inherit' });
  process.exit(status ?? 1);
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    libraryDir: { type: 'string' },
    images: { type: 'string', default: '7686' },
    pixels: { type: 'string', default: '512' },
    size: { type: 'string', default: '288' },
    divisor: { type: 'string', default: '32' },
    batch: { type: 'string', default: '32' },
    algorithm: { type: 'string', default: 'minmax' },
    seed: { type: 'string', default: '1' },
    folder: { type: 'string' },
    fp16: { type: 'boolean', default: false },
    decodeOnly: { type: 'boolean', default: false },
    processes: { type: 'string' },
  },
});
const [model] = positionals;
if (model === undefined && !values.decodeOnly) {
  console.error('Usage: node scripts/bench/calibrator.mjs MODEL.onnx --libraryDir DIR');
  process.exit(2);
}
const { default: sharp } = await import('sharp');
const { buildEngine } = await import('../../dist/engine/index.js');
const { imageBatches, resolveRecipe } = await import('../../dist/preprocess/index.js');
const { describeModel, loadModel } = await import('../../dist/onnx/index.js');

const [count, seed] = [Number(values.images), Number(values.seed)];
const [width, height = width] = values.pixels.split('x').map(Number);
const [input] =
  model === undefined ? [] : describeModel(await loadModel(model, { externalData: false })).inputs;
const fixed = input?.shape?.[0];
const batch = typeof fixed === 'number' && fixed > 0 ? fixed : Number(values.batch);

/** Numbers of 0 to 255 that look random; the same for a seed. */
function bytes(length, start) {
  let state = (start * 2654435761 + 1) >>> 0;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

/** Something like a photograph: large shapes, smaller ones, and a little noise. */
async function image(index) {
  const layer = async (side, number) => {
    const small = bytes(side * side * 3, seed * 1_000_003 + index * 7 + number);
    return sharp(small, { raw: { width: side, height: side, channels: 3 } })
      .resize(width, height, { kernel: 'cubic', fit: 'fill' })
      .raw()
      .toBuffer();
  };
  const [large, fine] = await Promise.all([layer(8, 1), layer(96, 2)]);
  const noise = bytes(large.length, index);
  const mixed = large.map((value, at) => (value * 11 + fine[at] * 4 + noise[at]) >> 4);
  return sharp(mixed, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 90 })
    .toBuffer();
}

async function imagesIn(folder) {
  await mkdir(folder, { recursive: true });
  const names = Array.from({ length: count }, (_, i) => `${seed}-${width}x${height}-${i}.jpg`);
  const there = new Set(await readdir(folder));
  // One iterator for all workers: each takes the next.
  const missing = [...names.keys()].filter((index) => !there.has(names[index])).values();
  const worker = async () => {
    for (const index of missing) await writeFile(join(folder, names[index]), await image(index));
  };
  await Promise.all(Array.from({ length: cores }, worker));
  return names;
}

/** Milliseconds of processor time that the thread of JavaScript has had; NaN where nobody counts. */
function mainThreadMs() {
  try {
    const [nanoseconds] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(
      ' ',
    );
    return Number(nanoseconds) / 1e6;
  } catch {
    return Number.NaN;
  }
}

/** Seconds of processor time that the processes decoding for this one have had. */
function childSeconds() {
  const ticks = readdirSync('/proc').map((name) => {
    if (!/^\d+$/.test(name)) return 0;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      // From the third field on: the second is a name in brackets.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(fields[1]) === process.pid ? Number(fields[11]) + Number(fields[12]) : 0;
    } catch {
      return 0;
    }
  });
  return ticks.reduce((sum, value) => sum + value, 0) / 100;
}

const temporary =
  values.folder === undefined ? await mkdtemp(join(tmpdir(), 'bench-calibrator-')) : undefined;
const root = values.folder ?? temporary;
try {
  const names = await imagesIn(root);
  const recipe = await resolveRecipe('notebook', {
    size: Number(values.size),
    divisor: Number(values.divisor),
  });
  const processes = values.processes === undefined ? {} : { processes: Number(values.processes) };
  const batchesOf = (images) => imageBatches(images, recipe, { root, batch, ...processes });

  /** How fast images are prepared when nothing is done with them. */
  const prepare = async () => {
    // Processes asked for by number have started then; otherwise their start is part of what is measured.
    const warm = performance.now() + (Number(values.processes ?? 0) > 0 ? 1500 : 0);
    do {
      for await (const _ of batchesOf(names.slice(0, 4 * cores)));
    } while (performance.now() < warm);
    const thread = mainThreadMs();
    const cpu = process.cpuUsage();
    const children = childSeconds();
    const start = performance.now();
    const before = performance.eventLoopUtilization();
    for await (const _ of batchesOf(names));
    const busy = performance.eventLoopUtilization(before);
    const seconds = (performance.now() - start) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    const elsewhere = childSeconds() - children;
    const threadMs = mainThreadMs() - thread;
    return {
      seconds,
      imagesPerSecond: count / seconds,
      coreMsPerImage: ((user + system) / 1000 + elsewhere * 1000) / count,
      coreMsPerImageInProcesses: (elsewhere * 1000) / count,
      mainThreadMsPerImage: busy.active / count,
      mainThreadCpuMsPerImage: threadMs / count,
      mainThreadUtilization: busy.utilization,
    };
  };

  const report = {
    images: count,
    pixels: [width, height],
    size: recipe.resize.size,
    batch,
    cores,
    processes: values.processes ?? process.env.TENSORRT_NODE_DECODE_PROCESSES ?? 'automatic',
    threads: Number(process.env.UV_THREADPOOL_SIZE),
    node: process.version,
    decodeOnly: await prepare(),
  };
  // What is known is told at once: the build after the calibration takes minutes.
  console.error(`prepared: ${JSON.stringify(report)}`);
  if (!values.decodeOnly) {
    let shape;
    async function* feeds() {
      for await (const { tensor } of batchesOf(names)) yield { [input.name]: tensor };
    }
    for await (const { tensor } of batchesOf(names.slice(0, batch))) shape = [...tensor.dims];
    const range = { min: [1, ...shape.slice(1)], opt: shape, max: shape };
    const dynamic = input.shape?.some((extent) => typeof extent !== 'number' || extent < 0);
    const start = performance.now();
    let told = '';
    const tellPhase = ({ phase, done }) => {
      const now = `${phase} ${phase === 'calibrate' ? done : ''}`;
      if (now !== told) {
        const seconds = ((performance.now() - start) / 1000).toFixed(2);
        console.error(`${seconds} s: ${now}`);
      }
      told = now;
    };
    const built = await buildEngine(model, {
      cache: false,
      ...(values.libraryDir === undefined ? {} : { libraryDir: values.libraryDir }),
      ...(values.fp16 ? { fp16: true } : {}),
      ...(dynamic ? { profiles: [{ [input.name]: range }] } : {}),
      calibrator: { batches: feeds, algorithm: values.algorithm, total: count },
      onProgress: tellPhase,
    });
    const { calibration } = built;
    const seconds = calibration.calibrationMs / 1000;
    Object.assign(report, {
      algorithm: calibration.algorithm,
      model,
      library: built.library,
      shape,
      batches: calibration.batches,
      calibratedImages: calibration.images,
      seconds,
      imagesPerSecond: calibration.images / seconds,
      waitShare: calibration.waitMs / calibration.calibrationMs,
      waitSeconds: calibration.waitMs / 1000,
      buildSeconds: (performance.now() - start) / 1000,
      planBytes: built.plan.length,
      tensors: new TextDecoder().decode(calibration.cache).trim().split('\n').length - 1,
    });
  }
  console.log(JSON.stringify(report, null, 2));
} finally {
  if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
}
