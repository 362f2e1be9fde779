import { describe, expect, it } from 'vitest';
import { buildEngine, countOutputTypes } from '../../lib/engine/index.js';
import { encodeModel, loadModel } from '../../lib/onnx/index.js';
import { quantizeModel } from '../../lib/quantization/index.js';
import { meanCosine, observeRanges, outputs, randomInput } from '../support/onnxruntime.js';
import { resnet18d } from '../support/resnet18d.js';

const inputs = [1, 2, 3].map((seed) => randomInput(seed, [1, 3, 64, 64]));
const profile = { input: { min: [1, 3, 64, 64], opt: [1, 3, 64, 64], max: [4, 3, 96, 96] } };

describe('ResNet18-D', () => {
  it('has all 22 convolutions in int8, agrees with float, and builds in TensorRT-RTX', async () => {
    const model = resnet18d();
    const amax = await observeRanges(model, inputs);
    const float = await outputs(model, inputs);
    const { model: quantized, report } = quantizeModel(model, amax, { target: 'tensorrt-rtx' });
    expect(report.counts).toEqual({
      Conv: { quantized: 22, float: 0 },
      Add: { quantized: 8, float: 0 },
      AveragePool: { quantized: 0, float: 3 },
      GlobalAveragePool: { quantized: 0, float: 1 },
      Gemm: { quantized: 0, float: 1 },
    });
    expect(meanCosine(float, await outputs(quantized, inputs))).toBeGreaterThan(0.9995);
    const bytes = encodeModel(quantized);
    // A quarter of the float model, and little more.
    expect(bytes.byteLength).toBeLessThan(encodeModel(model).byteLength * 0.26);
    const engine = await buildEngine(bytes, {
      computeCapabilities: [80, 89, 120],
      profiles: [profile],
    });
    const convolutions = engine.layers.filter(({ type }) => type === 'correlation');
    expect(convolutions).toHaveLength(22);
    for (const layer of convolutions) {
      expect(layer.inputs.slice(0, 1).map(({ type }) => type)).toEqual(['Int8']);
    }
    expect(countOutputTypes(engine.layers)).toHaveProperty('Int8');
  });

  it('folds every BatchNormalization, with the ranges of the model as it was', async () => {
    const model = resnet18d({ batchNorm: true, width: 0.5 });
    const amax = await observeRanges(model, inputs);
    const { model: quantized, report } = quantizeModel(model, amax);
    expect(report.foldedBatchNormalization).toBe(22);
    expect(report.counts.Conv).toEqual({ quantized: 22, float: 0 });
    expect(report.counts.AveragePool).toEqual({ quantized: 3, float: 0 });
    const float = await outputs(model, inputs);
    expect(meanCosine(float, await outputs(quantized, inputs))).toBeGreaterThan(0.9995);
    // What is written reads back as it was.
    const bytes = encodeModel(quantized);
    expect(Buffer.compare(encodeModel(await loadModel(bytes)), bytes)).toBe(0);
    const engine = await buildEngine(bytes, {
      computeCapabilities: [89],
      profiles: [profile],
    });
    expect(engine.layers.filter(({ type }) => type === 'correlation')).toHaveLength(22);
  });
});
