import { describe, expect, it } from 'vitest';
import {
  createNode,
  editableCopy,
  GraphIndex,
  graphOf,
  readFloats,
  readTensor,
} from '../../lib/onnx/index.js';
import { quantizeModel } from '../../lib/quantization/index.js';
import { GraphBuilder } from '../support/graph-builder.js';
import { observeRanges, outputs, randomInput } from '../support/onnxruntime.js';
import { conv, quantize, ranges } from './helpers.js';

describe('insertion', () => {
  it('writes int8 weights, one shared pair a tensor, and leaves the original alone', () => {
    const b = new GraphBuilder();
    const x = b.relu(b.conv('input', 'a', 3, 16, 1), 'r');
    const left = b.conv(x, 'left', 16, 16, 1);
    const right = b.relu(b.conv(x, 'right', 16, 16, 1), 'rr');
    b.op('Mul', [left, right], 'mul');
    const model = b.finish(['n', 3, 8, 8], ['n', 16, 8, 8]);
    const before = editableCopy(model);
    const { model: quantized, report } = quantize(model);
    expect(graphOf(model)).toEqual(graphOf(before));
    expect(report.tensors).toEqual([
      { name: 'input', amax: 2, scale: Math.fround(2 / 127) },
      { name: '/r/Relu_output_0', amax: 2, scale: Math.fround(2 / 127) },
    ]);
    const graph = graphOf(quantized);
    expect(graph.node.map(({ opType }) => opType)).toEqual([
      'QuantizeLinear',
      'DequantizeLinear',
      'DequantizeLinear',
      'Conv',
      'Relu',
      'QuantizeLinear',
      'DequantizeLinear',
      'DequantizeLinear',
      'Conv',
      'DequantizeLinear',
      'Conv',
      'Relu',
      'Mul',
    ]);
    const index = new GraphIndex(graph);
    const convolution = graph.node[3]!;
    const dequantize = index.producer(convolution.input[1]!)!;
    expect(dequantize.input).toEqual([
      'a.weight_quantized',
      'a.weight_scale',
      'a.weight_zero_point',
    ]);
    const int8 = index.initializer('a.weight_quantized')!;
    expect(int8.dims).toEqual([16n, 3n, 1n, 1n]);
    const weights = readFloats(graphOf(model).initializer[0]!);
    const scales = readFloats(index.initializer('a.weight_scale')!);
    const data = readTensor(int8) as Int8Array;
    for (const [i, value] of data.entries()) {
      const scale = scales[Math.floor(i / 3)]!;
      expect(Math.abs(value * scale - weights[i]!)).toBeLessThanOrEqual(scale * 0.5000001);
    }
    // The bias stays float and the float weights are gone.
    expect(convolution.input[2]).toBe('a.bias');
    expect(index.initializer('a.weight')).toBeUndefined();
    expect([...readTensor(index.initializer('input_zero_point')!)]).toEqual([0]);
  });

  it('makes weights that two nodes share once, and keeps what a float node reads', () => {
    const b = new GraphBuilder();
    const x = b.conv('input', 'a', 16, 16, 1);
    b.nodes.push(createNode('Conv', [x, 'a.weight'], ['y'], { name: 'b' }));
    b.nodes.push(createNode('ReduceMax', ['a.weight'], ['z'], { name: 'z' }, { keepdims: 0 }));
    b.op('Mul', ['y', 'z'], 'mul');
    const { model } = quantize(b.finish(['n', 16, 8, 8], ['n', 16, 8, 8]));
    const names = graphOf(model).initializer.map(({ name }) => name);
    expect(names.filter((name) => name.endsWith('weight_quantized'))).toHaveLength(1);
    expect(names).toContain('a.weight');
    const read = graphOf(model)
      .node.filter(({ opType }) => opType === 'Conv')
      .map((n) => n.input[1]);
    expect(read).toEqual(Array(2).fill('a.weight_DequantizeLinear_Output'));
  });

  it('leaves a graph output as float as it was', async () => {
    const b = new GraphBuilder();
    const x = b.conv('input', 'a', 3, 16, 1);
    b.conv(x, 'b', 16, 16, 1);
    const model = b.finish(['n', 3, 4, 4], ['n', 16, 4, 4]);
    graphOf(model).output.unshift({ ...graphOf(model).output[0]!, name: x });
    const { model: quantized } = quantize(model);
    const [input] = [randomInput(1, [1, 3, 4, 4])];
    const [[float], [int8]] = [await outputs(model, [input!]), await outputs(quantized, [input!])];
    const levels = new Set(int8!.map((value) => Math.round(value * 1e6)));
    // Quantized to 255 levels it would have far fewer distinct values than elements.
    expect(levels.size).toBeGreaterThan(240);
    expect(int8).toHaveLength(float!.length);
  });

  it('moves the bias of a convolution behind it when its result is quantized at once', () => {
    const b = new GraphBuilder();
    const x = b.conv('input', 'a', 3, 16, 1);
    const y = b.conv(x, 'b', 16, 16, 1, { bias: false });
    b.conv(y, 'c', 16, 16, 1);
    const { model } = quantize(b.finish(['n', 3, 4, 4], ['n', 16, 4, 4]));
    const graph = graphOf(model);
    const index = new GraphIndex(graph);
    const types = (name: string) => index.consumers(name).map(({ node }) => node.opType);
    expect(types('/a/Conv_output_0_without_bias')).toEqual(['Add']);
    expect(types('/a/Conv_output_0')).toEqual(['QuantizeLinear']);
    expect(index.initializer('a.bias_broadcast')!.dims).toEqual([1n, 16n, 1n, 1n]);
    expect([...readFloats(index.initializer('/b/Conv_output_0_broadcast')!)]).toEqual(
      Array(16).fill(0),
    );
    // The last result is not quantized.
    expect(graph.node.at(-1)!.input[2]).toBe('c.bias');
  });
});

