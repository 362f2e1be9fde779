import { floatAttribute, intAttribute } from './attributes.js';
import { removeUnused } from './constant-folding.js';
import { tensorDims } from './data-types.js';
import type { NodeProto, TensorProto } from './generated/onnx_pb.js';
import { GraphIndex, isStandardDomain } from './graph-index.js';
import { graphOf, type OnnxModel } from './model.js';
import { createFloatTensor, isFloatType, readFloats } from './tensors.js';

/** Per output channel: y = x * scale + shift. */
interface Affine {
  scale: Float64Array;
  shift: Float64Array;
}

function channelsOf(conv: NodeProto, weight: TensorProto): number {
  const dims = tensorDims(weight);
  return conv.opType === 'Conv' ? dims[0]! : dims[1]! * intAttribute(conv, 'group', 1);
}

/** BatchNormalization in inference mode with constant parameters, as an affine map. */
function normalization(
  node: NodeProto,
  index: GraphIndex,
  channels: number,
  folder: string | undefined,
): Affine | undefined {
  if (node.output.slice(1).some((name) => name !== '')) return undefined;
  if (intAttribute(node, 'training_mode', 0) !== 0) return undefined;
  const parameters = node.input.slice(1, 5).map((name) => index.constant(name));
  if (
    parameters.length < 4 ||
    parameters.some((p) => p === undefined || !isFloatType(p.dataType))
  ) {
    return undefined;
  }
  const [gamma, beta, mean, variance] = parameters.map((p) => readFloats(p!, folder));
  if (gamma!.length !== channels) return undefined;
  const epsilon = floatAttribute(node, 'epsilon', 1e-5);
  const scale = Float64Array.from(gamma!, (g, c) => g / Math.sqrt(variance![c]! + epsilon));
  const shift = Float64Array.from(beta!, (b, c) => b - mean![c]! * scale[c]!);
  return { scale, shift };
}

/** Values per channel of a constant that broadcasts over [N, C, spatial…]; otherwise `undefined`. */
function perChannel(
  tensor: TensorProto | undefined,
  channels: number,
  rank: number,
  folder: string | undefined,
): Float64Array | undefined {
  if (tensor === undefined || !isFloatType(tensor.dataType)) return undefined;
  const dims = tensorDims(tensor);
  if (dims.length > rank) return undefined;
  const padded = [...Array<number>(rank - dims.length).fill(1), ...dims];
  if (padded.some((dim, axis) => dim !== 1 && !(axis === 1 && dim === channels))) return undefined;
  const values = readFloats(tensor, folder);
  return Float64Array.from({ length: channels }, (_, c) => values[values.length === 1 ? 0 : c]!);
}

/** Mul, Div, Add or Sub with a constant per channel, as a decomposed BatchNormalization leaves it. */
function arithmetic(
  node: NodeProto,
  index: GraphIndex,
  at: number,
  channels: number,
  rank: number,
  folder: string | undefined,
): Affine | undefined {
  const other = perChannel(index.constant(node.input[1 - at] ?? ''), channels, rank, folder);
  if (other === undefined) return undefined;
  const same = (value: number) => new Float64Array(channels).fill(value);
  if (node.opType === 'Add') return { scale: same(1), shift: other };
  if (node.opType === 'Sub') {
    return at === 0
      ? { scale: same(1), shift: other.map((x) => -x) }
      : { scale: same(-1), shift: other };
  }
  if (node.opType === 'Mul') return { scale: other, shift: same(0) };
  return at === 0 ? { scale: other.map((x) => 1 / x), shift: same(0) } : undefined;
}

