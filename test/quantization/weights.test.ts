import { describe, expect, it } from 'vitest';
import { quantizeModel } from '../../lib/quantization/index.js';
import { biasFloor, pairMagnitudes, quantizeWeights } from '../../lib/quantization/weights.js';
import { roundHalfEven } from '../../lib/round.js';
import { GraphBuilder } from '../support/graph-builder.js';
import { meanCosine, observeRanges, outputs, randomInput } from '../support/onnxruntime.js';

describe('quantizeWeights', () => {
  it('rounds half to even', () => {
    expect([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.49, -3.51].map(roundHalfEven)).toEqual([
      -2, -2, 0, 0, 2, 2, 3, -4,
    ]);
  });

  it('gives each channel of axis 0 its own scale', () => {
    const values = Float32Array.of(127, -63.5, 1, 0.5, 12.7, -12.7, 0.05, 0);
    const { data, scales } = quantizeWeights(values, [2, 4], { axis: 0 });
    expect([...scales]).toEqual([1, Math.fround(Math.fround(12.7) / 127)]);
    expect([...data]).toEqual([127, -64, 1, 0, 127, -127, 0, 0]);
  });

  it('works along the last axis and a middle one', () => {
    const values = Float32Array.of(127, 254, -127, 2, 1, 254);
    expect([...quantizeWeights(values, [3, 2], { axis: 1 }).scales]).toEqual([1, 2]);
    expect([...quantizeWeights(values, [3, 2], { axis: 1 }).data]).toEqual([
      127, 127, -127, 1, 1, 127,
    ]);
    expect([...quantizeWeights(values, [1, 3, 2], { axis: 1 }).scales]).toEqual([2, 1, 2]);
  });

  it('keeps the scale of a channel of zeros positive', () => {
    const { data, scales } = quantizeWeights(new Float32Array(4), [2, 2], { axis: 0 });
    expect(scales[0]).toBeGreaterThan(0);
    expect([...data]).toEqual([0, 0, 0, 0]);
  });

  it('keeps a bias within int32 steps of a channel that is all but zero', () => {
    const floor = biasFloor([3, 3], 0.01);
    const { scales } = quantizeWeights(Float32Array.of(0, 127), [2, 1], { axis: 0, floor });
    expect(3 / (0.01 * scales[0]!)).toBeLessThanOrEqual(2 ** 30 * 1.001);
    expect(scales[1]).toBe(1);
  });

  it('rounds scales up to float16, so that nothing is clipped', () => {
    const values = Float32Array.of(0.3, -0.1);
    const { data, scales } = quantizeWeights(values, [1, 2], { axis: 0, half: true });
    // 0.3 / 127 lies between two float16 values.
    expect(scales[0]).toBe(0.0023632049560546875);
    expect([...data]).toEqual([127, -42]);
  });

  it('refuses weights that are not finite', () => {
    expect(() => quantizeWeights(Float32Array.of(1, Number.NaN, 2), [1, 3], { axis: 0 })).toThrow(
      'not finite',
    );
    expect(() =>
      quantizeWeights(Float32Array.of(1, Number.POSITIVE_INFINITY), [1, 2], { axis: 0 }),
    ).toThrow('not finite');
  });
});

describe('pairMagnitudes', () => {
  it('is the largest sum of two neighbours along the inputs, for each output', () => {
    const matrix = Float32Array.of(1, 10, 2, -20, -3, 30, -4, 40, 100, 1000);
    // [in, out]: pairs of rows 0 and 1, 2 and 3; the fifth row has no partner.
    expect([...pairMagnitudes(matrix, [5, 2], 1)]).toEqual([7, 70]);
    // [out, in]: pairs of columns; the fifth has none.
    expect([...pairMagnitudes(matrix, [2, 5], 0)]).toEqual([18, 140]);
  });

  it('keeps what ONNX Runtime adds in 16 bits from saturating', async () => {
    const b = new GraphBuilder();
    const dominant = Float32Array.from({ length: 64 * 16 }, () => 0.5 + b.random.uniform() / 2);
    const x = b.op('MatMul', ['input', b.weight('w', [64, 16], dominant)], 'a');
    b.op('MatMul', [x, b.weight('h', [16, 8], b.random.array(128))], 'head');
    const model = b.finish(['n', 4, 64], ['n', 4, 8]);
    const inputs = [1, 2].map((seed) => randomInput(seed, [1, 4, 64]));
    const { model: quantized } = quantizeModel(model, await observeRanges(model, inputs));
    const float = await outputs(model, inputs);
    expect(meanCosine(float, await outputs(quantized, inputs))).toBeGreaterThan(0.9999);
  });
});
