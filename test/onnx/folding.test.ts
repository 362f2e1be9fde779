import { Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import {
  createFloatTensor,
  createNode,
  createTensor,
  TensorProto_DataType as DataType,
  dropDefaultInputs,
  editableCopy,
  foldBatchNormalization,
  foldConstants,
  graphOf,
  loadModel,
  type OnnxModel,
  readFloats,
  readTensor,
  tensorDims,
} from '../../lib/onnx/index.js';
import { GraphBuilder } from '../support/graph-builder.js';
import { outputs, randomInput } from '../support/onnxruntime.js';

const ops = (model: OnnxModel) => graphOf(model).node.map(({ opType }) => opType);

/** A model whose last Add reads a tensor that is computed from constants by `nodes`. */
function constantModel(
  nodes: Parameters<typeof createNode>[],
  constants: ReturnType<typeof createTensor>[],
): OnnxModel {
  const b = new GraphBuilder();
  b.initializers.push(...constants);
  for (const node of nodes) b.nodes.push(createNode(...node));
  b.op('Reshape', ['input', 'result'], 'last');
  return b.finish(['n'], ['m']);
}

function folded(model: OnnxModel) {
  const copy = editableCopy(model);
  const count = foldConstants(copy);
  const result = graphOf(copy).initializer.find(({ name }) => name === 'result');
  return { copy, count, result };
}

const floats = (name: string, dims: number[], values: number[]) =>
  createFloatTensor(name, DataType.FLOAT, dims, values);
const ints = (name: string, values: number[]) =>
  createTensor(name, DataType.INT64, [values.length], BigInt64Array.from(values, BigInt));

describe('foldConstants', () => {
  const a = floats('a', [2, 3], [1, 4, 9, 16, 25, 36]);
  const b = floats('b', [3], [1, 2, 4]);
  const c = floats('c', [2, 1], [10, 20]);
  it.each([
    ['Add', ['a', 'b'], {}, [2, 3], [2, 6, 13, 17, 27, 40]],
    ['Sub', ['a', 'c'], {}, [2, 3], [-9, -6, -1, -4, 5, 16]],
    ['Mul', ['b', 'c'], {}, [2, 3], [10, 20, 40, 20, 40, 80]],
    ['Div', ['a', 'b'], {}, [2, 3], [1, 2, 2.25, 16, 12.5, 9]],
    ['Pow', ['b', 'b'], {}, [3], [1, 4, 256]],
    ['Sqrt', ['a'], {}, [2, 3], [1, 2, 3, 4, 5, 6]],
    ['Neg', ['b'], {}, [3], [-1, -2, -4]],
    ['Reciprocal', ['b'], {}, [3], [1, 0.5, 0.25]],
    ['Identity', ['b'], {}, [3], [1, 2, 4]],
    ['Transpose', ['a'], {}, [3, 2], [1, 16, 4, 25, 9, 36]],
    ['Transpose', ['a'], { perm: [0, 1] }, [2, 3], [1, 4, 9, 16, 25, 36]],
    ['Unsqueeze', ['b', 'axes'], {}, [1, 3, 1], [1, 2, 4]],
    ['Unsqueeze', ['b'], { axes: [-1] }, [3, 1], [1, 2, 4]],
    ['Squeeze', ['c', 'axis1'], {}, [2], [10, 20]],
    ['Squeeze', ['c'], {}, [2], [10, 20]],
    ['Reshape', ['a', 'shape'], {}, [3, 2], [1, 4, 9, 16, 25, 36]],
    ['Concat', ['b', 'b'], { axis: 0 }, [6], [1, 2, 4, 1, 2, 4]],
    ['Gather', ['b', 'axis1'], { axis: 0 }, [1], [2]],
    ['Shape', ['a'], {}, [2], [2, 3]],
    ['Cast', ['b'], { to: DataType.INT64 }, [3], [1, 2, 4]],
  ] as const)('computes %s of %j', (opType, inputs, attributes, dims, values) => {
    const model = constantModel(
      [[opType, inputs, ['result'], {}, attributes]],
      [a, b, c, ints('axes', [0, -1]), ints('axis1', [1]), ints('shape', [-1, 2])],
    );
    const { count, result, copy } = folded(model);
    expect(count).toBe(1);
    expect(ops(copy)).toEqual(['Reshape']);
    expect(tensorDims(result!)).toEqual(dims);
    expect(Array.from(readTensor(result!) as ArrayLike<unknown>, Number)).toEqual(values);
    // What went in is read by nothing now.
    expect(graphOf(copy).initializer.map(({ name }) => name)).toEqual(['result']);
    expect(ops(model)).toEqual([opType, 'Reshape']);
  });

  it('computes chains, integer division and Constant nodes', () => {
    const value = createTensor('', DataType.INT64, [2], BigInt64Array.of(7n, -7n));
    const { count, result, copy } = folded(
      constantModel(
        [
          ['Constant', [], ['k'], {}, { value }],
          ['Div', ['k', 'two'], ['halves']],
          ['Identity', ['halves'], ['result']],
        ],
        [ints('two', [2])],
      ),
    );
    expect(count).toBe(2);
    expect(ops(copy)).toEqual(['Reshape']);
    expect(readTensor(result!)).toEqual(BigInt64Array.of(3n, -3n));
  });

  it('rounds once, to the type of the result', () => {
    const half = createFloatTensor('h', DataType.FLOAT16, [1], [3]);
    const { result } = folded(constantModel([['Reciprocal', ['h'], ['result']]], [half]));
    expect(result!.dataType).toBe(DataType.FLOAT16);
    expect([...readFloats(result!)]).toEqual([0.333251953125]);
  });

  it.each([
    ['dims that do not fit', 'Add', ['b', 'two'], {}],
    ['different types', 'Add', ['b', 'i'], {}],
    ['another operator', 'Exp', ['b'], {}],
    ['a wrong size', 'Reshape', ['b', 'i'], {}],
    ['an index out of range', 'Gather', ['b', 'i'], { axis: 0 }],
    ['an input of the graph', 'Add', ['b', 'input'], {}],
    ['integers where floats are computed', 'Sqrt', ['i'], {}],
    ['a matrix', 'Concat', ['m', 'm'], { axis: 0 }],
  ])('leaves %s to the runtime', (_name, opType, inputs, attributes) => {
    const constants = [b, floats('two', [2], [1, 2]), ints('i', [5, 5]), floats('m', [1, 1], [1])];
    const { count, copy } = folded(
      constantModel([[opType, inputs, ['result'], {}, attributes]], constants),
    );
    expect(count).toBe(0);
    expect(ops(copy)).toEqual([opType, 'Reshape']);
  });
});

describe('dropDefaultInputs', () => {
  it('makes weights that are inputs into plain initialisers', async () => {
    const b = new GraphBuilder();
    b.conv('input', 'conv', 3, 4, 1);
    const model = b.finish([1, 3, 8, 8], [1, 4, 8, 8]);
    model.proto.irVersion = 3n;
    graphOf(model).input.push({ ...graphOf(model).input[0]!, name: 'conv.weight' });
    const copy = editableCopy(model);
    expect(dropDefaultInputs(copy)).toBe(1);
    expect(graphOf(copy).input.map(({ name }) => name)).toEqual(['input']);
    expect(copy.proto.irVersion).toBe(4n);
    expect(graphOf(model).input).toHaveLength(2);
    expect(dropDefaultInputs(copy)).toBe(0);
  });
});

describe('foldBatchNormalization', () => {
  it('folds by hand-computed numbers and keeps the name of the output', () => {
    const b = new GraphBuilder();
    b.weight('w', [2, 1, 1, 1], [3, -1]);
    b.weight('gamma', [2], [2, 1]);
    b.weight('beta', [2], [0.5, 0]);
    b.weight('mean', [2], [1, 2]);
    b.weight('var', [2], [3, 0]);
    b.op('Conv', ['input', 'w'], 'conv', { kernel_shape: [1, 1] });
    b.op('BatchNormalization', ['/conv/Conv_output_0', 'gamma', 'beta', 'mean', 'var'], 'bn', {
      epsilon: { float: 1 },
    });
    const model = b.finish([1, 1, 4, 4], [1, 2, 4, 4]);
    const copy = editableCopy(model);
    expect(foldBatchNormalization(copy)).toBe(1);
    const [conv] = graphOf(copy).node;
    expect(ops(copy)).toEqual(['Conv']);
    expect(conv!.output).toEqual(['output']);
    const [weight, bias] = graphOf(copy).initializer;
    // gamma / sqrt(var + epsilon) is 1 in both channels.
    expect([...readFloats(weight!)]).toEqual([3, -1]);
    expect([...readFloats(bias!)]).toEqual([-0.5, -2]);
    expect(graphOf(copy).initializer.map(({ name }) => name)).toEqual([
      'w_folded',
      'w_folded_bias',
    ]);
  });

  it('leaves the results of the digits model with BatchNormalization as they were', async () => {
    const model = await loadModel('test/fixtures/ort-calibration/model_bn.onnx');
    const copy = editableCopy(model);
    expect(foldBatchNormalization(copy)).toBe(7);
    expect(ops(copy)).not.toContain('BatchNormalization');
    expect(graphOf(copy).node[0]!.output).toEqual(['bn1_batchnormalization']);
    const inputs = [1, 2, 3].map((seed) => randomInput(seed, [1, 3, 32, 32]));
    const [before, after] = [await outputs(model, inputs), await outputs(copy, inputs)];
    for (const [i, row] of before.entries()) {
      for (const [k, logit] of row.entries()) expect(after[i]![k]).toBeCloseTo(logit, 4);
    }
  });

  it('folds grouped and transposed convolutions, biases, and decomposed normalization', async () => {
    const b = new GraphBuilder({ seed: 5 });
    let x = b.batchNorm(b.conv('input', 'a', 4, 8, 3, { group: 4 }), 'a_bn', 8);
    const w = b.weight('t.weight', [8, 3, 2, 2], b.random.array(8 * 3 * 4, 0.3));
    x = b.op('ConvTranspose', [x, w], 't', { group: 2, kernel_shape: [2, 2], strides: [2, 2] });
    x = b.batchNorm(x, 't_bn', 6);
    x = b.conv(x, 'c', 6, 5, 1);
    const channel = (name: string) =>
      b.weight(
        name,
        [1, 5, 1, 1],
        b.random.array(5).map((v) => v + 3),
      );
    x = b.op('Sub', [x, channel('mean')], 'sub');
    x = b.op('Div', [x, channel('std')], 'div');
    x = b.op('Mul', [channel('gamma'), x], 'mul');
    x = b.op('Add', [x, b.weight('beta', [5, 1, 1], b.random.array(5))], 'add');
    x = b.op('Sub', [b.weight('one', [], [1]), x], 'minus');
    b.relu(x, 'relu');
    const model = b.finish([1, 4, 6, 6], [1, 5, 12, 12]);
    const copy = editableCopy(model);
    expect(foldBatchNormalization(copy)).toBe(7);
    expect(ops(copy)).toEqual(['Conv', 'ConvTranspose', 'Conv', 'Relu']);
    const inputs = [randomInput(1, [1, 4, 6, 6])];
    const [[before], [after]] = [await outputs(model, inputs), await outputs(copy, inputs)];
    let largest = 0;
    for (const [i, value] of before!.entries()) {
      largest = Math.max(largest, Math.abs(value - after![i]!));
    }
    expect(largest).toBeLessThan(2e-5);
  });

  it.each([
    [
      'another reader',
      (b: GraphBuilder, x: string) => b.op('Add', [b.batchNorm(x, 'bn', 4), x], 'add'),
    ],
    [
      'parameters that are computed',
      (b: GraphBuilder, x: string) => {
        const y = b.batchNorm(x, 'bn', 4);
        b.nodes.at(-1)!.input[1] = 'input_scale';
        b.nodes.unshift(
          createNode(
            'ReduceMean',
            ['input'],
            ['input_scale'],
            {},
            { axes: [0, 2, 3], keepdims: 0 },
          ),
        );
        return y;
      },
    ],
    [
      'training mode',
      (b: GraphBuilder, x: string) => {
        const y = b.batchNorm(x, 'bn', 4);
        b.nodes
          .at(-1)!
          .attribute.push(...createNode('', [], [], {}, { training_mode: 1 }).attribute);
        return y;
      },
    ],
    [
      'a constant over space',
      (b: GraphBuilder, x: string) =>
        b.op('Mul', [x, b.weight('m', [1, 1, 1, 8], new Float32Array(8))], 'mul'),
    ],
    [
      'a constant of more dims',
      (b: GraphBuilder, x: string) =>
        b.op('Mul', [x, b.weight('m', [1, 1, 4, 1, 1], new Float32Array(4))], 'mul'),
    ],
    [
      'a constant divided by it',
      (b: GraphBuilder, x: string) => b.op('Div', [b.weight('m', [1], [1]), x], 'div'),
    ],
    [
      'division by zero',
      (b: GraphBuilder, x: string) => b.op('Div', [x, b.weight('m', [1], [0])], 'div'),
    ],
  ])('keeps what has %s', (_name, build) => {
    const b = new GraphBuilder();
    build(b, b.conv('input', 'conv', 4, 4, 1));
    const model = b.finish([1, 4, 8, 8], [1, 4, 8, 8]);
    expect(foldBatchNormalization(editableCopy(model))).toBe(0);
  });

  it('keeps one without a convolution before it', () => {
    const b = new GraphBuilder();
    b.batchNorm('input', 'bn', 3);
    const copy = editableCopy(b.finish([1, 3, 8, 8], [1, 3, 8, 8]));
    expect(foldBatchNormalization(copy)).toBe(0);
    expect(ops(copy)).toEqual(['BatchNormalization']);
  });

  it('runs the folded weights through an input of the right type', async () => {
    const b = new GraphBuilder({ half: true });
    b.batchNorm(b.conv('input', 'conv', 3, 4, 1), 'bn', 4);
    const copy = editableCopy(b.finish([1, 3, 2, 2], [1, 4, 2, 2]));
    expect(foldBatchNormalization(copy)).toBe(1);
    expect(graphOf(copy).initializer.map(({ dataType }) => dataType)).toEqual([10, 10]);
    const input = new Tensor('float16', new Uint16Array(12).fill(0x3800), [1, 3, 2, 2]);
    expect((await outputs(copy, [input]))[0]).toHaveLength(16);
  });
});
