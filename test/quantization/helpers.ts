import { graphOf, type OnnxModel } from '../../lib/onnx/index.js';
import {
  type QuantizationReport,
  type QuantizeOptions,
  quantizeModel,
} from '../../lib/quantization/index.js';

/** A range of 2 for every tensor of a model, with exceptions. */
export function ranges(
  model: OnnxModel,
  exceptions: Record<string, number> = {},
): Map<string, number> {
  const graph = graphOf(model);
  const names = [...graph.input.map(({ name }) => name), ...graph.node.flatMap((n) => n.output)];
  return new Map(names.map((name) => [name, exceptions[name] ?? 2]));
}

export function quantize(model: OnnxModel, options: QuantizeOptions = {}) {
  return quantizeModel(model, ranges(model), options);
}

/** Reason by node. */
export const reasons = (report: QuantizationReport) =>
  Object.fromEntries(report.nodes.map(({ name, reason }) => [name, reason]));

/** Reason of the Conv at a path. */
export const conv = (report: QuantizationReport, path: string) => reasons(report)[`/${path}/Conv`];
