// The whole way of the package on a real GPU, on the digits example: calibrate, build, cache, run, compare
// with FP32, and what must not crash. Plain Node over dist/: no development dependency is needed.
//
//   node scripts/bench/gpu-check.mjs --library-dir DIR [--work DIR] [--model M --images DIR]
//
// Prints one JSON document; a step that fails is reported, and the rest goes on. With --model and --images,
// the ranges of that model are measured on the GPU too, from files, and timed (`npm run build:ts` first).
import { copyFile, mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as trt from '../../dist/index.js';
import { crashCheck, crashChecks } from './gpu/crashes.mjs';
import { digits, digitsBatches, digitsModel, recipe, softBuild } from './gpu/digits.mjs';
import { mixedSizes } from './gpu/mixed.mjs';
import { children, step, steps } from './gpu/steps.mjs';

const { values: args } = parseArgs({
  options: {
    'library-dir': { type: 'string' },
    work: { type: 'string' },
    model: { type: 'string' },
    images: { type: 'string' },
    batch: { type: 'string', default: '32' },
    // What a child process of this script does.
    child: { type: 'string' },
    plan: { type: 'string' },
  },
});
const library = args['library-dir'] === undefined ? {} : { libraryDir: args['library-dir'] };
const work = args.work ?? (await mkdtemp(join(tmpdir(), 'gpu-check-')));
await mkdir(work, { recursive: true });
const cache = join(work, 'cache');
const shared = { ...library, cache, profiles: [digits.profile] };
const int8 = { ...shared, int8: true, fp16: true, calibration: join(work, 'cpu-or-gpu') };

/** From the start of the process to the first result, with the engine in the cache. */
async function firstResult() {
  const { plan, cache: state } = await trt.buildEngine(digitsModel, int8);
  const built = performance.now();
  const session = await trt.InferenceSession.create(plan, library);
  const opened = performance.now();
  const image = new trt.Tensor('float32', new Float32Array(3072), [1, 3, 32, 32]);
  await session.run({ input: image });
  const done = performance.now();
  await session.release();
  return { hit: state.hit, fromCacheMs: built, openedMs: opened, firstResultMs: done };
}

if (args.child === 'first-result') {
  console.log(JSON.stringify(await firstResult()));
} else if (args.child !== undefined) {
  console.log(JSON.stringify(await crashCheck(args.child, { library, work, plan: args.plan })));
} else {
  await main();
}

async function compared(plan, against, options = {}) {
  const result = await trt.evaluate(plan, {
    images: join(digits.folder, 'images/test'),
    labels: join(digits.folder, 'classes.json'),
    recipe,
    against,
    batch: 25,
    ...library,
    ...options,
  });
  const { comparison } = result;
  return {
    right: result.model.accuracy.correct,
    rightAgainst: result.against.accuracy.correct,
    agreed: comparison.agreed,
    matched: comparison.matched,
    maxConfidenceDifference: comparison.maxConfidenceDifference,
    meanConfidenceDifference: comparison.meanConfidenceDifference,
    maxLogitDifference: comparison.maxLogitDifference,
    enough: comparison.matched >= 99,
  };
}

/** Largest difference of two tables over amax, and the names that only one of them has. */
function tablesDiffer(a, b) {
  let worst = 0;
  let at;
  for (const [name, range] of a.ranges) {
    const other = b.ranges.get(name);
    if (other === undefined) continue;
    const amax = Math.max(Math.abs(other.lowest), Math.abs(other.highest), 1e-30);
    const by = Math.max(
      Math.abs(range.lowest - other.lowest) / amax,
      Math.abs(range.highest - other.highest) / amax,
    );
    if (!(by <= worst)) [worst, at] = [by, name];
  }
  const only = (x, y) => [...x.ranges.keys()].filter((name) => !y.ranges.has(name));
  return { largest: worst, at, missing: only(b, a), more: only(a, b) };
}

async function main() {
  const fp32 = await step('fp32 engine without TF32', async (report) => {
    const built = await trt.buildEngine(digitsModel, { ...shared, tf32: false });
    report({ library: built.library, buildMs: Math.round(built.elapsedMs), hit: built.cache.hit });
    return built.plan;
  });

  await step('INT8 from TensorRT’s MinMax calibrator, fed from files', async (report) => {
    const batches = () => digitsBatches(8);
    const calibrator = {
      batches,
      algorithm: 'minmax',
      cache: join(work, 'native.cache'),
      id: 'digits',
    };
    const built = await trt.buildEngine(digitsModel, {
      ...shared,
      int8: true,
      fp16: true,
      calibrator,
    });
    const { cache: _, ...calibration } = built.calibration;
    report({ buildMs: Math.round(built.elapsedMs), calibration });
    const native = await trt.readTable(join(work, 'native.cache'));
    const files = await trt.writeTables(native, join(work, 'from-native'));
    const signs = [...native.ranges.values()].every(({ lowest, highest }) => lowest === -highest);
    report({ nativeTensors: native.size, symmetric: signs, tables: files.length });
    report(await compared(built.plan, fp32));
  });

  await step('INT8 engine of bytes: the float model is calibrated first', async (report) => {
    const built = await trt.buildEngine(digitsModel, {
      ...{ ...shared, int8: true, fp16: true, imageInput: true },
      calibrator: { batches: () => digitsBatches(8), id: 'digits' },
    });
    const { images, calibrationMs } = built.calibration;
    report({ inputs: built.inputs, images, calibrationMs, buildMs: Math.round(built.elapsedMs) });
    report({ ranges: softBuild(built.ranges), ...(await compared(built.plan, fp32)) });
  });

  const onGpu = await step('ranges on the GPU: reductions as an engine', async (report) => {
    const result = await trt.calibrateFolder(digitsModel, {
      ...{ images: join(digits.folder, 'images'), files: join(digits.folder, 'calib_list.txt') },
      ...{ recipe, provider: 'tensorrt', ...library, cache, out: join(work, 'cpu-or-gpu') },
      nativeCache: join(work, 'reductions.cache'),
    });
    const { elapsedMs, images, provider, files } = result;
    report({ elapsedMs, images, provider, files: files.length, tensors: result.table.size });
    return result.table;
  });

  const withOrt = await step('ONNX Runtime is there', async (report) => {
    report({ loaded: (await import('onnxruntime-node')).env?.versions });
    return true;
  });
  if (withOrt) {
    await step('ranges equal those of ONNX Runtime', async (report) => {
      const { table } = await trt.calibrateFolder(digitsModel, {
        ...{ images: join(digits.folder, 'images'), files: join(digits.folder, 'calib_list.txt') },
        recipe,
      });
      report(tablesDiffer(onGpu, table));
    });
    await step('FP32 engine against ONNX Runtime', async (report) => {
      report(await compared(fp32, digitsModel));
    });
  }
  for (const method of ['entropy', 'percentile']) {
    await step(`${method} on the GPU`, async (report) => {
      const { table, elapsedMs } = await trt.calibrateFolder(digitsModel, {
        ...{ images: join(digits.folder, 'images'), files: join(digits.folder, 'calib_list.txt') },
        ...{ recipe, method, provider: 'tensorrt', ...library, cache },
      });
      report({ tensors: table.size, elapsedMs });
    });
  }

  await step('INT8 + FP16 engine from the table', async (report) => {
    const built = await trt.buildEngine(digitsModel, int8);
    report({ buildMs: Math.round(built.elapsedMs), ranges: softBuild(built.ranges) });
    report(await compared(built.plan, fp32));
    if (withOrt) report({ againstOnnxRuntime: await compared(built.plan, digitsModel) });
    const path = join(work, 'int8.engine');
    await trt.saveEngine(built, path, { recipe });
    await copyFile(join(digits.folder, 'classes.json'), join(work, 'classes.json'));
    const image = join(digits.folder, 'images/test/0/d0229.png');
    const { results, recipeFile } = await trt.classify(path, [image], library);
    report({ label: results[0].predictions[0].label, recipeFound: recipeFile !== undefined });
  });

  await step('cache hit on the second start', async (report) => {
    report(JSON.parse((await children(['--child', 'first-result'])).stdout));
  });

  await step('mixed sizes through the reductions', (report) =>
    mixedSizes(report, { work, library, cache, recipe, withOrt, tablesDiffer }),
  );

  await step('1,000 runs in flight, each answer its own', async (report) => {
    const session = await trt.InferenceSession.create(fp32, { ...library, contexts: 2 });
    const images = [];
    for await (const { input } of digitsBatches(1))
      images.push(new trt.Tensor('float32', input.data.slice(), input.dims));
    const alone = images.map((input) => session.runSync({ input }).output.data);
    const start = performance.now();
    const answers = await Promise.all(
      Array.from({ length: 1000 }, (_, i) => session.run({ input: images[i % images.length] })),
    );
    const capture = session.graphCapture();
    const elapsedMs = performance.now() - start;
    await session.release();
    const wrong = answers.filter(({ output }, i) =>
      output.data.some((v, k) => v !== alone[i % images.length][k]),
    );
    report({ wrong: wrong.length, elapsedMs, graph: capture });
  });

  const plan = join(work, 'fp32.plan');
  if (fp32 !== undefined) await writeFile(plan, fp32);
  for (const name of crashChecks) {
    await step(`no crash: ${name}`, async (report) => {
      const { status, stdout, stderr } = await children(['--child', name, '--plan', plan]);
      report({ status, ...(stdout === '' ? { stderr: stderr.slice(-2000) } : JSON.parse(stdout)) });
      if (status !== 0) throw new Error(`The process ended with ${status}`);
    });
  }

  if (args.model !== undefined && args.images !== undefined) {
    for (const again of [false, true]) {
      await step(
        `ranges of ${args.model} from ${args.images}${again ? ', engine cached' : ''}`,
        async (report) => {
          const result = await trt.calibrateFolder(args.model, {
            ...{ images: args.images, fraction: 1, provider: 'tensorrt', ...library, cache },
            batch: Number(args.batch),
          });
          const { images, elapsedMs } = result;
          report({ images, elapsedMs, imagesPerSecond: images / (elapsedMs / 1000) });
        },
      );
    }
  }

  const { library: used } = steps.find(({ library }) => library !== undefined) ?? {};
  const failed = steps.filter(({ error }) => error !== undefined).map(({ name }) => name);
  const document = { library: used, devices: trt.queryDriver().devices, work, failed, steps };
  console.log(JSON.stringify(document, (_, v) => (typeof v === 'bigint' ? String(v) : v), 2));
  process.exitCode = failed.length === 0 ? 0 : 1;
}
