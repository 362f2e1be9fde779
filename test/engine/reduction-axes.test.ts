import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { withAxesAttributes } from '../../lib/engine/reduction-axes.js';
import {
  AttributeProtoSchema,
  createNode,
  createTensor,
  TensorProto_DataType as DataType,
  GraphProtoSchema,
  graphOf,
  intsAttribute,
  loadModel,
} from '../../lib/onnx/index.js';
import { outputs, randomInput } from '../support/onnxruntime.js';
import { type FakeBuilds, openFakes } from './fake-builds.js';
import { modelBytes } from './models.js';

const axes = (name: string, ...values: number[]) =>
  createTensor(name, DataType.INT64, [values.length], BigInt64Array.from(values, BigInt));

/** Opset 18: axes of an initialiser, of a Constant, none, none that means nothing, and those of a sum. */
const MODEL = modelBytes(
  [
    createNode('Constant', [], ['last'], { name: 'constant' }, { value: axes('', -1) }),
    createNode('ReduceMax', ['x', 'last'], ['a'], { name: 'max' }),
    createNode('ReduceMean', ['a', 'rows'], ['b'], { name: 'mean' }, { keepdims: 1 }),
    createNode('ReduceMin', ['b'], ['c'], { name: 'nothing' }, { noop_with_empty_axes: 1 }),
    createNode('ReduceSum', ['c', 'channels'], ['d'], { name: 'sum' }),
    createNode('ReduceL2', ['x'], ['e'], { name: 'all' }),
    createNode('Add', ['d', 'e'], ['y'], { name: 'add' }),
  ],
  [axes('rows', 2), axes('channels', 1)],
  { opset: 18 },
);

const { eight, ten } = await openFakes();

describe('axes of reductions', () => {
  it('become attributes, and mean the same', async () => {
    const model = await loadModel(MODEL);
    const changed = withAxesAttributes(model)!;
    const nodes = graphOf(changed).node.map((node) => [
      node.opType,
      node.input.length,
      intsAttribute(node, 'axes'),
    ]);
    expect(nodes.slice(1)).toEqual([
      ['ReduceMax', 1, [-1]],
      ['ReduceMean', 1, [2]],
      ['Identity', 1, undefined],
      ['ReduceSum', 2, undefined],
      ['ReduceL2', 1, undefined],
      ['Add', 2, undefined],
    ]);
    expect(graphOf(model).node[1]!.input).toEqual(['x', 'last']);
    // In opset 17 this is how they are written.
    changed.proto.opsetImport[0]!.version = 17n;
    const input = randomInput(3, [1, 16, 8, 8]);
    expect(await outputs(changed, [input])).toEqual(await outputs(model, [input]));
  });

  it('are left as they are where nothing would be lost', async () => {
    const old = modelBytes(
      [createNode('ReduceMax', ['x'], ['y'], { name: 'max' }, { axes: [1] })],
      [],
      { opset: 17 },
    );
    expect(withAxesAttributes(await loadModel(old))).toBeUndefined();
  });

  it.each([
    ['ReduceMax', ['x', 'x'], {}, 'its axes are computed'],
    ['ReduceL1', ['x'], { noop_with_empty_axes: 1 }, 'it reduces over no axis'],
  ])('that 8.6 cannot be told are refused: %s', async (operator, inputs, attributes, why) => {
    const node = createNode(operator, inputs, ['y'], { name: 'last' }, attributes);
    const model = await loadModel(modelBytes([node], [], { opset: 18 }));
    expect(() => withAxesAttributes(model)).toThrow(
      `TensorRT 8.6 cannot run ${operator} last: ${why}`,
    );
  });

  it('in a body of control flow are refused', async () => {
    const outer = createNode('If', ['x'], ['y'], { name: 'choice' });
    const body = create(GraphProtoSchema, {
      name: 'then',
      node: [createNode('ReduceMax', ['x', 'rows'], ['z'], { name: 'inner' })],
    });
    outer.attribute.push(create(AttributeProtoSchema, { name: 'then_branch', g: body }));
    const model = await loadModel(modelBytes([outer], [axes('rows', 2)], { opset: 18 }));
    expect(() => withAxesAttributes(model)).toThrow(
      'TensorRT 8.6 cannot run ReduceMax inner: it is in a body of If choice',
    );
  });

  it('are what TensorRT 8.6 is given, and it alone', async (context) => {
    const readers = async (builds: FakeBuilds) => {
      const { result } = await builds.build(MODEL);
      return Object.fromEntries(
        result.network.layers.map(({ name, inputs }) => [name, inputs.length]),
      );
    };
    expect(await readers(ten)).toMatchObject({ max: 2 });
    if (eight === undefined) return context.skip('no TensorRT 8 headers');
    expect(await readers(eight)).toMatchObject({ max: 1 });
    const image = modelBytes(
      [
        createNode('Constant', [], ['rows'], { name: 'constant' }, { value: axes('', 2) }),
        createNode('ReduceMax', ['x', 'rows'], ['y'], { name: 'max' }),
      ],
      [],
      { opset: 18, input: [1, 3, 8, 8] },
    );
    const { result } = await eight.build(image, { imageInput: true });
    const layer = result.network.layers.find(({ name }) => name === 'max');
    expect(layer!.inputs).toHaveLength(1);
  });
});
