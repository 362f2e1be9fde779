import { readFileSync } from 'node:fs';
import type { Tensor } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { graphOf, loadModel, type OnnxModel } from '../../lib/onnx/index.js';
import { quantizeModel } from '../../lib/quantization/index.js';
import { outputs } from '../support/onnxruntime.js';
import { digitImages } from './digit-images.js';

const FIXTURES = 'test/fixtures/ort-calibration';
const MODELS = {
  model: 'examples/digits/model.onnx',
  model_bn: `${FIXTURES}/model_bn.onnx`,
} as const;

function logits(file: string): Float32Array[] {
  const bytes = readFileSync(`${FIXTURES}/${file}`);
  return Array.from({ length: 100 }, (_, i) =>
    Float32Array.from({ length: 10 }, (_, k) => bytes.readFloatLE((i * 10 + k) * 4)),
  );
}

function amaxOf(model: string, table: string): Map<string, number> {
  const text = readFileSync(`${FIXTURES}/tables/${model}/${table}/ranges.json`, 'utf8');
  const ranges = Object.entries(JSON.parse(text) as Record<string, [number, number]>);
  return new Map(
    ranges.map(([name, [low, high]]) => [name, Math.max(Math.abs(low), Math.abs(high))]),
  );
}

const top = (row: Float32Array) => row.indexOf(Math.max(...row));

function compare(a: readonly Float32Array[], b: readonly Float32Array[]) {
  let agree = 0;
  let euclidean = 0;
  let absolute = 0;
  for (const [i, row] of a.entries()) {
    if (top(row) === top(b[i]!)) agree += 1;
    const difference = row.map((value, k) => value - b[i]![k]!);
    euclidean += Math.hypot(...difference) / a.length;
    absolute += difference.reduce((sum, d) => sum + Math.abs(d), 0) / row.length / a.length;
  }
  return { agree, euclidean, absolute };
}

let images: Tensor[];
beforeAll(async () => {
  images = await digitImages();
});

/** Convolutions that read an int8 input and int8 weights through DequantizeLinear. */
function int8Convolutions(model: OnnxModel): number {
  const graph = graphOf(model);
  const dequantized = new Set(
    graph.node.filter(({ opType }) => opType === 'DequantizeLinear').map(({ output }) => output[0]),
  );
  return graph.node.filter(
    ({ opType, input }) =>
      opType === 'Conv' && dequantized.has(input[0]) && dequantized.has(input[1]),
  ).length;
}

const reference = compare(
  logits('model_logits_fp32.f32'),
  logits('qdq_s8s8_sym_minmax_logits.f32'),
);

describe('the digits model', () => {
  it('has the reference to beat', () => {
    expect(reference.agree).toBe(100);
    expect(reference.euclidean).toBeCloseTo(0.327, 3);
    expect(reference.absolute).toBeCloseTo(0.08695, 4);
  });

  const targets = ['tensorrt', 'tensorrt-rtx', 'onnxruntime'] as const;
  const models = ['model', 'model_bn'] as const;
  it.each(models.flatMap((name) => targets.map((target) => [name, target] as const)))(
    '%s for %s: every Conv is int8 and the logits stay near float',
    async (name, target) => {
      const model = await loadModel(MODELS[name]);
      const { model: quantized, report } = quantizeModel(model, amaxOf(name, 'minmax'), { target });
      expect(int8Convolutions(quantized)).toBe(7);
      expect(report.counts.Conv).toEqual({ quantized: 7, float: 0 });
      expect(report.foldedBatchNormalization).toBe(name === 'model_bn' ? 7 : 0);
      const float = logits(`${name}_logits_fp32.f32`);
      const result = compare(float, await outputs(quantized, images));
      expect(result.agree).toBeGreaterThanOrEqual(98);
      expect(result.euclidean).toBeLessThanOrEqual(reference.euclidean);
      expect(result.absolute).toBeLessThanOrEqual(reference.absolute);
      // Without ONNX Runtime's own optimisation the model means the same.
      const plain = await outputs(quantized, images, { graphOptimizationLevel: 'disabled' });
      expect(compare(float, plain).euclidean).toBeLessThanOrEqual(reference.euclidean);
    },
  );

  it.each(['percentile_default', 'entropy_default', 'entropy_512', 'minmax_sym'])(
    'loses at most one image with the table of %s',
    async (table) => {
      const model = await loadModel(MODELS.model);
      const { model: quantized } = quantizeModel(model, amaxOf('model', table));
      const result = compare(logits('model_logits_fp32.f32'), await outputs(quantized, images));
      expect(result.agree).toBeGreaterThanOrEqual(99);
    },
  );

  it('reports every decision', async () => {
    const model = await loadModel(MODELS.model);
    const { report } = quantizeModel(model, amaxOf('model', 'minmax'));
    expect(report.counts).toEqual({
      Conv: { quantized: 7, float: 0 },
      AveragePool: { quantized: 2, float: 0 },
      GlobalAveragePool: { quantized: 1, float: 0 },
      Add: { quantized: 2, float: 0 },
      Gemm: { quantized: 0, float: 1 },
    });
    expect(report.untouched).toEqual({ Relu: 5, MaxPool: 1, Flatten: 1 });
    expect(report.nodes.at(-1)).toEqual({
      name: '/fc/Gemm',
      opType: 'Gemm',
      quantized: false,
      reason: 'LAST_GEMM',
      explanation: 'The classifier head stays float: at batch 1 it is a matrix times a vector.',
    });
    // One pair a tensor, the residual branch and not the main one among them.
    expect(report.tensors.map(({ name }) => name)).toEqual([
      'input',
      '/maxpool/MaxPool_output_0',
      '/layer1/layer1.0/act1/Relu_output_0',
      '/layer1/layer1.0/downsample/downsample.0/AveragePool_output_0',
      '/layer1/layer1.0/downsample/downsample.1/Conv_output_0',
      '/layer1/layer1.0/act2/Relu_output_0',
      '/layer2/layer2.0/act1/Relu_output_0',
      '/layer2/layer2.0/downsample/downsample.0/AveragePool_output_0',
      '/layer2/layer2.0/downsample/downsample.1/Conv_output_0',
      '/layer2/layer2.0/act2/Relu_output_0',
    ]);
    const input = report.tensors[0]!;
    expect(input.scale).toBe(Math.fround(input.amax / 127));
    expect(report.opset).toEqual({ from: 17, to: 17 });
  });

  it('leaves a model that is quantized already alone', async () => {
    const model = await loadModel(`${FIXTURES}/qdq_s8s8_sym_minmax.onnx`);
    const result = quantizeModel(model, new Map());
    expect(result.model).toBe(model);
    expect(result.report.alreadyQuantized).toBe(true);
  });
});
