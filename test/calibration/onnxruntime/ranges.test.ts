import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CalibrationTable, calibrate } from '../../../lib/calibration/index.js';
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  createNode,
  TensorProto_DataType as DataType,
  GraphProtoSchema,
  loadModel,
  saveModel,
} from '../../../lib/onnx/index.js';
import type { NamedTensors } from '../../../lib/tensor.js';
import { floats, halfTensor, integers, modelBytes, planted, tensor, value } from './support.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'calibration-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function rangesOf(table: CalibrationTable): Record<string, [number, number]> {
  const entries = Array.from(table.ranges, ([name, { lowest, highest }]) => [
    name,
    [lowest, highest],
  ]);
  return Object.fromEntries(entries);
}

/** y = relu(2x + 1) with a 1×1 convolution: every number is exact. */
const small = (opset = 17, asInputs = false) =>
  modelBytes({
    nodes: [
      createNode('Conv', ['x', 'w', 'b'], ['c'], {}, { kernel_shape: [1, 1] }),
      createNode('Relu', ['c'], ['126']),
      createNode('GlobalAveragePool', ['126'], ['y']),
    ],
    inputs: [
      value('x', ['n', 1, 'h', 'w_']),
      ...(asInputs ? [value('w', [1, 1, 1, 1]), value('b', [1])] : []),
    ],
    outputs: [value('y')],
    initializers: [floats('w', [1, 1, 1, 1], [2]), floats('b', [1], [1])],
    opset,
    irVersion: asInputs ? 3 : 8,
  });

test.each([
  [7, true],
  [11, false],
  [13, false],
  [17, false],
  [18, false],
  [20, false],
])('operator set %d, weights also inputs: %s', async (opset, asInputs) => {
  const table = await calibrate(small(opset, asInputs), [
    { x: tensor([1, 1, 2, 2], [-3, 0.5, 1, 2]) },
    { x: tensor([2, 1, 1, 2], [0, 4, -1, 0.25]) },
  ]);
  expect([...table.ranges]).toEqual([
    ['x', { lowest: -3, highest: 4 }],
    ['c', { lowest: -5, highest: 9 }],
    ['126', { lowest: 0, highest: 9 }],
    ['y', { lowest: 0.75, highest: 5 }],
  ]);
});

test('symmetric ranges', async () => {
  const table = await calibrate(small(), [{ x: tensor([1, 1, 1, 2], [-3, 1]) }], {
    symmetric: true,
  });
  expect(rangesOf(table)).toEqual({ x: [-3, 3], c: [-5, 5], 126: [-3, 3], y: [-1.5, 1.5] });
  expect(table.meta?.method).toEqual({ name: 'minmax', options: { symmetric: true } });
});

