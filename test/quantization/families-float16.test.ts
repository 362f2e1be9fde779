import { describe, expect, it } from 'vitest';
import { buildEngine, countOutputTypes } from '../../lib/engine/index.js';
import { encodeModel, type OnnxModel } from '../../lib/onnx/index.js';
import { convertToFloat16, quantizeModel } from '../../lib/quantization/index.js';
import { FAMILIES, FAMILY_SIZE, type FamilyOptions } from '../support/families.js';
import { meanCosine, observeRanges, outputs, randomInput } from '../support/onnxruntime.js';

const DIMS = [1, 3, FAMILY_SIZE, FAMILY_SIZE];
const inputs = [1, 2, 3].map((seed) => randomInput(seed, DIMS));

const older: FamilyOptions = { opset: 13 };
const middle: FamilyOptions = { opset: 17 };
const newer: FamilyOptions = { opset: 21, naming: 'dynamo' };

/** Casts in the graph; nodes that stay float32 in pure float16; layers that RTX runs in half. */
const CASES: [keyof typeof FAMILIES, FamilyOptions, Wanted][] = [
  ['MobileNetV3', older, { casts: 2, kept: {}, half: 32 }],
  ['EfficientNet', newer, { casts: 2, kept: {}, half: 38 }],
  ['RegNetX', middle, { casts: 2, kept: {}, half: 24 }],
  ['RegNetY', newer, { casts: 2, kept: {}, half: 48 }],
  ['DenseNet', older, { casts: 2, kept: {}, half: 25 }],
  ['ConvNeXt', newer, { casts: 2, kept: {}, half: 29 }],
  // Seven normalizations, written out: what is between x and the scale stays float32.
  [
    'ConvNeXt',
    older,
    { casts: 16, kept: { ReduceMean: 14, Sub: 7, Pow: 7, Add: 7, Sqrt: 7, Div: 7 }, half: 29 },
  ],
  ['ViT', middle, { casts: 4, kept: { ReduceMean: 1, Mul: 1 }, half: 27 }],
  [
    'ViT',
    older,
    {
      casts: 18,
      kept: { ReduceMean: 15, Mul: 1, Sub: 7, Pow: 7, Add: 7, Sqrt: 7, Div: 7 },
      half: 27,
    },
  ],
];

interface Wanted {
  casts: number;
  kept: Record<string, number>;
  half: number;
}

async function layerTypes(model: OnnxModel) {
  const engine = await buildEngine(encodeModel(model), {
    computeCapabilities: [80, 89, 120],
    profiles: [{ input: { min: DIMS, opt: DIMS, max: [2, ...DIMS.slice(1)] } }],
  });
  return countOutputTypes(engine.layers);
}

describe('families in float16', () => {
  it.each(CASES)(
    '%s %j: near float32, and half in the engines of RTX',
    async (name, opts, want) => {
      const model = FAMILIES[name](opts);
      const float = await outputs(model, inputs);
      const { model: half, report } = convertToFloat16(model);
      const kept: Record<string, number> = {};
      for (const { opType } of report.kept) kept[opType] = (kept[opType] ?? 0) + 1;
      expect({ casts: report.casts, kept }).toEqual({ casts: want.casts, kept: want.kept });
      expect(report.inexact.filter(({ clamped }) => clamped > 0)).toEqual([]);
      expect(meanCosine(float, await outputs(half, inputs))).toBeGreaterThan(0.9999);
      const types = await layerTypes(half);
      // The output, and for a transformer the class token, which is computed from a mean.
      expect(types.Float).toBeLessThanOrEqual(4);
      expect(types.Half).toBeGreaterThanOrEqual(want.half);
    },
  );

  it.each(CASES)('%s %j: int8 with the rest in float16', async (name, opts) => {
    const model = FAMILIES[name](opts);
    const amax = await observeRanges(model, inputs);
    const float = await outputs(model, inputs);
    const options = { target: 'tensorrt-rtx', fp16: true } as const;
    const { model: quantized, report } = quantizeModel(model, amax, options);
    const plain = quantizeModel(model, amax, { target: 'tensorrt-rtx' });
    expect(report.counts).toEqual(plain.report.counts);
    expect(report.opset.to).toBe(Math.max(19, opts.opset!));
    expect(meanCosine(float, await outputs(quantized, inputs))).toBeGreaterThan(0.995);
    const types = await layerTypes(quantized);
    expect(types.Half).toBeGreaterThan(0);
    expect(types.Int8).toBeGreaterThan(0);
  });
});