function affineAfter(
  conv: NodeProto,
  weight: TensorProto,
  index: GraphIndex,
  folder: string | undefined,
): { node: NodeProto; affine: Affine } | undefined {
  const next = index.soleConsumer(conv.output[0] ?? '');
  if (next === undefined || !isStandardDomain(next.node.domain)) return undefined;
  const { node } = next;
  const channels = channelsOf(conv, weight);
  if (node.opType === 'BatchNormalization' && next.index === 0) {
    const affine = normalization(node, index, channels, folder);
    return affine && { node, affine };
  }
  if (!['Add', 'Sub', 'Mul', 'Div'].includes(node.opType)) return undefined;
  const affine = arithmetic(node, index, next.index, channels, weight.dims.length, folder);
  return affine && { node, affine };
}

function scaled(
  conv: NodeProto,
  weight: TensorProto,
  scale: Float64Array,
  folder: string | undefined,
): Float64Array {
  const values = Float64Array.from(readFloats(weight, folder));
  const dims = tensorDims(weight);
  const inner = dims.slice(2).reduce((product, dim) => product * dim, 1);
  const groupInputs = dims[0]! / intAttribute(conv, 'group', 1);
  for (let i = 0; i < values.length; i += 1) {
    const row = Math.floor(i / (inner * dims[1]!));
    const column = Math.floor(i / inner) % dims[1]!;
    // A transposed convolution holds [inputs, outputs of a group, …], group after group.
    const channel =
      conv.opType === 'Conv' ? row : Math.floor(row / groupInputs) * dims[1]! + column;
    values[i]! *= scale[channel]!;
  }
  return values;
}

/**
 * Folds BatchNormalization, and constant Mul, Div, Add and Sub per channel, into the Conv or
 * ConvTranspose before it, when nothing else reads the convolution's output. The convolution takes
 * over the output's name, so that a table calibrated on the model as it was still fits.
 * Computed in float64 and rounded once.
 *
 * @param model An editable copy; it is changed. Call {@link foldConstants} first.
 * @returns How many nodes were folded away.
 */
export function foldBatchNormalization(model: OnnxModel): number {
  const graph = graphOf(model);
  let folded = 0;
  // Each pass can fold one node behind each convolution; chains take one pass a link.
  for (;;) {
    const index = new GraphIndex(graph);
    const gone = new Set<NodeProto>();
    for (const conv of graph.node) {
      if (conv.opType !== 'Conv' && conv.opType !== 'ConvTranspose') continue;
      if (!isStandardDomain(conv.domain)) continue;
      if (foldInto(conv, index, model, gone)) folded += 1;
    }
    if (gone.size === 0) return folded;
    graph.node = graph.node.filter((node) => !gone.has(node));
    removeUnused(graph);
  }
}

function foldInto(
  conv: NodeProto,
  index: GraphIndex,
  model: OnnxModel,
  gone: Set<NodeProto>,
): boolean {
  const weight = index.constant(conv.input[1] ?? '');
  if (weight === undefined || !isFloatType(weight.dataType)) return false;
  const biasName = conv.input[2] ?? '';
  const bias = biasName === '' ? undefined : index.constant(biasName);
  if (biasName !== '' && bias === undefined) return false;
  const found = affineAfter(conv, weight, index, model.folder);
  if (found === undefined) return false;
  const { scale, shift } = found.affine;
  if (!scale.every(Number.isFinite) || !shift.every(Number.isFinite)) return false;
  const old = bias === undefined ? undefined : readFloats(bias, model.folder);
  const newBias = shift.map((s, c) => s + (old === undefined ? 0 : old[c]! * scale[c]!));
  const weightName = index.uniqueName(`${conv.input[1]}_folded`);
  const newBiasName = index.uniqueName(
    biasName === '' ? `${weightName}_bias` : `${biasName}_folded`,
  );
  const type = weight.dataType;
  graphOf(model).initializer.push(
    createFloatTensor(
      weightName,
      type,
      tensorDims(weight),
      scaled(conv, weight, scale, model.folder),
    ),
    createFloatTensor(newBiasName, type, [newBias.length], newBias),
  );
  conv.input = [conv.input[0]!, weightName, newBiasName];
  conv.output = [found.node.output[0]!];
  gone.add(found.node);
  return true;
}
