// `npm run quickstart`: sets the clone up, then does the whole job on examples/digits.
import { rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setUp } from './setup.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const digits = join(root, 'examples', 'digits');
const out = join(root, 'out', 'quickstart');
const show = (path) => relative(process.cwd(), path) || '.';
const percent = (part) => `${(100 * part).toFixed(1)}%`;
const written = [];
const left = [];

function step(number, title) {
  console.log(`\n${number}. ${title}`);
}

await setUp();
// sharp decodes on libuv's pool, whose size Node reads once, when it first uses the pool.
const { availableParallelism } = await import('node:os');
process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, availableParallelism()));
const trt = await import('../dist/index.js');

await rm(out, { recursive: true, force: true });
const model = join(digits, 'model.onnx');
const labels = join(digits, 'classes.json');
const calibration = join(out, 'calibration');
const int8 = join(out, 'model.int8.onnx');
const rtxModel = join(out, 'model.int8.rtx.onnx');
const engine = join(out, 'model.int8.engine');

step(1, 'Sample and calibrate: 200 of the 300 training images, seed 1234, MinMax');
const table = await trt.calibrateFolder(model, {
  images: join(digits, 'images', 'train'),
  count: 200,
  seed: 1234,
  out: calibration,
});
console.log(
  `   ${table.images} of ${table.available} images, ranges of ${table.table.ranges.size} tensors`,
);
written.push(...table.files);

step(2, 'Quantize: QuantizeLinear and DequantizeLinear into the ONNX graph');
const quantized = await trt.quantizeFile(model, { calibration, out: int8, target: 'onnxruntime' });
const forRtx = await trt.quantizeFile(model, {
  calibration,
  out: rtxModel,
  target: 'tensorrt-rtx',
});
for (const [operator, { quantized: yes, float }] of Object.entries(quantized.report.counts)) {
  console.log(`   ${operator}: ${yes} int8, ${float} float`);
}
written.push(...quantized.files, ...forRtx.files);

step(3, 'Build a TensorRT-RTX engine for compute capabilities 8.0, 8.9 and 12.0, ahead of time');
try {
  const shape = (batch) => [batch, 3, 32, 32];
  const { build, files } = await trt.buildFile(rtxModel, {
    out: engine,
    family: 'tensorrt_rtx',
    computeCapabilities: [80, 89, 120],
    profiles: [{ input: { min: shape(1), opt: shape(1), max: shape(32) } }],
  });
  const seconds = (build.elapsedMs / 1000).toFixed(1);
  console.log(
    `   TensorRT-RTX ${build.library.version}: ${build.layers.length} layers, ${seconds} s`,
  );
  written.push(...files);
} catch (error) {
  if (!(error instanceof trt.TensorRTError)) throw error;
  left.push(`the engine: ${error.message}${error.remedy === undefined ? '' : ` ${error.remedy}`}`);
  console.log(`   left out: ${error.code}: ${error.message}`);
  if (error.remedy !== undefined) console.log(`   ${error.remedy}`);
}

step(4, 'Evaluate FP32 against INT8 on the 100 test images (ONNX Runtime, CPU)');
const result = await trt.evaluate(model, {
  against: int8,
  images: join(digits, 'images', 'test'),
  labels,
});
const { model: fp32, against, comparison } = result;
console.log(
  `   FP32 top-1 ${percent(fp32.accuracy.top1)}, INT8 top-1 ${percent(against.accuracy.top1)}`,
);
console.log(
  `   same class on ${comparison.agreed} of ${comparison.images} images, ` +
    `mean logit difference ${comparison.meanLogitDifference.toFixed(4)}`,
);

step(5, 'Classify three images with the INT8 model');
const test = join(digits, 'images', 'test');
const some = (await trt.listImages(test)).filter((_, index) => index % 40 === 7);
const { results } = await trt.classify(int8, some, { root: test, labels, topK: 1 });
for (const { source, predictions } of results) {
  console.log(`   ${source}: ${predictions[0].label} (${percent(predictions[0].confidence)})`);
}

console.log(`\nWritten to ${show(out)}:`);
for (const file of written) console.log(`   ${relative(out, file)}`);
for (const what of left) console.log(`Not done: ${what}`);
console.log('\nNext: npx tensorrt-node --help, and README.md.');
