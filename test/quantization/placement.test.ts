import { describe, expect, it } from 'vitest';
import { GraphIndex, graphOf, type OnnxModel, readFloats } from '../../lib/onnx/index.js';
import { type QuantizeOptions, quantizeModel } from '../../lib/quantization/index.js';
import { GraphBuilder } from '../support/graph-builder.js';
import { conv, quantize, ranges, reasons } from './helpers.js';

describe('convolutions', () => {
  const chain = (channels: number[], options = {}) => {
    const b = new GraphBuilder();
    let x = 'input';
    for (let i = 0; i + 1 < channels.length; i += 1) {
      x = b.relu(b.conv(x, `c${i}`, channels[i]!, channels[i + 1]!, 1, options), `r${i}`);
    }
    return b.finish(['n', channels[0]!, 8, 8], ['n', channels.at(-1)!, 8, 8]);
  };

  it('skips few channels, except the first layer and aligned ones', () => {
    const { report } = quantize(chain([3, 8, 8, 16, 12, 32, 24, 16, 4]));
    expect(report.nodes.map(({ reason }) => reason)).toEqual([
      'WEIGHTS', // 3 → 8, but the first
      'FEW_CHANNELS', // 8 → 8: neither side has 16
      'WEIGHTS', // 8 → 16
      'FEW_CHANNELS', // 16 → 12: not a multiple of 8
      'FEW_CHANNELS', // 12 → 32
      'WEIGHTS', // 32 → 24
      'WEIGHTS', // 24 → 16
      'FEW_CHANNELS', // 16 → 4
    ]);
  });

  it('has no such rule for ONNX Runtime', () => {
    const { report } = quantize(chain([3, 8, 8, 4]), { target: 'onnxruntime' });
    expect(report.counts.Conv).toEqual({ quantized: 3, float: 0 });
  });

  it('quantizes depthwise and transposed convolutions, except for TensorRT-RTX', () => {
    const b = new GraphBuilder();
    let x = b.conv('input', 'a', 3, 32, 3);
    x = b.conv(x, 'dw', 32, 32, 3, { group: 32 });
    x = b.conv(x, 'grouped', 32, 32, 3, { group: 4 });
    const w = b.weight('t.weight', [32, 16, 2, 2], b.random.array(2048));
    x = b.op('ConvTranspose', [x, w], 't', { kernel_shape: [2, 2], strides: [2, 2] });
    const model = b.finish(['n', 3, 8, 8], ['n', 16, 16, 16]);
    expect(reasons(quantize(model).report)).toEqual({
      '/a/Conv': 'WEIGHTS',
      '/dw/Conv': 'WEIGHTS',
      '/grouped/Conv': 'WEIGHTS',
      '/t/ConvTranspose': 'WEIGHTS',
    });
    expect(reasons(quantize(model, { target: 'tensorrt-rtx' }).report)).toEqual({
      '/a/Conv': 'WEIGHTS',
      '/dw/Conv': 'DEPTHWISE_ON_RTX',
      '/grouped/Conv': 'WEIGHTS',
      '/t/ConvTranspose': 'TRANSPOSED_ON_RTX',
    });
    // Output channels are axis 1 of a transposed convolution's weights.
    const graph = graphOf(quantize(model).model);
    const scales = graph.initializer.find(({ name }) => name === 't.weight_scale')!;
    expect(readFloats(scales)).toHaveLength(16);
  });

  it('says why weights cannot be int8', () => {
    const b = new GraphBuilder();
    const x = b.conv('input', 'a', 3, 16, 1);
    const weights = b.op(
      'Mul',
      [b.weight('w', [16, 16, 1, 1], b.random.array(256)), 'factor'],
      'm',
    );
    b.op('Conv', [x, weights], 'computed', { kernel_shape: [1, 1] });
    const model = b.finish(['n', 3, 8, 8], ['n', 16, 8, 8]);
    graphOf(model).input.push({ ...graphOf(model).input[0]!, name: 'factor' });
    expect(conv(quantize(model).report, 'computed')).toBe('WEIGHTS_NOT_CONSTANT');
  });
});

