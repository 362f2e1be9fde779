import type { GraphProto, NodeProto } from './generated/onnx_pb.js';

function captureGraph(graph: GraphProto, captured: Set<string>): void {
  const own = new Set<string>(['']);
  for (const input of graph.input) own.add(input.name);
  for (const tensor of graph.initializer) own.add(tensor.name);
  for (const sparse of graph.sparseInitializer) own.add(sparse.values?.name ?? '');
  for (const node of graph.node) for (const output of node.output) own.add(output);
  for (const node of graph.node) {
    for (const input of node.input) if (!own.has(input)) captured.add(input);
    for (const name of capturedNames(node)) if (!own.has(name)) captured.add(name);
  }
  for (const output of graph.output) if (!own.has(output.name)) captured.add(output.name);
}

/** Tensors of the enclosing graph that the bodies of a control-flow node (If, Loop, Scan) read. */
export function capturedNames(node: NodeProto): Set<string> {
  const captured = new Set<string>();
  for (const attribute of node.attribute) {
    if (attribute.g !== undefined) captureGraph(attribute.g, captured);
    for (const graph of attribute.graphs) captureGraph(graph, captured);
  }
  return captured;
}
