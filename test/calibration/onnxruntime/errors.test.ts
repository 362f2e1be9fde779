import { expect, test } from 'vitest';
import {
  calibrate,
  MinMaxCalibrator,
  onnxRuntimeProvider,
} from '../../../lib/calibration/index.js';
import {
  createNode,
  TensorProto_DataType as DataType,
  loadModel,
} from '../../../lib/onnx/index.js';
import type { Progress } from '../../../lib/progress.js';
import { type NamedTensors, Tensor } from '../../../lib/tensor.js';
import { modelBytes, tensor, value } from './support.js';

const sum = modelBytes({
  nodes: [createNode('Add', ['a', 'b'], ['y'])],
  inputs: [value('a', ['n', 2]), value('b', ['n', 2])],
  outputs: [value('y')],
});
const batch = (...values: number[]): NamedTensors => ({
  a: tensor([values.length / 2, 2], values),
  b: tensor([values.length / 2, 2], values),
});

test('no batch at all', async () => {
  await expect(calibrate(sum, [])).rejects.toMatchObject({
    code: 'CALIBRATION_FAILED',
    message: 'There was no input to calibrate with',
  });
});

test('a batch that lacks an input, has another, or is none', async () => {
  const { a } = batch(1, 2);
  await expect(calibrate(sum, [{ a: a! }])).rejects.toThrow(
    new TypeError('Expected batches with tensors for the inputs "a", "b" but one lacks "b"'),
  );
  await expect(calibrate(sum, [{ ...batch(1, 2), c: a! }])).rejects.toThrow(
    new TypeError('Expected batches with tensors for the inputs "a", "b" but one has "c"'),
  );
  await expect(calibrate(sum, [null as unknown as NamedTensors])).rejects.toThrow(
    'Expected objects with a tensor for each input for batches but received null',
  );
});

test('wrong arguments', async () => {
  await expect(calibrate(sum, 7 as never)).rejects.toThrow(
    'Expected an (async) iterable of tensors for batches but received 7 of type number',
  );
  await expect(calibrate(sum, [], { symmetric: 1 as never })).rejects.toThrow(TypeError);
  await expect(calibrate(sum, [], { threads: 0 })).rejects.toThrow(RangeError);
  await expect(calibrate(5 as never, [])).rejects.toThrow(TypeError);
});

test('a shape and a type that the model does not take, in the words of ONNX Runtime', async () => {
  const wide = tensor([1, 3], [1, 2, 3]);
  await expect(calibrate(sum, [{ a: wide, b: wide }])).rejects.toMatchObject({
    code: 'INFERENCE_FAILED',
    detail: [
      expect.stringMatching(/Got invalid dimensions for input: (a|b)/),
      expect.anything(),
      expect.anything(),
    ],
  });
  const whole = new Tensor('int32', Int32Array.of(1, 2), [1, 2]);
  await expect(calibrate(sum, [{ a: whole, b: whole }])).rejects.toMatchObject({
    code: 'INFERENCE_FAILED',
    detail: [expect.stringMatching(/Unexpected input data type/)],
  });
});

test('a model that ONNX Runtime cannot run', async () => {
  const model = modelBytes({
    nodes: [createNode('NoSuchOperator', ['x'], ['y'])],
    inputs: [value('x', ['n'])],
    outputs: [value('y')],
  });
  await expect(calibrate(model, [])).rejects.toMatchObject({
    code: 'MODEL_UNSUPPORTED',
    detail: [expect.stringContaining('NoSuchOperator')],
  });
});

test('a model without a float tensor', async () => {
  const model = modelBytes({
    nodes: [createNode('Neg', ['x'], ['y'])],
    inputs: [value('x', ['n'], DataType.INT32)],
    outputs: [value('y', undefined, DataType.INT32)],
  });
  await expect(calibrate(model, [])).rejects.toMatchObject({
    code: 'CALIBRATION_FAILED',
    message: 'The model has no float tensor whose range could be measured',
  });
});

/** Endless batches that tell when their reader has left. */
function endless(): { batches: AsyncGenerator<NamedTensors>; ended: () => boolean } {
  let ended = false;
  async function* generate() {
    try {
      for (;;) yield batch(1, 2);
    } finally {
      ended = true;
    }
  }
  return { batches: generate(), ended: () => ended };
}

test('an abort stops between batches, and ends the source', async () => {
  const reason = new Error('enough');
  const early = new AbortController();
  early.abort(reason);
  await expect(calibrate(sum, endless().batches, { signal: early.signal })).rejects.toBe(reason);

  const late = new AbortController();
  const source = endless();
  const seen: Progress[] = [];
  const running = calibrate(sum, source.batches, {
    signal: late.signal,
    onProgress: (progress) => {
      seen.push(progress);
      if (progress.done >= 1) late.abort(reason);
    },
  });
  await expect(running).rejects.toBe(reason);
  expect(source.ended()).toBe(true);
  expect(seen.at(-1)).toMatchObject({ phase: 'calibrate', unit: 'images' });
});

test('what the source throws comes out as it is, also when the first batch fails', async () => {
  const wrong = new Error('no more images');
  async function* failing(after: number) {
    for (let i = 0; i < after; i++) yield batch(1, 2);
    throw wrong;
  }
  await expect(calibrate(sum, failing(0))).rejects.toBe(wrong);
  await expect(calibrate(sum, failing(3))).rejects.toBe(wrong);
});

test('the source is ended when the model cannot be read', async () => {
  const source = endless();
  await expect(calibrate('/no/such/model.onnx', source.batches)).rejects.toMatchObject({
    code: 'MODEL_NOT_FOUND',
  });
  expect(source.ended()).toBe(true);
});

test('progress counts inputs, not batches', async () => {
  const seen: Progress[] = [];
  await calibrate(sum, [batch(1, 2, 3, 4), batch(5, 6)], {
    total: 3,
    onProgress: (progress) => seen.push(progress),
  });
  expect(seen[0]).toMatchObject({ done: 0, total: 3 });
  expect(seen.at(-1)).toMatchObject({ done: 3, total: 3, unit: 'images' });
});

test('a calibrator collects again and again, tells what it measures, and is released twice', async () => {
  const model = modelBytes({
    nodes: [createNode('Neg', ['x'], ['y']), createNode('Relu', ['y'], ['z'])],
    inputs: [value('x', ['n'])],
    outputs: [value('z')],
  });
  const calibrator = await MinMaxCalibrator.create(
    await loadModel(model),
    onnxRuntimeProvider({ threads: 1 }),
  );
  expect(calibrator.plan.reduced.map(({ name }) => name)).toEqual(['x', 'y']);
  expect([...calibrator.plan.derived]).toEqual([
    ['z', { sources: ['y'], lower: 0, upper: Number.POSITIVE_INFINITY }],
  ]);
  await calibrator.collect([{ x: tensor([2], [-1, 2]) }]);
  await calibrator.collect([{ x: tensor([1], [-3]) }, { x: tensor([1], [Number.NaN]) }]);
  expect(calibrator.inputs).toBe(4);
  expect(calibrator.batches).toBe(3);
  expect(calibrator.ranges()).toEqual([
    ['x', { lowest: -3, highest: 2 }],
    ['y', { lowest: -2, highest: 3 }],
    ['z', { lowest: 0, highest: 3 }],
  ]);
  await calibrator.release();
  await calibrator.release();
});
