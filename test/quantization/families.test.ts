import { describe, expect, it } from 'vitest';
import { buildEngine } from '../../lib/engine/index.js';
import { encodeModel, graphOf } from '../../lib/onnx/index.js';
import { quantizeModel } from '../../lib/quantization/index.js';
import { FAMILIES, FAMILY_SIZE, type FamilyOptions } from '../support/families.js';
import { meanCosine, observeRanges, outputs, randomInput } from '../support/onnxruntime.js';

const VARIANTS: Record<string, FamilyOptions> = {
  'torchscript, opset 17': { opset: 17 },
  'torchscript, opset 13': { opset: 13 },
  'dynamo, opset 18': { opset: 18, naming: 'dynamo' },
  'dynamo, opset 21': { opset: 21, naming: 'dynamo' },
  'float16, opset 17': { opset: 17, half: true, naming: 'dynamo' },
};

/** Int8 operators that each family must have, for `tensorrt` and for `tensorrt-rtx`. */
const MINIMUM: Record<keyof typeof FAMILIES, [Counts, Counts]> = {
  // Five depthwise convolutions stay float on RTX; squeeze-and-excite everywhere.
  MobileNetV3: [
    { Conv: 17, Add: 2 },
    { Conv: 12, Add: 2 },
  ],
  EfficientNet: [
    { Conv: 16, Add: 2 },
    { Conv: 11, Add: 2 },
  ],
  RegNetX: [
    { Conv: 22, Add: 6 },
    { Conv: 22, Add: 6 },
  ],
  RegNetY: [
    { Conv: 22, Add: 6 },
    { Conv: 22, Add: 6 },
  ],
  DenseNet: [{ Conv: 14 }, { Conv: 14 }],
  ConvNeXt: [
    { Conv: 6, MatMul: 8 },
    { Conv: 2, MatMul: 8 },
  ],
  ViT: [
    { Conv: 1, MatMul: 12 },
    { Conv: 1, MatMul: 12 },
  ],
};

type Counts = Record<string, number>;

/** Why operators with weights may stay float, for each target. */
const ALLOWED = {
  tensorrt: ['SQUEEZE_EXCITE', 'ATTENTION', 'LAST_GEMM'],
  'tensorrt-rtx': ['SQUEEZE_EXCITE', 'ATTENTION', 'LAST_GEMM', 'DEPTHWISE_ON_RTX'],
} as const;

const names = Object.keys(FAMILIES) as (keyof typeof FAMILIES)[];
const cases = names.flatMap((name) =>
  Object.keys(VARIANTS).map((variant) => [name, variant] as const),
);

describe('timm families', () => {
  it.each(cases)(
    '%s (%s): int8 where it should be, near float, and built by RTX',
    async (name, variant) => {
      const options = VARIANTS[variant]!;
      const model = FAMILIES[name](options);
      const dims = [1, 3, FAMILY_SIZE, FAMILY_SIZE];
      const inputs = [1, 2, 3].map((seed) => randomInput(seed, dims, options.half));
      const amax = await observeRanges(model, inputs);
      const float = await outputs(model, inputs);
      for (const [i, target] of (['tensorrt', 'tensorrt-rtx'] as const).entries()) {
        const { model: quantized, report } = quantizeModel(model, amax, { target });
        for (const [opType, minimum] of Object.entries(MINIMUM[name][i]!)) {
          expect(report.counts[opType]?.quantized).toBeGreaterThanOrEqual(minimum);
        }
        const left = report.nodes.filter(
          (node) => !node.quantized && /Conv|Gemm|MatMul/.test(node.opType),
        );
        for (const { reason } of left) expect(ALLOWED[target]).toContain(reason);
        expect(meanCosine(float, await outputs(quantized, inputs))).toBeGreaterThanOrEqual(0.995);
        expect(graphOf(quantized).output).toEqual(graphOf(model).output);
        if (target === 'tensorrt') continue;
        const engine = await buildEngine(encodeModel(quantized), {
          computeCapabilities: [89],
          profiles: [{ input: { min: dims, opt: dims, max: [2, ...dims.slice(1)] } }],
        });
        expect(engine.plan.byteLength).toBeGreaterThan(1e5);
        const int8 = engine.layers
          .flatMap((layer) => layer.inputs)
          .filter(({ type }) => type === 'Int8');
        expect(int8.length).toBeGreaterThan(0);
      }
    },
  );

  it('lists what stays float and why', async () => {
    const model = FAMILIES.ViT({});
    const amax = await observeRanges(model, [randomInput(1, [1, 3, FAMILY_SIZE, FAMILY_SIZE])]);
    const { report } = quantizeModel(model, amax);
    const float = report.nodes.filter(({ quantized }) => !quantized);
    const counts: Record<string, number> = {};
    for (const { opType, reason } of float) {
      counts[`${opType} ${reason}`] = (counts[`${opType} ${reason}`] ?? 0) + 1;
    }
    expect(counts).toEqual({
      'MatMul ATTENTION': 6,
      'Add NO_CONVOLUTION': 6,
      'Gemm LAST_GEMM': 1,
    });
    expect(report.untouched).toMatchObject({ LayerNormalization: 7, Softmax: 3, Erf: 3 });
  });
});
