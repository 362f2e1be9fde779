import {
  floatAttribute,
  type GraphIndex,
  isStandardDomain,
  type NodeProto,
  type OnnxModel,
  opsetVersion,
  readFloats,
} from '../../onnx/index.js';
import type { ObservedTensor } from './observed-tensors.js';

/**
 * How the range of a tensor follows from others': the union of the sources' ranges, clamped. Exact,
 * because these operators only pass values on, or clamp them.
 */
export interface Derivation {
  /** Tensors whose ranges are joined. */
  readonly sources: readonly string[];
  /** Values below become this. */
  readonly lower: number;
  /** Values above become this. */
  readonly upper: number;
}

/** Operators whose first output has exactly the elements of the first input, in whatever order. */
const COPIES = new Set([
  ...['Identity', 'Flatten', 'Reshape', 'Squeeze', 'Unsqueeze', 'Transpose'],
  ...['DepthToSpace', 'SpaceToDepth'],
]);

const LARGEST = { float32: 3.4028234663852886e38, float16: 65504 } as const;

function clipDerivation(
  node: NodeProto,
  tensor: ObservedTensor,
  index: GraphIndex,
  model: OnnxModel,
): Derivation | undefined {
  // What is not given is the type's own limit: infinity does not pass a Clip.
  const limit = LARGEST[tensor.type];
  const bounds = [-limit, limit];
  if (opsetVersion(model.proto) < 11) {
    bounds[0] = floatAttribute(node, 'min', -limit);
    bounds[1] = floatAttribute(node, 'max', limit);
  } else {
    for (const [i, name] of node.input.slice(1, 3).entries()) {
      if (name === '') continue;
      const constant = index.constant(name);
      if (constant === undefined) return undefined;
      const value = readFloats(constant, model.folder)[0];
      if (value === undefined) return undefined;
      bounds[i] = value;
    }
  }
  const [lower, upper] = bounds as [number, number];
  if (Number.isNaN(lower) || Number.isNaN(upper)) return undefined;
  return { sources: [node.input[0]!], lower, upper };
}

/** Dropout passes its input on, unless it is told that it is in training. */
function isInferenceDropout(node: NodeProto): boolean {
  return node.opType === 'Dropout' && (node.input[2] ?? '') === '';
}

/**
 * How the range of `tensor` follows from the ranges of other observed tensors; `undefined` when it
 * must be measured.
 *
 * @param tensor The tensor.
 * @param index Index of the model's graph.
 * @param model The model, for constants and the operator set.
 * @param isObserved Whether the range of a tensor of that name will be known.
 */
export function derivationOf(
  tensor: ObservedTensor,
  index: GraphIndex,
  model: OnnxModel,
  isObserved: (name: string) => boolean,
): Derivation | undefined {
  const node = index.producer(tensor.name);
  if (node === undefined || !isStandardDomain(node.domain) || node.output[0] !== tensor.name) {
    return undefined;
  }
  const unclamped = { lower: Number.NEGATIVE_INFINITY, upper: Number.POSITIVE_INFINITY };
  const [source] = node.input;
  let derivation: Derivation | undefined;
  if (node.opType === 'Concat') derivation = { sources: [...node.input], ...unclamped };
  else if (source === undefined) return undefined;
  else if (COPIES.has(node.opType) || isInferenceDropout(node)) {
    derivation = { sources: [source], ...unclamped };
  } else if (node.opType === 'Relu') {
    derivation = { sources: [source], lower: 0, upper: Number.POSITIVE_INFINITY };
  } else if (node.opType === 'Clip') {
    derivation = clipDerivation(node, tensor, index, model);
  }
  return derivation?.sources.every(isObserved) ? derivation : undefined;
}