test('every operator whose range follows from another, and those that are near it', async () => {
  const model = modelBytes({
    nodes: [
      createNode('Concat', ['a', 'b'], ['joined'], {}, { axis: 1 }),
      createNode('Clip', ['joined', 'low', 'high'], ['both']),
      createNode('Clip', ['joined', '', 'high'], ['above']),
      createNode('Clip', ['joined'], ['neither']),
      createNode('Concat', ['joined', 'constant'], ['wider'], {}, { axis: 1 }),
      createNode('Transpose', ['both'], ['turned'], {}, { perm: [1, 0] }),
      createNode('Dropout', ['turned'], ['kept', '']),
      createNode('Identity', ['kept'], ['same']),
      createNode('Reshape', ['same', 'flat'], ['line']),
      createNode('Unsqueeze', ['line', 'first'], ['row']),
      createNode('Squeeze', ['row', 'first'], ['back']),
      createNode('Split', ['joined', 'parts'], ['left', 'right'], {}, { axis: 1 }),
      createNode('ReduceSum', ['left'], ['sum'], {}, { keepdims: 0 }),
      createNode('Cast', ['sum'], ['whole'], {}, { to: DataType.INT64 }),
      createNode('Cast', ['sum'], ['brief'], {}, { to: DataType.BFLOAT16 }),
      createNode('Cast', ['brief'], ['long'], {}, { to: DataType.FLOAT }),
      createNode('Shape', ['back'], ['shape']),
      createNode('Constant', [], ['fixed'], {}, { value: floats('', [2], [-7, 2.5]) }),
      createNode('Mul', ['sum', 'fixed'], ['end']),
    ],
    inputs: [value('a', ['n', 2]), value('b', ['n', 2]), value('unused', [1])],
    outputs: ['end', 'whole', 'wider', 'above', 'neither', 'long', 'right', 'shape'].map((name) =>
      value(name, undefined, ['whole', 'shape'].includes(name) ? DataType.INT64 : DataType.FLOAT),
    ),
    initializers: [
      floats('low', [], [-1]),
      floats('high', [], [2]),
      floats('constant', [1, 1], [-9]),
      integers('flat', [-1]),
      integers('first', [0]),
      integers('parts', [1, 3]),
    ],
  });
  const table = await calibrate(model, [
    { a: tensor([1, 2], [-4, 3]), b: tensor([1, 2], [5, 0.5]), unused: tensor([1], [99]) },
  ]);
  expect(rangesOf(table)).toEqual({
    a: [-4, 3],
    b: [0.5, 5],
    joined: [-4, 5],
    both: [-1, 2],
    above: [-4, 2],
    neither: [-4, 5],
    wider: [-9, 5],
    turned: [-1, 2],
    kept: [-1, 2],
    same: [-1, 2],
    line: [-1, 2],
    row: [-1, 2],
    back: [-1, 2],
    left: [-4, -4],
    right: [0.5, 5],
    sum: [-4, -4],
    long: [-4, -4],
    fixed: [-7, 2.5],
    end: [-10, 28],
  });
});

test('limits of Clip that are attributes, in old operator sets', async () => {
  const model = modelBytes({
    nodes: [
      createNode('Clip', ['x'], ['six'], {}, { min: { float: 0 }, max: { float: 6 } }),
      createNode('Clip', ['x'], ['below'], {}, { max: { float: -0.5 } }),
    ],
    inputs: [value('x', ['n'])],
    outputs: [value('six'), value('below')],
    opset: 10,
  });
  const table = await calibrate(model, [{ x: tensor([3], [-4, 7, Number.POSITIVE_INFINITY]) }]);
  expect(rangesOf(table)).toEqual({
    x: [-4, Number.POSITIVE_INFINITY],
    six: [0, 6],
    below: [-4, -0.5],
  });
  expect(table.warnings).toEqual(['The range is not finite for "x"']);
});

test('limits of Clip that are computed are not derived from', async () => {
  const model = modelBytes({
    nodes: [
      createNode('ReduceMean', ['x'], ['mean'], {}, { keepdims: 0 }),
      createNode('Clip', ['x', 'mean'], ['y']),
    ],
    inputs: [value('x', ['n'])],
    outputs: [value('y')],
  });
  const table = await calibrate(model, [{ x: tensor([2], [-4, 8]) }]);
  expect(rangesOf(table)).toEqual({ x: [-4, 8], mean: [2, 2], y: [2, 8] });
});

test.each([17, 18])('large tensors, reduced row by row, operator set %d', async (opset) => {
  const dims = [2, 3, 200, 150];
  const size = 2 * 3 * 200 * 150;
  const model = modelBytes({
    nodes: [createNode('Neg', ['x'], ['y']), createNode('Abs', ['y'], ['z'])],
    inputs: [value('x', ['n', 3, 'h', 'w'])],
    outputs: [value('z')],
    opset,
  });
  const table = await calibrate(model, [
    { x: tensor(dims, planted(size, { 0: 0.25, 30001: -8, [size - 1]: 16 })) },
    { x: tensor([1, 3, 1, 1], [1, 2, 3]) },
    { x: tensor([1, 3, 20, 1], planted(60, { 59: 17 })) },
  ]);
  expect(rangesOf(table)).toEqual({ x: [-8, 17], y: [-17, 8], z: [0, 17] });
});

