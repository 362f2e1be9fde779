import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import {
  type Batches,
  calibrate,
  collectHistogramPart,
  HistogramCalibrator,
  type HistogramMethodOptions,
  MinMaxCalibrator,
  onnxRuntimeProvider,
  type TensorRange,
} from '../../../lib/calibration/index.js';
import { readFileList } from '../../../lib/dataset/index.js';
import {
  createNode,
  TensorProto_DataType as DataType,
  encodeModel,
  graphOf,
  loadModel,
} from '../../../lib/onnx/index.js';
import { imageBatches, resolveRecipe } from '../../../lib/preprocess/index.js';
import { fromOnnxRuntime } from '../../../lib/runtime/onnxruntime.js';
import { FAMILIES, FAMILY_SIZE } from '../../support/families.js';
import { observeRanges, randomInput } from '../../support/onnxruntime.js';
import { floats, halfTensor, integers, modelBytes, tensor, value } from './support.js';

const FIXTURES = 'test/fixtures/ort-calibration';
const DIGITS = 'examples/digits';

/** The 40 calibration images in `parts` equal calls. */
async function calls(parts: number): Promise<(() => Batches)[]> {
  const files = await readFileList(`${DIGITS}/calib_list.txt`);
  const recipe = await resolveRecipe({ resize: { mode: 'none' } });
  const size = files.length / parts;
  return Array.from(
    { length: parts },
    (_, part) =>
      async function* () {
        const some = files.slice(part * size, (part + 1) * size);
        for await (const { tensor } of imageBatches(some, recipe, { root: `${DIGITS}/images` })) {
          yield { input: tensor };
        }
      },
  );
}

async function expectRanges(config: string, ranges: readonly [string, TensorRange][]) {
  const file = `${FIXTURES}/tables/model/${config}/ranges.json`;
  const reference: Record<string, [number, number]> = JSON.parse(await readFile(file, 'utf8'));
  expect(ranges.map(([name]) => name).sort()).toEqual(Object.keys(reference).sort());
  for (const [name, { lowest, highest }] of ranges) {
    const [low, high] = reference[name]!;
    const tolerance = 1e-5 * Math.max(Math.abs(low), Math.abs(high));
    expect(Math.abs(lowest - low), `${name} lowest`).toBeLessThanOrEqual(tolerance);
    expect(Math.abs(highest - high), `${name} highest`).toBeLessThanOrEqual(tolerance);
  }
}

const CONFIGS: [config: string, parts: number, options: HistogramMethodOptions][] = [
  ['entropy_default', 1, { method: 'entropy' }],
  ['entropy_512', 1, { method: 'entropy', numBins: 512 }],
  ['entropy_default_4calls', 4, { method: 'entropy' }],
  ['percentile_default', 1, { method: 'percentile' }],
  ['percentile_999_asym', 1, { method: 'percentile', percentile: 99.9, symmetric: false }],
  ['percentile_99_4calls', 4, { method: 'percentile', percentile: 99 }],
  ['distribution_512', 1, { method: 'distribution', numBins: 512 }],
];

test.each(CONFIGS)('%s in %d calls: the ranges of ONNX Runtime', async (config, parts, options) => {
  const model = await loadModel(`${DIGITS}/model.onnx`);
  await using calibrator = await HistogramCalibrator.create(model, onnxRuntimeProvider(), options);
  for (const call of await calls(parts)) await calibrator.collect(call);
  expect(calibrator.inputs).toBe(40);
  await expectRanges(config, calibrator.ranges());
});

test('minmax_mavg_4calls: the moving average of ONNX Runtime', async () => {
  const model = await loadModel(`${DIGITS}/model.onnx`);
  await using calibrator = await MinMaxCalibrator.create(model, onnxRuntimeProvider(), {
    movingAverage: 0.1,
  });
  for (const call of await calls(4)) await calibrator.collect(call());
  await expectRanges('minmax_mavg_4calls', calibrator.ranges());
});

