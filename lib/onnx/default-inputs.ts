import type { OnnxModel } from './model.js';
import { graphOf } from './model.js';

/**
 * Makes weights that older exporters also list as graph inputs into plain initialisers: as inputs
 * they could change from run to run, and nothing could be folded or quantized.
 *
 * @param model An editable copy; it is changed.
 * @returns How many inputs were dropped.
 */
export function dropDefaultInputs(model: OnnxModel): number {
  const graph = graphOf(model);
  const initializers = new Set(graph.initializer.map(({ name }) => name));
  const inputs = graph.input.filter(({ name }) => !initializers.has(name));
  const dropped = graph.input.length - inputs.length;
  graph.input = inputs;
  // Up to IR version 3 every initialiser had to be listed as an input.
  if (dropped > 0 && model.proto.irVersion < 4n) model.proto.irVersion = 4n;
  return dropped;
}
