import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { calibrate } from '../../../lib/calibration/index.js';
import { sessionModel } from '../../../lib/calibration/onnxruntime/session-model.js';
import {
  createNode,
  encodeModel,
  graphOf,
  loadModel,
  saveModel,
  TensorProto_DataLocation,
} from '../../../lib/onnx/index.js';
import { floats, modelBytes, planted, tensor, value } from './support.js';

const SIDE = 192;
const diagonal = (factor: number) => {
  const values = planted(SIDE * SIDE, {});
  for (let i = 0; i < SIDE; i++) values[i * SIDE + i] = factor;
  return floats(`by ${factor}`, [SIDE, SIDE], values);
};
const large = modelBytes({
  nodes: [
    createNode('MatMul', ['x', 'by 2'], ['twice']),
    createNode('MatMul', ['twice', 'by -3'], ['m']),
    createNode('Add', ['m', 'one'], ['y']),
  ],
  inputs: [value('x', ['n', SIDE])],
  outputs: [value('y')],
  initializers: [diagonal(2), floats('one', [1], [1]), diagonal(-3)],
});
const batch = { x: tensor([1, SIDE], planted(SIDE, { 0: 5, 191: -1 })) };
const expected = [
  ['x', { lowest: -1, highest: 5 }],
  ['twice', { lowest: -2, highest: 10 }],
  ['m', { lowest: -30, highest: 6 }],
  ['y', { lowest: -29, highest: 7 }],
];

test('large weights are handed over where they lie', async () => {
  const model = await loadModel(large);
  const { bytes, files } = sessionModel(model);
  expect(bytes.byteLength).toBeLessThan(2000);
  expect(files).toHaveLength(1);
  expect(files[0]!.data.buffer).toBe(graphOf(model).initializer[0]!.rawData.buffer);
  const [first, , third] = graphOf(model).initializer;
  expect([first!.dataLocation, third!.dataLocation]).toEqual([
    TensorProto_DataLocation.DEFAULT,
    TensorProto_DataLocation.DEFAULT,
  ]);
  expect(first!.rawData.byteLength).toBe(SIDE * SIDE * 4);
  expect([...(await calibrate(large, [batch])).ranges]).toEqual(expected);
});

test('large weights at any address of the file', async () => {
  for (const shift of [1, 2, 3]) {
    const memory = new Uint8Array(large.byteLength + shift);
    memory.set(large, shift);
    const table = await calibrate(memory.subarray(shift), [batch]);
    expect([...table.ranges]).toEqual(expected);
  }
});

test('large weights in the model, and others in a file beside it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'session-model-'));
  try {
    const path = join(folder, 'model.onnx');
    await saveModel(await loadModel(large), path, { externalData: 'always' });
    const model = await loadModel(path, { externalData: false });
    const inside = diagonal(2);
    const { initializer } = graphOf(model);
    initializer[initializer.findIndex(({ name }) => name === inside.name)] = inside;
    await saveModel(model, path, { externalData: 'keep' });
    expect([...(await calibrate(path, [batch])).ranges]).toEqual(expected);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a model with small weights only is encoded as ever', async () => {
  const model = await loadModel(
    modelBytes({
      nodes: [createNode('Add', ['x', 'b'], ['y'])],
      inputs: [value('x', ['n'])],
      outputs: [value('y')],
      initializers: [floats('b', [1], [3])],
    }),
  );
  expect(sessionModel(model)).toEqual({ bytes: encodeModel(model), files: [] });
});