/** A model that hands on what it is given in several ways, so that histograms can be counted by hand. */
const model = modelBytes({
  nodes: [
    createNode('Neg', ['x'], ['n']),
    createNode('Relu', ['n'], ['r']),
    createNode('Clip', ['n', 'low', 'high'], ['c']),
    createNode('Concat', ['r', 'n'], ['j'], {}, { axis: 0 }),
    createNode('Reshape', ['j', 'flat'], ['f']),
    createNode('Clip', ['f', 'zero', 'high'], ['six']),
  ],
  inputs: [value('x', ['n'])],
  outputs: ['c', 'f', 'six'].map((name) => value(name)),
  initializers: [
    floats('low', [], [-1]),
    floats('zero', [], [0]),
    floats('high', [], [2]),
    integers('flat', [-1]),
  ],
});
const batches = [{ x: tensor([3], [4, -3, 1]) }, { x: tensor([2], [-0.5, -1.5]) }];

test('histograms of values that follow from others', async () => {
  const table = await calibrate(model, batches, { method: 'distribution', numBins: 512 });
  const total = (name: string) =>
    table.ranges.get(name)!.histogram!.counts.reduce((sum, count) => sum + count, 0);
  // Neg gives -4 3 -1 0.5 1.5; Relu 0 3 0 0.5 1.5; Clip -1 2 -1 0.5 1.5.
  const bounds = Object.fromEntries(
    Array.from(table.ranges, ([name, range]) => [name, [range.highest, total(name)]]),
  );
  expect(bounds).toEqual({
    x: [4, 5],
    n: [4, 5],
    r: [3, 5],
    c: [2, 5],
    j: [4, 10],
    f: [4, 10],
    six: [2, 10],
  });
  const { counts } = table.ranges.get('six')!.histogram!;
  // 512 bins over (-2, 2): zeros in bin 256, 0.5 in 320, 1.5 in 448, the clipped 3 in the last one.
  expect([256, 320, 448, 511].map((bin) => counts[bin])).toEqual([4, 2, 2, 2]);
  expect(table.method).toBe('distribution');
  expect(table.meta?.method).toEqual({
    name: 'distribution',
    options: { numBins: 512, numQuantizedBins: 128, percentile: 99.999, symmetric: false },
  });
});

test('the smallest magnitude is the first edge of a symmetric percentile', async () => {
  const table = await calibrate(model, () => batches, { method: 'percentile', numBins: 16 });
  const found = Object.fromEntries(
    Array.from(table.ranges, ([name, { lowest, highest }]) => [name, [lowest, highest]]),
  );
  // The threshold is the left edge of the last bin: magnitudes from m to M give M - (M - m) / 16.
  // It does not go beyond the values: x is -3 to 4, n is -4 to 3, c is -1 to 2.
  expect(found).toEqual({
    x: [-3, 4 - 3.5 / 16],
    n: [-(4 - 3.5 / 16), 3],
    r: [0, 3 - 3 / 16],
    c: [-1, 2 - 1.5 / 16],
    j: [-(4 - 4 / 16), 3],
    f: [-(4 - 4 / 16), 3],
    six: [0, 2 - 2 / 16],
  });
});

test('NaN is dropped from histograms of values, and refused in magnitudes', async () => {
  const { NaN: nan } = Number;
  const mixed = [{ x: tensor([3], [4, nan, 1]) }, { x: tensor([1], [nan]) }];
  const table = await calibrate(model, mixed, { method: 'entropy' });
  expect(table.ranges.get('x')).toMatchObject({ lowest: 1, highest: 4 });
  await expect(calibrate(model, mixed, { method: 'percentile' })).rejects.toMatchObject({
    code: 'CALIBRATION_FAILED',
    message: expect.stringContaining('"x"'),
  });
});

