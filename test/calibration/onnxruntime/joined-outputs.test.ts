import { expect, test } from 'vitest';
import { onnxRuntimeProvider } from '../../../lib/calibration/index.js';
import { joinOutputs } from '../../../lib/calibration/onnxruntime/joined-outputs.js';
import { createNode, graphOf, loadModel, type NodeProto } from '../../../lib/onnx/index.js';
import type { NamedTensors } from '../../../lib/tensor.js';
import { floats, modelBytes, tensor, value } from './support.js';

type Extents = readonly (number | string)[];

/** Four outputs of [n, 2]: a = x + 1, b = -a, c = b · b, and d by a node of the test's own. */
function model(shapes: Partial<Record<'x' | 'a' | 'd', Extents>> = {}, last?: NodeProto) {
  const { x = ['n', 2], a = ['n', 2], d = ['n', 2] } = shapes;
  return loadModel(
    modelBytes({
      nodes: [
        createNode('Add', ['x', 'one'], ['a']),
        createNode('Neg', ['a'], ['b']),
        createNode('Mul', ['b', 'b'], ['c']),
        last ?? createNode('Abs', ['b'], ['d']),
      ],
      inputs: [value('x', [...x])],
      outputs: [value('a', [...a]), value('b', ['n', 2]), value('c', ['n', 2]), value('d', [...d])],
      initializers: [floats('one', [1], [1])],
    }),
  );
}

const plain = (outputs: NamedTensors) =>
  Object.entries(outputs).map(([name, { dims, data }]) => [name, [...dims], [...data]]);

test('outputs that were joined come apart, whatever the batch', async () => {
  const joined = joinOutputs(await model());
  expect(graphOf(joined!.model).output).toHaveLength(1);
  const graph = await onnxRuntimeProvider().open(await model(), { exact: false });
  expect(plain(await graph.run({ x: tensor([1, 2], [1, -3]) }))).toEqual([
    ['a', [1, 2], [2, -2]],
    ['b', [1, 2], [-2, 2]],
    ['c', [1, 2], [4, 4]],
    ['d', [1, 2], [2, 2]],
  ]);
  expect(plain(await graph.run({ x: tensor([2, 2], [0, 1, 2, 3]) }))).toEqual([
    ['a', [2, 2], [1, 2, 3, 4]],
    ['b', [2, 2], [-1, -2, -3, -4]],
    ['c', [2, 2], [1, 4, 9, 16]],
    ['d', [2, 2], [1, 2, 3, 4]],
  ]);
  await graph.release();
});

test('outputs whose shapes are not what the graph declares', async () => {
  const twice = createNode('Concat', ['b', 'b'], ['d'], {}, { axis: 0 });
  expect(joinOutputs(await model({}, twice))).toBeDefined();
  const graph = await onnxRuntimeProvider().open(await model({}, twice), { exact: false });
  for (let run = 0; run < 3; run++) {
    expect(plain(await graph.run({ x: tensor([1, 2], [1, -3]) }))).toEqual([
      ['a', [1, 2], [2, -2]],
      ['b', [1, 2], [-2, 2]],
      ['c', [1, 2], [4, 4]],
      ['d', [2, 2], [-2, 2, -2, 2]],
    ]);
  }
  await graph.release();
});

test('outputs of unknown, large or few values stay apart', async () => {
  expect(joinOutputs(await model({ a: ['m', 2] }))).toBeUndefined();
  expect(joinOutputs(await model({ a: ['n', 'w'] }))).toBeUndefined();
  expect(joinOutputs(await model({ a: [] }))).toBeUndefined();
  expect(joinOutputs(await model({ x: ['', 2], a: ['', 2] }))).toBeUndefined();
  expect(joinOutputs(await model({ d: ['n', 70_000] }))).toBeUndefined();
  const three = await model();
  graphOf(three).output.pop();
  expect(joinOutputs(three)).toBeUndefined();
});