describe('linear layers', () => {
  const mlp = () => {
    const b = new GraphBuilder();
    let x = b.relu(b.gemm('input', 'fc1', 8, 16), 'r');
    x = b.op('MatMul', [x, b.weight('w2', [16, 24], b.random.array(384))], 'fc2');
    x = b.relu(x, 'r2');
    b.gemm(x, 'head', 24, 4);
    return b.finish(['n', 8], ['n', 4]);
  };

  it('keeps the head float by default and takes it on request', () => {
    expect(reasons(quantize(mlp()).report)).toEqual({
      '/fc1/Gemm': 'WEIGHTS',
      '/fc2/MatMul': 'WEIGHTS',
      '/head/Gemm': 'LAST_GEMM',
    });
    expect(reasons(quantize(mlp(), { lastGemm: true }).report)['/head/Gemm']).toBe('WEIGHTS');
  });

  it('finds the output channels: axis 0 with transB, the last otherwise', () => {
    const { model } = quantize(mlp());
    const index = new GraphIndex(graphOf(model));
    expect(readFloats(index.initializer('fc1.weight_scale')!)).toHaveLength(16);
    expect(readFloats(index.initializer('w2_scale')!)).toHaveLength(24);
    const axes = graphOf(model)
      .node.filter(({ attribute }) => attribute[0]?.name === 'axis')
      .map(({ attribute }) => attribute[0]!.i);
    expect(axes).toEqual([0n, 1n]);
  });

  it('leaves products of two activations, and stacks of matrices, float', () => {
    const b = new GraphBuilder();
    const x = b.op('MatMul', ['input', 'input'], 'scores');
    const y = b.op('MatMul', [x, b.weight('w3', [2, 8, 8], b.random.array(128))], 'stack');
    b.op('MatMul', [y, b.weight('w', [8, 8], b.random.array(64))], 'head');
    const { report } = quantize(b.finish([2, 8, 8], [2, 8, 8]));
    expect(reasons(report)).toEqual({
      '/scores/MatMul': 'ATTENTION',
      '/stack/MatMul': 'WEIGHTS_SHAPE',
      '/head/MatMul': 'LAST_GEMM',
    });
  });
});

describe('a stack of one matrix', () => {
  const stacked = (dims: readonly number[]) => {
    const b = new GraphBuilder();
    const w = b.weight('w', [1, 8, 8], b.random.array(64));
    const x = b.op('MatMul', [b.relu(b.op('MatMul', ['input', w], 'a'), 'r'), w], 'b');
    b.op('MatMul', [x, b.weight('h', [8, 8], b.random.array(64))], 'head');
    return b.finish(dims, [1, 8, 8]);
  };

  it('is a matrix, where the other side has as many dims', () => {
    const { model, report } = quantize(stacked([1, 8, 8]));
    expect(report.counts.MatMul).toEqual({ quantized: 2, float: 1 });
    const scales = graphOf(model).initializer.filter(({ name }) => /^w_matrix_scale/.test(name));
    expect(scales.map(({ dims }) => dims)).toEqual([[8n]]);
  });

  it('stays as it is where it gives the result its dims', () => {
    const { report } = quantize(stacked([8, 8]));
    expect(reasons(report)).toMatchObject({ '/a/MatMul': 'WEIGHTS_SHAPE', '/b/MatMul': 'WEIGHTS' });
  });
});

describe('residual Adds', () => {
  const block = (build: (b: GraphBuilder, x: string) => string) => {
    const b = new GraphBuilder();
    const x = b.relu(b.conv('input', 'stem', 3, 16, 1), 'stem_relu');
    b.relu(build(b, x), 'last');
    return b.finish(['n', 3, 8, 8], ['n', 16, 8, 8]);
  };
  const added = (model: OnnxModel, options: QuantizeOptions = {}) => {
    const { model: quantized, report } = quantize(model, options);
    const add = graphOf(quantized).node.find(({ name }) => name === '/add/Add')!;
    return { reason: reasons(report)['/add/Add'], inputs: add.input };
  };

  it('quantizes the shortcut when the other side is a convolution', () => {
    const model = block((b, x) => {
      const y = b.relu(b.conv(x, 'c1', 16, 16, 3), 'c1_relu');
      return b.op('Add', [b.conv(y, 'c2', 16, 16, 3), x], 'add');
    });
    expect(added(model)).toEqual({
      reason: 'RESIDUAL',
      inputs: ['/c2/Conv_output_0', '/stem_relu/Relu_output_0_DequantizeLinear_Output'],
    });
  });

  it('quantizes the downsample, which is the shallower of two convolutions', () => {
    for (const order of [0, 1]) {
      const model = block((b, x) => {
        const y = b.relu(b.conv(x, 'c1', 16, 16, 3), 'c1_relu');
        const deep = b.conv(y, 'c2', 16, 16, 3);
        const down = b.conv(x, 'down', 16, 16, 1);
        return b.op('Add', order === 0 ? [deep, down] : [down, deep], 'add');
      });
      const inputs = ['/c2/Conv_output_0', '/down/Conv_output_0_DequantizeLinear_Output'];
      expect(added(model)).toEqual({
        reason: 'RESIDUAL',
        inputs: order === 0 ? inputs : inputs.reverse(),
      });
    }
  });

  it('goes back through normalization and activation, but not past another reader', () => {
    const through = block((b, x) => {
      const y = b.relu(b.batchNorm(b.conv(x, 'c1', 16, 16, 3), 'bn', 16), 'c1_relu');
      return b.op('Add', [x, y], 'add');
    });
    expect(added(through, { foldBatchNormalization: false })).toEqual({
      reason: 'RESIDUAL',
      inputs: ['/stem_relu/Relu_output_0_DequantizeLinear_Output', '/c1_relu/Relu_output_0'],
    });
    const shared = block((b, x) => {
      const y = b.conv(x, 'c1', 16, 16, 3);
      const sum = b.op('Add', [x, y], 'add');
      return b.op('Mul', [sum, y], 'mul');
    });
    expect(added(shared).reason).toBe('NO_CONVOLUTION');
  });

  it('needs that convolution to be int8', () => {
    const model = block((b, x) => b.op('Add', [b.conv(x, 'c1', 16, 16, 3), x], 'add'));
    expect(added(model).reason).toBe('RESIDUAL');
    expect(added(model, { exclude: ['/c1/Conv'] }).reason).toBe('NO_CONVOLUTION');
    expect(added(model, { excludeTypes: ['Add'] }).reason).toBe('EXCLUDED');
  });
});

