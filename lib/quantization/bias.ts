import {
  createFloatTensor,
  createNode,
  floatAttribute,
  type GraphIndex,
  type GraphProto,
  intAttribute,
  type NodeProto,
  readFloats,
  readTensor,
  tensorDims,
} from '../onnx/index.js';
import type { Candidate } from './candidates.js';

interface Context {
  graph: GraphProto;
  index: GraphIndex;
  folder: string | undefined;
}

/**
 * Moves the bias of a convolution (or Gemm) whose result is quantized at once into an Add behind it.
 *
 * ONNX Runtime's default optimisation would otherwise turn the node into QLinearConv, whose kernel on
 * x64 without VNNI adds pairs of products in 16 bits and saturates: measured on the digits model, 86
 * instead of 99 of 100 images agree with float. TensorRT fuses the Add back (the engines of
 * TensorRT-RTX 1.7 have the same layers either way). A node without a bias gets one of zeros, since
 * it is the Add that keeps the two apart.
 *
 * @returns The Add that now makes the output of each node that was changed.
 */
export function separateBiases(
  candidates: readonly Candidate[],
  context: Context,
): ReadonlyMap<NodeProto, NodeProto> {
  const paired = new Set(
    candidates.flatMap(({ node, activation }) =>
      activation === undefined ? [] : [node.input[activation]!],
    ),
  );
  const separated = new Map<NodeProto, NodeProto>();
  for (const { node, weightAxis } of candidates) {
    if (weightAxis === undefined || !paired.has(node.output[0]!)) continue;
    const add = separate(node, context);
    if (add !== undefined) separated.set(node, add);
  }
  return separated;
}

/** Shape in which a bias broadcasts over the node's output. */
function biasDims(node: NodeProto, weightDims: readonly number[], channels: number): number[] {
  if (node.opType === 'Gemm' || node.opType === 'MatMul') return [channels];
  return [1, channels, ...weightDims.slice(2).map(() => 1)];
}

function separate(node: NodeProto, { graph, index, folder }: Context): NodeProto | undefined {
  const weight = index.constant(node.input[1]!)!;
  const dims = tensorDims(weight);
  const biasName = node.input[2] ?? '';
  const bias = biasName === '' ? undefined : index.constant(biasName);
  if (biasName !== '' && bias === undefined) return undefined;
  if (node.opType === 'Gemm' && floatAttribute(node, 'beta', 1) !== 1) return undefined;
  const channels = outputChannels(node, dims);
  // A damaged model may name any number of channels: no zeros are made on its word.
  if (bias === undefined && channels > readTensor(weight, folder).length) return undefined;
  const values = bias === undefined ? new Float32Array(channels) : readFloats(bias, folder);
  // A Gemm's bias may also be a matrix or a scalar.
  if (values.length !== channels) return undefined;
  const output = node.output[0]!;
  const inner = index.uniqueName(`${output}_without_bias`);
  const name = index.uniqueName(`${biasName || output}_broadcast`);
  const shape = biasDims(node, dims, channels);
  graph.initializer.push(createFloatTensor(name, weight.dataType, shape, values));
  node.input = node.input.slice(0, 2);
  node.output = [inner];
  const options = { name: index.uniqueName(`${node.name || output}_bias`) };
  return createNode('Add', [inner, name], [output], options);
}

function outputChannels(node: NodeProto, dims: readonly number[]): number {
  if (node.opType === 'Conv') return dims[0]!;
  if (node.opType === 'ConvTranspose') return dims[1]! * intAttribute(node, 'group', 1);
  return node.opType === 'Gemm' && intAttribute(node, 'transB', 0) !== 0 ? dims[0]! : dims[1]!;
}
