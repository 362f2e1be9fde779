import type { GraphIndex, GraphProto, NodeProto } from '../onnx/index.js';

/** A gate's branch is short; a longer walk back is some other product of two activations. */
const MAX_NODES = 32;

const POOLS = ['GlobalAveragePool', 'ReduceMean', 'GlobalMaxPool', 'AveragePool'];

/**
 * Walks back from a gate. All its paths must end at pools of the tensor that is gated: that is what
 * makes the product a squeeze-and-excite block.
 */
function branch(gate: string, gated: string, index: GraphIndex): Set<NodeProto> | undefined {
  const nodes = new Set<NodeProto>();
  const open = [gate];
  let pooled = false;
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (name === '' || index.initializer(name) !== undefined) continue;
    const node = index.producer(name);
    if (name === gated || node === undefined || nodes.size > MAX_NODES) return undefined;
    if (node.opType === 'Constant') continue;
    if (nodes.has(node)) continue;
    nodes.add(node);
    if (POOLS.includes(node.opType) && node.input[0] === gated) pooled = true;
    else open.push(...node.input);
  }
  return pooled ? nodes : undefined;
}

/** The nodes of all squeeze-and-excite blocks: pool, small convolutions, gate and the product. */
export function squeezeExciteNodes(graph: GraphProto, index: GraphIndex): Set<NodeProto> {
  const found = new Set<NodeProto>();
  for (const node of graph.node) {
    if (node.opType !== 'Mul' || node.input.length !== 2) continue;
    const [a, b] = node.input as [string, string];
    for (const [gated, gate] of [
      [a, b],
      [b, a],
    ] as const) {
      const nodes = branch(gate, gated, index);
      if (nodes === undefined) continue;
      found.add(node);
      for (const inner of nodes) found.add(inner);
    }
  }
  return found;
}