describe('pools, Concat and squeeze-and-excite', () => {
  it('quantizes the input of an average pool with a quantized neighbour', () => {
    const b = new GraphBuilder();
    const pool = (x: string, path: string) =>
      b.op('AveragePool', [x], path, { kernel_shape: [2, 2], strides: [2, 2] });
    let x = pool('input', 'alone');
    x = b.relu(b.op('Sigmoid', [x], 'sigmoid'), 'between');
    x = b.conv(x, 'a', 3, 16, 1);
    x = pool(b.relu(x, 'r'), 'behind');
    x = b.op('Softmax', [x], 'softmax');
    x = pool(x, 'before');
    b.conv(x, 'b', 16, 16, 1);
    const model = b.finish(['n', 3, 32, 32], ['n', 16, 4, 4]);
    const wanted = {
      '/alone/AveragePool': 'NO_NEIGHBOUR',
      '/a/Conv': 'WEIGHTS',
      '/behind/AveragePool': 'POOL',
      '/before/AveragePool': 'POOL',
      '/b/Conv': 'WEIGHTS',
    };
    expect(reasons(quantize(model).report)).toEqual(wanted);
    expect(reasons(quantize(model, { target: 'tensorrt-rtx' }).report)).toEqual({
      ...wanted,
      '/alone/AveragePool': 'POOL_ON_RTX',
      '/behind/AveragePool': 'POOL_ON_RTX',
      '/before/AveragePool': 'POOL_ON_RTX',
    });
    const excluded = quantize(model, { excludeTypes: ['AveragePool'] }).report;
    expect(excluded.counts.AveragePool).toEqual({ quantized: 0, float: 3 });
  });

  it('gives the inputs of a Concat one range', () => {
    const b = new GraphBuilder();
    const stem = b.relu(b.conv('input', 'stem', 3, 16, 1), 'stem_relu');
    const left = b.relu(b.conv(stem, 'left', 16, 16, 1), 'left_relu');
    const again = b.conv(left, 'again', 16, 16, 1);
    const x = b.op('Concat', [left, again, stem], 'concat', { axis: 1 });
    b.conv(x, 'out', 48, 16, 1);
    const model = b.finish(['n', 3, 8, 8], ['n', 16, 8, 8]);
    const amax = ranges(model, { '/stem_relu/Relu_output_0': 5, '/left_relu/Relu_output_0': 3 });
    const { report } = quantizeModel(model, amax);
    expect(report.tensors.map(({ name, amax: range }) => [name, range])).toEqual([
      ['input', 2],
      ['/stem_relu/Relu_output_0', 5],
      ['/left_relu/Relu_output_0', 5],
      ['/concat/Concat_output_0', 5],
    ]);
  });

  it('keeps squeeze-and-excite float, and nothing else around it', () => {
    const b = new GraphBuilder();
    const x = b.relu(b.conv('input', 'stem', 3, 32, 3), 'act');
    let gate = b.op('GlobalAveragePool', [x], 'se/pool');
    gate = b.relu(b.conv(gate, 'se/reduce', 32, 16, 1), 'se/act');
    gate = b.op('Sigmoid', [b.conv(gate, 'se/expand', 16, 32, 1)], 'se/gate');
    const y = b.op('Mul', [x, gate], 'se/mul');
    const z = b.conv(y, 'project', 32, 16, 1);
    // SiLU is a product of two activations too, and no squeeze-and-excite.
    const silu = b.op('Mul', [z, b.op('Sigmoid', [z], 'silu/sigmoid')], 'silu');
    b.conv(silu, 'next', 16, 16, 1);
    expect(reasons(quantize(b.finish(['n', 3, 8, 8], ['n', 16, 8, 8])).report)).toEqual({
      '/stem/Conv': 'WEIGHTS',
      '/se/pool/GlobalAveragePool': 'SQUEEZE_EXCITE',
      '/se/reduce/Conv': 'SQUEEZE_EXCITE',
      '/se/expand/Conv': 'SQUEEZE_EXCITE',
      '/project/Conv': 'WEIGHTS',
      '/next/Conv': 'WEIGHTS',
    });
  });
});