describe('options and tables', () => {
  const model = () => {
    const b = new GraphBuilder();
    let x = b.relu(b.batchNorm(b.conv('input', 'a', 3, 16, 1), 'a_bn', 16), 'ar');
    x = b.relu(b.conv(x, 'b', 16, 16, 1), 'br');
    x = b.op('Reshape', [x, b.integers('shape', [-1, 16, 16, 4])], 'reshape');
    b.conv(x, 'c', 16, 16, 1);
    return b.finish(['n', 3, 8, 8], ['n', 16, 16, 4]);
  };

  it('leaves out nodes by name, output, pattern and operator', () => {
    const m = model();
    expect(conv(quantize(m, { exclude: ['/b/Conv'] }).report, 'b')).toBe('EXCLUDED');
    expect(conv(quantize(m, { exclude: ['/b/Conv_output_0'] }).report, 'b')).toBe('EXCLUDED');
    // By the name that the output had before the normalization was folded in.
    expect(conv(quantize(m, { exclude: ['/a/Conv_output_0'] }).report, 'a')).toBe('EXCLUDED');
    const { report } = quantize(m, { exclude: [/^\/[ab]\//g] });
    expect(report.nodes.map(({ reason }) => reason)).toEqual(['EXCLUDED', 'EXCLUDED', 'WEIGHTS']);
    const none = quantize(m, { excludeTypes: ['Conv'] });
    expect(none.report.counts).toEqual({ Conv: { quantized: 0, float: 3 } });
    expect(none.report.tensors).toEqual([]);
  });

  it('refuses an exclusion that fits nothing, and wrong options', () => {
    const m = model();
    expect(() => quantize(m, { exclude: ['/d/Conv'] })).toThrow(
      'Expected nodes of the model for exclude but "/d/Conv" fits none',
    );
    expect(() => quantize(m, { excludeTypes: ['LSTM'] })).toThrow(RangeError);
    expect(() => quantize(m, { target: 'cuda' as never })).toThrow(RangeError);
    expect(() => quantize(m, { missingRanges: 'ignore' as never })).toThrow(RangeError);
    expect(() => quantize(m, { exclude: 'a' as never })).toThrow(TypeError);
    expect(() => quantize(m, { exclude: [3 as never] })).toThrow(TypeError);
    expect(() => quantize(m, { excludeTypes: [/a/ as never] })).toThrow(TypeError);
  });

  it('takes the range of a copy from what it copies', () => {
    const m = model();
    const amax = ranges(m, { '/br/Relu_output_0': 7 });
    amax.delete('/reshape/Reshape_output_0');
    const { report } = quantizeModel(m, amax);
    expect(report.tensors.at(-1)).toMatchObject({ name: '/reshape/Reshape_output_0', amax: 7 });
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, -3, undefined])(
    'lists the tensors whose range is %s',
    (value) => {
      const m = model();
      const amax = ranges(m);
      if (value === undefined) amax.delete('/ar/Relu_output_0');
      else amax.set('/ar/Relu_output_0', value);
      expect(() => quantizeModel(m, amax)).toThrow(
        expect.objectContaining({
          code: 'TABLE_INCOMPLETE',
          message: expect.stringContaining('1 tensor(s) of the model: "/ar/Relu_output_0"'),
          detail: ['/ar/Relu_output_0'],
        }),
      );
      const { report } = quantizeModel(m, amax, { missingRanges: 'float' });
      expect(conv(report, 'b')).toBe('RANGE_MISSING');
      expect(report.missingRanges).toEqual(['/ar/Relu_output_0']);
      expect(report.counts.Conv).toEqual({ quantized: 2, float: 1 });
    },
  );

  it('names both sides when the table is of another model', () => {
    const other = new Map([
      ['conv1', 1],
      ['relu1', 2],
    ]);
    const m = { ...model(), path: 'mine.onnx' };
    for (const missingRanges of ['error', 'float'] as const) {
      expect(() => quantizeModel(m, other, { missingRanges })).toThrow(
        expect.objectContaining({
          code: 'TABLE_MISMATCH',
          message: expect.stringMatching(/mine\.onnx: it has "conv1", "relu1", and "input"/),
        }),
      );
    }
    expect(() => quantizeModel(m, new Map())).toThrow('it has no entries');
  });

  it('keeps the scale of a tensor that is always zero positive', () => {
    const m = model();
    const { report } = quantizeModel(m, ranges(m, { input: 0 }));
    expect(report.tensors[0]).toEqual({
      name: 'input',
      amax: 1e-6,
      scale: Math.fround(1e-6 / 127),
    });
  });

  it('raises an old operator set, because per-channel scales came with 13', async () => {
    const b = new GraphBuilder({ opset: 10 });
    const x = b.relu(b.batchNorm(b.conv('input', 'a', 3, 16, 1), 'bn', 16), 'r');
    b.op('Clip', [b.conv(x, 'b', 16, 16, 1)], 'clip', { min: { float: 0 }, max: { float: 6 } });
    const old = b.finish(['n', 3, 8, 8], ['n', 16, 8, 8]);
    old.proto.irVersion = 5n;
    const inputs = [randomInput(1, [1, 3, 8, 8])];
    const { model: quantized, report } = quantizeModel(old, await observeRanges(old, inputs));
    expect(report.opset).toEqual({ from: 10, to: 13 });
    const [[float], [int8]] = [await outputs(old, inputs), await outputs(quantized, inputs)];
    let largest = 0;
    for (const [i, value] of float!.entries()) {
      largest = Math.max(largest, Math.abs(value - int8![i]!));
    }
    expect(largest).toBeGreaterThan(0);
    expect(largest).toBeLessThan(0.1);
  });
});