test('rows of tensors with three and five dims', async () => {
  const model = modelBytes({
    nodes: [createNode('Neg', ['a'], ['p']), createNode('Neg', ['b'], ['q'])],
    inputs: [value('a', ['n', 'tokens', 64]), value('b', ['n', 1, 'd', 'h', 'w'])],
    outputs: [value('p'), value('q')],
  });
  const table = await calibrate(model, [
    {
      a: tensor([1, 600, 64], planted(600 * 64, { 77: 4, 38399: -3 })),
      b: tensor([1, 1, 8, 64, 80], planted(8 * 64 * 80, { 5: 1.5, 40000: -2.5 })),
    },
  ]);
  expect(rangesOf(table)).toEqual({ a: [-3, 4], p: [-4, 3], b: [-2.5, 1.5], q: [-1.5, 2.5] });
});

test('tensors without elements have the bounds that ONNX Runtime gives them', async () => {
  const model = modelBytes({
    nodes: [
      createNode('Slice', ['x', 'zero', 'zero', 'one'], ['none']),
      createNode('Relu', ['none'], ['still']),
      createNode('Concat', ['x', 'none'], ['y'], {}, { axis: 1 }),
    ],
    inputs: [value('x', ['n', 3])],
    outputs: [value('y'), value('still')],
    initializers: [integers('zero', [0]), integers('one', [1])],
  });
  const table = await calibrate(model, [{ x: tensor([1, 3], [1, 2, 3]) }]);
  expect(rangesOf(table)).toEqual({
    x: [1, 3],
    none: [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
    still: [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
    y: [1, 3],
  });
  expect(table.warnings).toEqual(['The range is not finite for "none", "still"']);
});

test('half precision, with its roundings, and its dtype in the table', async () => {
  const model = modelBytes({
    nodes: [
      createNode('Mul', ['x', 'x'], ['square']),
      createNode('Relu', ['square'], ['r']),
      createNode('Clip', ['square'], ['c']),
      createNode('Cast', ['x'], ['y'], {}, { to: DataType.FLOAT }),
    ],
    inputs: [value('x', ['n'], DataType.FLOAT16)],
    outputs: [value('y'), ...['r', 'c'].map((name) => value(name, undefined, DataType.FLOAT16))],
  });
  const table = await calibrate(model, [{ x: halfTensor([2], [1.5, 3.001]) }]);
  // 3.001 is 3.001953125 in half precision, and its square 9.01172… is 9.015625.
  expect([...table.ranges]).toEqual([
    ['x', { lowest: 1.5, highest: 3.001953125, dtype: 'float16' }],
    ['square', { lowest: 2.25, highest: 9.015625, dtype: 'float16' }],
    ['r', { lowest: 2.25, highest: 9.015625, dtype: 'float16' }],
    ['c', { lowest: 2.25, highest: 9.015625, dtype: 'float16' }],
    ['y', { lowest: 1.5, highest: 3.001953125 }],
  ]);
});

test('NaN counts for nothing, batch by batch', async () => {
  const batches = (...rows: number[][]): NamedTensors[] =>
    rows.map((row) => ({ x: tensor([1, 1, 1, row.length], row) }));
  const { NaN: nan } = Number;
  const mixed = await calibrate(small(), batches([nan, nan], [-1, 2, -0.5, -0.5], [nan]));
  expect(rangesOf(mixed)).toEqual({ x: [-1, 2], c: [-1, 5], 126: [0, 5], y: [1.25, 1.25] });
  expect(mixed.warnings).toEqual([]);
  const only = await calibrate(small(), batches([nan, nan, nan]));
  expect(only.ranges.get('x')).toEqual({ lowest: nan, highest: nan });
  expect(only.warnings[0]).toMatch(/^Nothing but NaN was seen in "x"/);
  // NaN that the model itself makes is found too.
  const root = modelBytes({
    nodes: [createNode('Sqrt', ['x'], ['y'])],
    inputs: [value('x', ['n'])],
    outputs: [value('y')],
  });
  const table = await calibrate(root, [{ x: tensor([1], [-1]) }, { x: tensor([2], [4, 9]) }]);
  expect(rangesOf(table)).toEqual({ x: [-1, 9], y: [2, 3] });
});

test('NaN in half precision', async () => {
  const model = modelBytes({
    nodes: [createNode('Neg', ['x'], ['y'])],
    inputs: [value('x', ['n'], DataType.FLOAT16)],
    outputs: [value('y', undefined, DataType.FLOAT16)],
  });
  const nan = halfTensor([2], [Number.NaN, Number.NaN]);
  const table = await calibrate(model, [{ x: nan }, { x: halfTensor([1], [2]) }]);
  expect(table.ranges.get('y')).toEqual({ lowest: -2, highest: -2, dtype: 'float16' });
});

test('bodies of If are not entered', async () => {
  const node = createNode('If', ['condition'], ['y'], { name: 'if' });
  for (const [name, opType] of [
    ['then_branch', 'Abs'],
    ['else_branch', 'Neg'],
  ] as const) {
    const result = `${name}_result`;
    const body = { node: [createNode(opType, ['x'], [result])], output: [value(result)] };
    const g = create(GraphProtoSchema, { name, ...body });
    const type = AttributeProto_AttributeType.GRAPH;
    node.attribute.push(create(AttributeProtoSchema, { name, type, g }));
  }
  const model = modelBytes({
    nodes: [createNode('Greater', ['x', 'zero'], ['condition']), node],
    inputs: [value('x', [1])],
    outputs: [value('y')],
    initializers: [floats('zero', [1], [0])],
  });
  const table = await calibrate(model, [{ x: tensor([1], [3]) }, { x: tensor([1], [-5]) }]);
  expect(rangesOf(table)).toEqual({ x: [-5, 3], y: [3, 5] });
});

test('external weights are left where they are, and found', async () => {
  const size = 64 * 64;
  const inline = modelBytes({
    nodes: [createNode('MatMul', ['x', 'w'], ['y'])],
    inputs: [value('x', ['n', 64])],
    outputs: [value('y')],
    initializers: [floats('w', [64, 64], planted(size, { 0: 2, [size - 1]: -3 }))],
  });
  const path = join(folder, 'model.onnx');
  await saveModel(await loadModel(inline), path, { externalData: 'always' });
  const batch = { x: tensor([1, 64], new Float32Array(64).fill(1)) };
  const table = await calibrate(path, [batch]);
  expect(rangesOf(table)).toEqual({ x: [1, 1], y: [-3, 2] });
  expect(table.meta?.model?.file).toBe('model.onnx');
});

test('models that take long with few weights, or are quick with many', async () => {
  const run = async (side: number, channels: number) => {
    const weights = planted(channels * channels, {});
    for (let i = 0; i < channels; i++) weights[i * channels + i] = 2;
    const model = modelBytes({
      nodes: [createNode('Conv', ['x', 'w'], ['y'], {}, { kernel_shape: [1, 1] })],
      inputs: [value('x', ['n', channels, 'h', 'w_'])],
      outputs: [value('y')],
      initializers: [floats('w', [channels, channels, 1, 1], weights)],
    });
    const size = channels * side * side;
    const batches = [1, 2, 3, 4].map((number) => ({
      x: tensor([1, channels, side, side], planted(size, { 1: number, [size - 1]: -number })),
    }));
    return rangesOf(await calibrate(model, batches));
  };
  expect(await run(512, 16)).toEqual({ x: [-4, 4], y: [-8, 8] });
  expect(await run(1, 640)).toEqual({ x: [-4, 4], y: [-8, 8] });
});
