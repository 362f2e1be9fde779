import { expect } from 'vitest';
import { encodeModel, graphOf, loadModel, type OnnxModel } from '../../lib/onnx/index.js';
import {
  convertToFloat16,
  type Float16Options,
  type Float16Report,
} from '../../lib/quantization/index.js';
import { GraphBuilder } from '../support/graph-builder.js';
import { meanCosine, outputs, randomInput } from '../support/onnxruntime.js';

export const DIMS = ['n', 3, 8, 8] as const;

/** Conv, whatever `build` puts behind it, Conv. */
export function around(
  build: (b: GraphBuilder, x: string) => string,
  options: { opset?: number; half?: boolean } = {},
): OnnxModel {
  const b = new GraphBuilder(options);
  const x = build(b, b.conv('input', 'first', 3, 8, 3));
  b.conv(x, 'last', 8, 4, 3);
  return b.finish(DIMS, ['n', 4, 8, 8]);
}

/** Reason by node. */
export const reasons = (report: Float16Report) =>
  Object.fromEntries(report.kept.map(({ name, reason }) => [name, reason]));
/** Operators in order. */
export const ops = (model: OnnxModel) => graphOf(model).node.map(({ opType }) => opType);
export const inputs = [1, 2].map((seed) => randomInput(seed, [1, 3, 8, 8]));

/** Converts, and checks that ONNX Runtime takes the result and agrees. */
export async function convert(model: OnnxModel, options: Float16Options = {}, least = 0.9999) {
  const before = encodeModel(model);
  const { model: half, report } = convertToFloat16(model, options);
  expect(Buffer.compare(encodeModel(model), before)).toBe(0);
  const bytes = encodeModel(half);
  const again = await loadModel(bytes);
  expect(Buffer.compare(encodeModel(again), bytes)).toBe(0);
  if (options.keepIo !== false) {
    const cosine = meanCosine(await outputs(model, inputs), await outputs(half, inputs));
    expect(cosine).toBeGreaterThan(least);
  }
  return { half, report };
}
