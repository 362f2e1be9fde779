import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { encodeForSession } from '../../../lib/calibration/onnxruntime/encode.js';
import {
  createNode,
  encodeModel,
  graphOf,
  loadModel,
  readFloats,
  TensorProto_DataType,
  TensorProtoSchema,
} from '../../../lib/onnx/index.js';
import { floats, modelBytes, value } from './support.js';

test('a model with large weights is the same model', async () => {
  const large = Float32Array.from({ length: 128 * 256 }, (_, i) => i / 7);
  const model = await loadModel(
    modelBytes({
      nodes: [
        createNode('MatMul', ['x', 'large'], ['m'], { name: 'first' }),
        createNode('Add', ['m', 'small'], ['y']),
      ],
      inputs: [value('x', ['n', 128])],
      outputs: [value('y')],
      initializers: [floats('large', [128, 256], large), floats('small', [1], [3])],
    }),
  );
  const again = await loadModel(encodeForSession(model));
  const graph = graphOf(again);
  expect(graph.node).toEqual(graphOf(model).node);
  expect(graph.input).toEqual(graphOf(model).input);
  expect(graph.output).toEqual(graphOf(model).output);
  expect(graph.initializer.map(({ name }) => name).sort()).toEqual(['large', 'small']);
  const weights = graph.initializer.find(({ name }) => name === 'large')!;
  expect(weights.dims).toEqual([128n, 256n]);
  expect(weights.dataType).toBe(TensorProto_DataType.FLOAT);
  expect(readFloats(weights)).toEqual(large);
  expect(again.proto.opsetImport).toEqual(model.proto.opsetImport);
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
  expect(encodeForSession(model)).toEqual(encodeModel(model));
});

test('what no protobuf message can hold is refused', async () => {
  const model = await loadModel(
    modelBytes({
      nodes: [createNode('Identity', ['x'], ['y'])],
      inputs: [value('x', ['n'])],
      outputs: [value('y')],
    }),
  );
  const rawData = new Uint8Array(2 ** 20);
  const tensor = create(TensorProtoSchema, { name: 'w', dims: [2n ** 18n], dataType: 1, rawData });
  // 2 GiB of weights in the memory of one of them.
  graphOf(model).initializer.push(...Array.from({ length: 2048 }, () => tensor));
  expect(() => encodeForSession(model)).toThrow(
    expect.objectContaining({ code: 'MODEL_TOO_LARGE' }),
  );
});
