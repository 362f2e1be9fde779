import { describe, expect, it } from 'vitest';
import { buildEngine } from '../../lib/engine/index.js';
import { encodeModel } from '../../lib/onnx/index.js';
import { quantizeModel } from '../../lib/quantization/index.js';
import { FAMILIES, FAMILY_SIZE, type FamilyOptions } from '../support/families.js';
import { meanCosine, observeRanges, outputs, randomInput } from '../support/onnxruntime.js';

const DIMS = [1, 3, FAMILY_SIZE, FAMILY_SIZE];
const inputs = [1, 2, 3].map((seed) => randomInput(seed, DIMS));

type Counts = Record<string, number>;

/** The same layers as exporters of other versions write them; what is int8 must not depend on it. */
const CASES: [keyof typeof FAMILIES, FamilyOptions, Counts][] = [
  ['MobileNetV3', { opset: 14, hardSwish: 'sigmoid', batchNorm: true }, { Conv: 17, Add: 2 }],
  ['MobileNetV3', { opset: 18, hardSwish: 'clip', pool: 'mean' }, { Conv: 17, Add: 2 }],
  ['EfficientNet', { opset: 20, naming: 'dynamo', pool: 'mean' }, { Conv: 16, Add: 2 }],
  ['RegNetY', { opset: 19, pool: 'mean', batchNorm: true }, { Conv: 22, Add: 6 }],
  ['DenseNet', { opset: 20, naming: 'dynamo', pool: 'mean' }, { Conv: 14 }],
  ['ConvNeXt', { opset: 18, written: true, linear: 'transposed' }, { Conv: 6, MatMul: 8 }],
  ['ConvNeXt', { opset: 21, naming: 'dynamo', linear: 'stacked' }, { Conv: 6, MatMul: 8 }],
  ['ConvNeXt', { opset: 14, linear: 'gemm' }, { Conv: 6, Gemm: 8 }],
  ['ViT', { opset: 17, attention: 'split', linear: 'chained' }, { Conv: 1, MatMul: 12 }],
  ['ViT', { opset: 20, attention: 'slice', naming: 'dynamo' }, { Conv: 1, MatMul: 12 }],
  ['ViT', { opset: 17, linear: 'gemm' }, { Conv: 1, Gemm: 12 }],
  ['ViT', { opset: 13, linear: 'stacked' }, { Conv: 1, MatMul: 12 }],
];

describe('families, however they are written', () => {
  it.each(CASES)('%s %j', async (name, options, minimum) => {
    const model = FAMILIES[name](options);
    const amax = await observeRanges(model, inputs);
    const float = await outputs(model, inputs);
    const { model: quantized, report } = quantizeModel(model, amax);
    for (const [opType, count] of Object.entries(minimum)) {
      expect(report.counts[opType]?.quantized).toBe(count);
    }
    const left = report.nodes.filter(
      (node) => !node.quantized && /Conv|Gemm|MatMul/.test(node.opType),
    );
    for (const { reason } of left) {
      expect(['SQUEEZE_EXCITE', 'ATTENTION', 'LAST_GEMM']).toContain(reason);
    }
    expect(meanCosine(float, await outputs(quantized, inputs))).toBeGreaterThanOrEqual(0.995);
    const rtx = quantizeModel(model, amax, { target: 'tensorrt-rtx' });
    const engine = await buildEngine(encodeModel(rtx.model), {
      computeCapabilities: [89],
      profiles: [{ input: { min: DIMS, opt: DIMS, max: [2, ...DIMS.slice(1)] } }],
    });
    const int8 = engine.layers.filter(({ inputs: [first] }) => first?.type === 'Int8');
    const depthwise = { MobileNetV3: 5, EfficientNet: 5, ConvNeXt: 4 } as Record<string, number>;
    const { Conv = 0, MatMul = 0, Gemm = 0 } = minimum;
    expect(int8.length).toBeGreaterThanOrEqual(Conv + MatMul + Gemm - (depthwise[name] ?? 0));
  });
});