test('half precision is counted as numbers', async () => {
  const half = modelBytes({
    nodes: [createNode('Neg', ['x'], ['y'])],
    inputs: [value('x', ['n'], DataType.FLOAT16)],
    outputs: [value('y', undefined, DataType.FLOAT16)],
  });
  const table = await calibrate(half, [{ x: halfTensor([2], [1.5, -0.25]) }], {
    method: 'entropy',
  });
  expect(table.ranges.get('y')).toMatchObject({ lowest: -1.5, highest: 0.25 });
});

test('what the histogram methods refuse', async () => {
  const once = (async function* () {
    yield* batches;
  })();
  await expect(calibrate(model, once, { method: 'entropy' })).rejects.toThrow(
    /^Expected an array or a function that gives batches, because entropy goes through them twice/,
  );
  await expect(calibrate(model, batches, { method: 'mean' as never })).rejects.toThrow(RangeError);
  await expect(
    calibrate(model, batches, { method: 'percentile', percentile: 101 }),
  ).rejects.toThrow(RangeError);
  await expect(calibrate(model, batches, { movingAverage: 2 })).rejects.toThrow(RangeError);
  await expect(calibrate(model, [], { method: 'entropy' })).rejects.toMatchObject({
    code: 'CALIBRATION_FAILED',
  });
  let passes = 0;
  const shrinking = () => batches.slice(passes++);
  await expect(calibrate(model, shrinking, { method: 'entropy' })).rejects.toMatchObject({
    code: 'CALIBRATION_FAILED',
    message: 'The first pass brought 5 inputs and the second 2',
  });
  const whole = modelBytes({
    nodes: [createNode('Neg', ['x'], ['y'])],
    inputs: [value('x', ['n'], DataType.INT32)],
    outputs: [value('y', undefined, DataType.INT32)],
  });
  await expect(calibrate(whole, [], { method: 'entropy' })).rejects.toMatchObject({
    code: 'CALIBRATION_FAILED',
  });
});

test('moving average over the batches of one call', async () => {
  const table = await calibrate(model, batches, { movingAverage: 0.5 });
  expect(table.ranges.get('x')).toEqual({ lowest: (-3 - 1.5) / 2, highest: (4 - 0.5) / 2 });
  expect(table.meta?.method?.options).toEqual({ symmetric: false, movingAverage: 0.5 });
});

test('parts of the images merge to one table', async () => {
  const loaded = await loadModel(model);
  const provider = onnxRuntimeProvider();
  const options = { method: 'percentile', percentile: 50 } as const;
  const [first, second] = await Promise.all(
    batches.map((batch) => collectHistogramPart(loaded, provider, [batch], options)),
  );
  first!.merge(second!);
  const whole = await collectHistogramPart(loaded, provider, batches, options);
  expect([...first!.table().ranges]).toEqual([...whole.table().ranges]);
  expect(whole.table().ranges.get('six')!.highest).toBeCloseTo(0.5, 2);
  await expect(collectHistogramPart(loaded, provider, [], options)).rejects.toMatchObject({
    code: 'CALIBRATION_FAILED',
  });
});

test('without graph optimisations, bounds are those of the operators one by one', async () => {
  const model = FAMILIES.EfficientNet();
  const input = randomInput(1, [1, 3, FAMILY_SIZE, FAMILY_SIZE]);
  const feeds = { [graphOf(model).input[0]!.name]: fromOnnxRuntime(input) };
  const table = await calibrate(encodeModel(model), [feeds], {
    method: 'distribution',
    graphOptimizationLevel: 'disabled',
  });
  const found = new Map(Array.from(table.ranges, ([name, { highest }]) => [name, highest]));
  expect(found.size).toBeGreaterThan(50);
  expect(found).toEqual(await observeRanges(model, [input]));
});

test('an unknown level of optimisation is refused', async () => {
  await expect(
    calibrate(`${DIGITS}/model.onnx`, [], { graphOptimizationLevel: 'most' as never }),
  ).rejects.toThrow(/"extended", "all" for graphOptimizationLevel but received "most"/);
});
