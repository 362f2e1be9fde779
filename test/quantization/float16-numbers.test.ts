import { describe, expect, it } from 'vitest';
import { graphOf, halfToFloat, readTensor } from '../../lib/onnx/index.js';
import { convertToFloat16, quantizeModel } from '../../lib/quantization/index.js';
import { around, convert, ops, reasons } from './float16-helpers.js';

describe('numbers that float16 cannot hold', () => {
  it('are cut to its limits, and reported', async () => {
    const model = around((b, x) => {
      const mask = b.weight('mask', [8, 1, 1], [0, -1e9, 1e5, -65504, 1e-8, 1e-6, 65519, -7e4]);
      return b.op('Min', [x, mask], 'limit');
    });
    const { model: half, report } = convertToFloat16(model);
    expect(report.inexact.find(({ name }) => name === 'mask')).toEqual({
      name: 'mask',
      clamped: 4,
      zeroed: 1,
      subnormal: 1,
    });
    const tensor = graphOf(half).initializer.find(({ name }) => name === 'mask')!;
    expect(Array.from(readTensor(tensor) as Uint16Array, halfToFloat)).toEqual([
      ...[0, -65504, 65504, -65504, 0, 17 * 2 ** -24, 65504, -65504],
    ]);
  });

  it('keep infinity and NaN', () => {
    const model = around((b, x) => {
      const values = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN];
      return b.op('Max', [x, b.weight('odd', [8, 1, 1], [...values, 0, 0, 0, 0, 0])], 'limit');
    });
    const { model: half, report } = convertToFloat16(model);
    const tensor = graphOf(half).initializer.find(({ name }) => name === 'odd')!;
    expect(Array.from(readTensor(tensor) as Uint16Array).slice(0, 3)).toEqual([
      0x7c00, 0xfc00, 0x7e00,
    ]);
    expect(report.inexact.filter(({ name }) => name === 'odd')).toEqual([]);
  });

  it('keep the operator that multiplies by them in float32', async () => {
    const model = around((b, x) => {
      const up = b.op('Mul', [b.relu(x, 'act'), b.weight('large', [], [1e5])], 'up');
      return b.op('Mul', [up, b.weight('small', [], [1e-5])], 'down');
    });
    const { half, report } = await convert(model);
    expect(reasons(report)).toEqual({ '/up/Mul': 'RANGE', '/down/Mul': 'RANGE' });
    expect(ops(half)).toEqual([
      ...['Cast', 'Conv', 'Relu', 'Cast', 'Mul', 'Mul', 'Cast', 'Conv', 'Cast'],
    ]);
  });
});

describe('values that a calibration saw', () => {
  it('stay float32 where float16 cannot hold them', () => {
    const model = around((b, x) => b.op('Sigmoid', [b.relu(x, 'act')], 'gate'));
    const names = graphOf(model).node.flatMap(({ output }) => output);
    const amax = new Map(['input', ...names].map((name) => [name, 1]));
    amax.set('/act/Relu_output_0', 1e7);
    const { report } = quantizeModel(model, amax, { fp16: true });
    expect(reasons(report.float16!)).toEqual({ '/act/Relu': 'RANGE', '/gate/Sigmoid': 'RANGE' });
    expect(
      reasons(
        quantizeModel(model, amax.set('/act/Relu_output_0', 6e4), { fp16: true }).report.float16!,
      ),
    ).toEqual({});
  });
});
