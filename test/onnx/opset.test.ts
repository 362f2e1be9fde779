import { describe, expect, it } from 'vitest';
import {
  type AttributeValue,
  createNode,
  editableCopy,
  graphOf,
  loadModel,
  type OnnxModel,
  opsetVersion,
  raiseOpset,
  readFloats,
  readIntegers,
} from '../../lib/onnx/index.js';
import { GraphBuilder } from '../support/graph-builder.js';
import { outputs, randomInput } from '../support/onnxruntime.js';

/** input → conv → `opType` → output, at an old operator set. */
function model(
  opset: number,
  opType: string,
  attributes: Record<string, AttributeValue>,
  { shape = ['n', 4, 8, 8] as (number | string)[], outputs: count = 1 } = {},
): OnnxModel {
  const b = new GraphBuilder({ opset });
  const x = b.conv('input', 'conv', 3, 4, 1);
  b.op(opType, [x], 'node', attributes, count);
  const made = b.finish(['n', 3, 8, 8], shape);
  made.proto.irVersion = 4n;
  return made;
}

function raised(from: OnnxModel, to = 13): OnnxModel {
  const copy = editableCopy(from);
  raiseOpset(copy, to);
  return copy;
}

async function same(a: OnnxModel, b: OnnxModel): Promise<void> {
  const inputs = [randomInput(3, [2, 3, 8, 8])];
  expect(await outputs(b, inputs)).toEqual(await outputs(a, inputs));
}

describe('raiseOpset', () => {
  it.each([
    ['Clip', 10, { min: { float: 0 }, max: { float: 0.3 } }, 3],
    ['Clip', 10, { min: { float: 0.1 } }, 2],
    ['Clip', 10, { max: { float: 0.2 } }, 3],
    ['Clip', 10, {}, 1],
    ['Squeeze', 11, {}, 1],
    ['Unsqueeze', 11, { axes: [0] }, 2],
    ['ReduceSum', 11, { axes: [2, 3], keepdims: 1 }, 2],
    ['Pad', 10, { pads: [0, 0, 1, 1, 0, 0, 1, 1], mode: 'reflect' }, 2],
    ['Pad', 10, { pads: [0, 0, 1, 1, 0, 0, 1, 1], value: { float: 0.25 } }, 3],
    ['Dropout', 10, { ratio: { float: 0.5 } }, 1],
    ['Split', 11, { axis: 1, split: [1, 3] }, 2],
    ['Softmax', 11, { axis: 3 }, 1],
    ['Softmax', 11, { axis: -1 }, 1],
  ])(
    'carries %s of version %i over with the same result',
    async (opType, opset, attributes, inputs) => {
      const old = model(opset, opType, attributes, { outputs: opType === 'Split' ? 2 : 1 });
      const fresh = raised(old);
      expect(opsetVersion(fresh.proto)).toBe(13);
      expect(fresh.proto.irVersion).toBe(7n);
      expect(opsetVersion(old.proto)).toBe(opset);
      expect(graphOf(fresh).node[1]!.input).toHaveLength(inputs);
      await same(old, fresh);
    },
  );

  it.each([
    ['ReduceMean', { axes: [2, 3], keepdims: 1 }, 2],
    ['ReduceMax', { keepdims: 1 }, 1],
    ['Split', { axis: 1 }, 1],
  ])('carries %s over to 19', async (opType, attributes, inputs) => {
    const old = model(17, opType, attributes, { outputs: opType === 'Split' ? 2 : 1 });
    const fresh = raised(old, 19);
    expect(fresh.proto.irVersion).toBe(9n);
    expect(graphOf(fresh).node[1]!.input).toHaveLength(inputs);
    await same(old, fresh);
  });

  it('takes a classifier head from 9 to 13', async () => {
    const b = new GraphBuilder({ opset: 9 });
    let x = b.batchNorm(b.conv('input', 'conv', 3, 8, 3), 'bn', 8);
    x = b.op('GlobalAveragePool', [b.relu(x, 'relu')], 'pool');
    x = b.gemm(b.op('Flatten', [x], 'flatten', { axis: 1 }), 'fc', 8, 5);
    b.op('Softmax', [x], 'softmax');
    const old = b.finish(['n', 3, 8, 8], ['n', 5]);
    const fresh = raised(old);
    // The default moved from 1 to -1; the axis is written out.
    expect(
      graphOf(fresh)
        .node.at(-1)!
        .attribute.map(({ name, i }) => [name, i]),
    ).toEqual([['axis', 1n]]);
    await same(old, fresh);
  });

  it('writes new inputs down as values of the right kind', () => {
    const fresh = raised(model(10, 'Clip', { min: { float: -1 }, max: { float: 6 } }));
    const [low, high] = graphOf(fresh).initializer.slice(-2);
    expect([low!.dims, ...readFloats(low!), ...readFloats(high!)]).toEqual([[], -1, 6]);
    const squeezed = raised(model(11, 'Unsqueeze', { axes: [0, 2] }));
    expect(readIntegers(graphOf(squeezed).initializer.at(-1)!)).toEqual([0, 2]);
  });

  it('leaves a model of that version or a newer one alone', async () => {
    const digits = editableCopy(await loadModel('examples/digits/model.onnx'));
    raiseOpset(digits, 13);
    expect(opsetVersion(digits.proto)).toBe(17);
  });

  it.each([
    ['a Softmax over several axes', model(11, 'Softmax', { axis: 1 }), 'Softmax ("/node/Softmax")'],
    ['an old Slice', model(9, 'Slice', { starts: [0], ends: [1], axes: [0] }), 'from 10 on'],
    ['a version that is too old', model(6, 'Relu', {}), 'only versions 7 to 19'],
    [
      'a BatchNormalization over space',
      model(8, 'BatchNormalization', { spatial: 0 }),
      'BatchNormalization ("/node/BatchNormalization") means something else from 9 on',
    ],
  ])('refuses %s', (_name, old, words) => {
    expect(() => raised(old)).toThrow(
      expect.objectContaining({
        code: 'MODEL_UNSUPPORTED',
        message: expect.stringContaining(words),
        remedy: expect.stringContaining('opset_version=17'),
      }),
    );
  });

  it('refuses what changed inside a body', () => {
    const old = model(11, 'If', {});
    const body = {
      ...old.proto.graph!,
      node: [createNode('Squeeze', ['x'], ['y'], { name: 'in' })],
    };
    graphOf(old).node[1]!.attribute = [
      { ...createNode('', [], [], {}, { a: 1 }).attribute[0]!, graphs: [body] },
    ];
    expect(() => raised(old)).toThrow('Squeeze ("in") means something else from 13 on');
  });
});
