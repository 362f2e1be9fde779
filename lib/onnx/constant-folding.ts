import { evaluateConstant, isFoldable } from './constant-operators.js';
import type { GraphProto, NodeProto, TensorProto } from './generated/onnx_pb.js';
import { GraphIndex, isStandardDomain } from './graph-index.js';
import { graphOf, type OnnxModel } from './model.js';
import { opsetVersion } from './opset.js';
import { topologicalSort } from './topological-sort.js';

/**
 * Replaces what can be computed now by initialisers: shapes put together from constants, transposed
 * or cast weights, the arithmetic of a decomposed BatchNormalization. Nodes are sorted on the way.
 *
 * @param model An editable copy; it is changed.
 * @returns How many nodes were replaced.
 * @throws TensorRTError `MODEL_INVALID` when the graph has a cycle.
 */
export function foldConstants(model: OnnxModel): number {
  const graph = graphOf(model);
  graph.node = topologicalSort(graph);
  const index = new GraphIndex(graph);
  const opset = opsetVersion(model.proto);
  const folded = new Map<string, TensorProto>();
  const value = (name: string) => folded.get(name) ?? index.constant(name);
  const kept: NodeProto[] = [];
  for (const node of graph.node) {
    const result = fold(node, value, index, { folder: model.folder, opset });
    if (result === undefined) kept.push(node);
    else folded.set(node.output[0]!, result);
  }
  if (folded.size > 0) {
    graph.node = kept;
    graph.initializer.push(...folded.values());
    removeUnused(graph);
  }
  return folded.size;
}

function fold(
  node: NodeProto,
  value: (name: string) => TensorProto | undefined,
  index: GraphIndex,
  given: { folder: string | undefined; opset: number },
): TensorProto | undefined {
  if (!isFoldable(node.opType) || !isStandardDomain(node.domain)) return undefined;
  const name = node.output[0];
  if (node.output.length !== 1 || name === undefined || index.isGraphOutput(name)) return undefined;
  const inputs = node.input.map((input) => (input === '' ? undefined : value(input)));
  if (node.input.length === 0 || node.input.some((input, i) => input !== '' && !inputs[i])) {
    return undefined;
  }
  return evaluateConstant(node, { inputs, ...given }, name);
}

/** Drops initialisers, Constant nodes and notes on tensors that nothing reads any more. */
export function removeUnused(graph: GraphProto): void {
  const index = new GraphIndex(graph);
  const used = (name: string) => index.consumers(name).length > 0 || index.isGraphOutput(name);
  graph.node = graph.node.filter((node) => node.opType !== 'Constant' || node.output.some(used));
  // An initialiser that is also a graph input stays: callers may feed it.
  graph.initializer = graph.initializer.filter(
    ({ name }) => used(name) || index.isGraphInput(name),
  );
  const left = new GraphIndex(graph);
  graph.valueInfo = graph.valueInfo.filter(({ name }) => left.producer(name) !== undefined);
}
