import type { GraphIndex, GraphProto, NodeProto } from '../onnx/index.js';
import { isStandardDomain } from '../onnx/index.js';

/** Operators with weights, whose int8 form is what quantization is for. */
const WEIGHTED = ['Conv', 'ConvTranspose', 'Gemm', 'MatMul'];

/** Operators whose result has the same elements as their first input. */
export const COPIES: readonly string[] = [
  ...['Reshape', 'Flatten', 'Transpose', 'Squeeze', 'Unsqueeze', 'Identity', 'Dropout'],
];

/** What fuses into the convolution before it, and so may lie between it and an Add. */
const FUSED = ['BatchNormalization', 'Relu', 'Clip'];

/** What may lie between a quantized operator and a pool that takes its int8 result. */
const POINTWISE = [
  ...FUSED,
  ...['Add', 'Mul', 'Sigmoid', 'HardSwish', 'HardSigmoid', 'LeakyRelu', 'MaxPool', 'Identity'],
];

/** Whether a node is a convolution or a matrix product. */
export function isWeighted(node: NodeProto): boolean {
  return WEIGHTED.includes(node.opType) && isStandardDomain(node.domain);
}

/** Where a node stands among the weighted ones. */
export interface Topology {
  /** No weighted node before it. */
  isFirst(node: NodeProto): boolean;
  /** No weighted node after it. */
  isLast(node: NodeProto): boolean;
  /** Length of the longest path from an input to the node that makes a tensor. */
  depth(tensor: string): number;
}

/** Looks through a sorted graph once in each direction. */
export function analyzeTopology(graph: GraphProto, index: GraphIndex): Topology {
  const before = new Set<NodeProto>();
  const after = new Set<NodeProto>();
  const depths = new Map<string, number>();
  for (const node of graph.node) {
    let depth = 0;
    for (const input of node.input) {
      depth = Math.max(depth, (depths.get(input) ?? 0) + 1);
      const producer = index.producer(input);
      if (producer && (isWeighted(producer) || before.has(producer))) before.add(node);
    }
    for (const output of node.output) depths.set(output, depth);
  }
  for (const node of [...graph.node].reverse()) {
    const readers = node.output.flatMap((output) => index.consumers(output));
    if (readers.some(({ node: n }) => isWeighted(n) || after.has(n))) after.add(node);
  }
  return {
    isFirst: (node) => !before.has(node),
    isLast: (node) => !after.has(node),
    depth: (tensor) => depths.get(tensor) ?? 0,
  };
}

/**
 * The convolution that an operand of an Add comes from, when nothing else reads what lies between:
 * only then can the runtime fuse the Add into it.
 */
export function backbone(tensor: string, index: GraphIndex): NodeProto | undefined {
  let name = tensor;
  for (;;) {
    if (index.soleConsumer(name) === undefined) return undefined;
    const node = index.producer(name);
    if (node === undefined || !isStandardDomain(node.domain)) return undefined;
    if (node.opType === 'Conv' || node.opType === 'ConvTranspose') return node;
    if (!FUSED.includes(node.opType)) return undefined;
    name = node.input[0]!;
  }
}

/** Whether a tensor comes from a node of `quantized` through pointwise operators alone. */
export function comesFrom(
  tensor: string,
  quantized: ReadonlySet<NodeProto>,
  index: GraphIndex,
  seen = new Set<string>(),
): boolean {
  if (seen.has(tensor)) return false;
  seen.add(tensor);
  const node = index.producer(tensor);
  if (node === undefined) return false;
  if (quantized.has(node)) return true;
  if (!POINTWISE.includes(node.opType)) return false;
  return node.input.some((input) => comesFrom(input, quantized, index, seen));
}

/** Whether a node of `quantized` reads a tensor, directly or through operators that only copy. */
export function goesTo(
  tensor: string,
  quantized: ReadonlySet<NodeProto>,
  index: GraphIndex,
): boolean {
  return index.consumers(tensor).some(({ node }) => {
    if (quantized.has(node)) return true;
    return COPIES.includes(node.opType) && goesTo(node.output[0]!, quantized, index);
  });
}
