import {
  TensorProto_DataType as DataType,
  type GraphIndex,
  type GraphProto,
  intAttribute,
  isStandardDomain,
  type NodeProto,
  tensorDims,
} from '../onnx/index.js';
import type { Exclusions } from './exclusions.js';
import type { ResolvedOptions } from './options.js';
import type { RangeLookup } from './ranges.js';
import type { QuantizationReason } from './report.js';
import { squeezeExciteNodes } from './squeeze-excite.js';
import {
  analyzeTopology,
  backbone,
  comesFrom,
  goesTo,
  isWeighted,
  type Topology,
} from './topology.js';

/** A node that could be quantized, and what is to be done about it. */
export interface Candidate {
  node: NodeProto;
  /** Why it is quantized, or why not. */
  reason: QuantizationReason;
  /** Position of the input that gets a Q/DQ pair; absent when the node stays float. */
  activation?: number;
  /** Axis of the output channels of the weights at input 1; absent when there are none. */
  weightAxis?: number;
}

/** What {@link findCandidates} found. */
export interface Candidates {
  /** In graph order. */
  list: readonly Candidate[];
  /** Tensors that need a range and have none. */
  missing: readonly string[];
}

const POOLS = ['AveragePool', 'GlobalAveragePool'];

/** Kernels handle channels in groups of this many; below it most of the work is padding. */
const MIN_CHANNELS = 16;

interface Context {
  graph: GraphProto;
  index: GraphIndex;
  options: ResolvedOptions;
  ranges: RangeLookup;
  topology: Topology;
  squeezeExcite: ReadonlySet<NodeProto>;
  exclusions: Exclusions;
}

/**
 * Chooses what to quantize. The rules are those of TensorRT's explicit quantization: int8 inputs and
 * weights of convolutions and linear layers, the residual branch of Adds, the inputs of average
 * pools between them, and nothing that fuses (activations, normalization) or commutes (MaxPool,
 * Concat, reshapes).
 *
 * @param graph Sorted, folded graph.
 */
export function findCandidates(
  graph: GraphProto,
  index: GraphIndex,
  ranges: RangeLookup,
  options: ResolvedOptions,
  exclusions: Exclusions,
): Candidates {
  const context: Context = {
    graph,
    index,
    options,
    ranges,
    topology: analyzeTopology(graph, index),
    squeezeExcite: squeezeExciteNodes(graph, index),
    exclusions,
  };
  const decided = new Map<NodeProto, Candidate>();
  const quantized = new Set<NodeProto>();
  const missing = new Set<string>();
  const decide = (node: NodeProto, candidate: Omit<Candidate, 'node'> | undefined) => {
    if (candidate === undefined) return;
    const tensor = candidate.activation === undefined ? '' : node.input[candidate.activation]!;
    const lacking = tensor !== '' && ranges.get(tensor) === undefined;
    if (lacking) missing.add(tensor);
    if (lacking && options.missingRanges === 'float') {
      decided.set(node, { node, reason: 'RANGE_MISSING' });
      return;
    }
    decided.set(node, { node, ...candidate });
    if (candidate.activation !== undefined) quantized.add(node);
  };
  for (const node of graph.node) {
    if (isWeighted(node)) decide(node, weighted(node, context));
  }
  for (const node of graph.node) {
    if (node.opType === 'Add' && isStandardDomain(node.domain)) {
      decide(node, residual(node, context, quantized));
    }
  }
  const pools = graph.node.filter((n) => POOLS.includes(n.opType) && isStandardDomain(n.domain));
  // Twice: a pool can be the neighbour of another.
  for (const node of [...pools, ...pools]) decide(node, pool(node, context, quantized));
  const list = graph.node.map((node) => decided.get(node)).filter((c) => c !== undefined);
  return { list, missing: [...missing] };
}

/** Axis of the output channels, or why the weights cannot be quantized. */
function weightAxis(node: NodeProto, index: GraphIndex): number | QuantizationReason {
  const name = node.input[1] ?? '';
  const weight = index.constant(name);
  if (weight === undefined) {
    return node.opType === 'MatMul' ? 'ATTENTION' : 'WEIGHTS_NOT_CONSTANT';
  }
  if (weight.dataType !== DataType.FLOAT && weight.dataType !== DataType.FLOAT16) {
    return 'WEIGHTS_TYPE';
  }
  const dims = tensorDims(weight);
  if (dims.includes(0)) return 'WEIGHTS_SHAPE';
  if (node.opType === 'Conv') return dims.length > 2 ? 0 : 'WEIGHTS_SHAPE';
  if (node.opType === 'ConvTranspose') return dims.length > 2 ? 1 : 'WEIGHTS_SHAPE';
  if (dims.length !== 2) return 'WEIGHTS_SHAPE';
  return node.opType === 'Gemm' && intAttribute(node, 'transB', 0) !== 0 ? 0 : 1;
}

/** Input and output channels of a convolution, over all groups. */
function channels(node: NodeProto, index: GraphIndex): { input: number; output: number } {
  const dims = tensorDims(index.constant(node.input[1]!)!);
  const group = intAttribute(node, 'group', 1);
  return node.opType === 'Conv'
    ? { input: dims[1]! * group, output: dims[0]! }
    : { input: dims[0]!, output: dims[1]! * group };
}

function weighted(node: NodeProto, context: Context): Omit<Candidate, 'node'> {
  const { index, options, topology } = context;
  if (context.exclusions.covers(node)) return { reason: 'EXCLUDED' };
  const axis = weightAxis(node, index);
  if (typeof axis !== 'number') return { reason: axis };
  if (index.constant(node.input[0]!) !== undefined) return { reason: 'WEIGHTS_NOT_CONSTANT' };
  if (context.squeezeExcite.has(node)) return { reason: 'SQUEEZE_EXCITE' };
  if (node.opType === 'Gemm' || node.opType === 'MatMul') {
    if (topology.isLast(node) && !options.lastGemm) return { reason: 'LAST_GEMM' };
    return { reason: 'WEIGHTS', activation: 0, weightAxis: axis };
  }
  const { input, output } = channels(node, index);
  const rtx = options.target === 'tensorrt-rtx';
  if (rtx && node.opType === 'ConvTranspose') return { reason: 'TRANSPOSED_ON_RTX' };
  const group = intAttribute(node, 'group', 1);
  if (rtx && group > 1 && group === input) return { reason: 'DEPTHWISE_ON_RTX' };
  const padded = Math.min(input, output) < MIN_CHANNELS;
  const aligned = Math.max(input, output) >= MIN_CHANNELS && input % 8 === 0 && output % 8 === 0;
  if (padded && !aligned && !topology.isFirst(node) && options.target !== 'onnxruntime') {
    return { reason: 'FEW_CHANNELS' };
  }
  return { reason: 'WEIGHTS', activation: 0, weightAxis: axis };
}

function residual(
  node: NodeProto,
  { index, topology, exclusions, squeezeExcite }: Context,
  quantized: ReadonlySet<NodeProto>,
): Omit<Candidate, 'node'> | undefined {
  // Adding a constant is a bias.
  if (node.input.some((name) => index.constant(name) !== undefined)) return undefined;
  if (exclusions.covers(node)) return { reason: 'EXCLUDED' };
  if (squeezeExcite.has(node)) return { reason: 'SQUEEZE_EXCITE' };
  const usable = node.input.map((name) => {
    const convolution = backbone(name, index);
    return convolution !== undefined && quantized.has(convolution);
  });
  if (!usable.includes(true)) return { reason: 'NO_CONVOLUTION' };
  const [first, second] = node.input.map((name) => topology.depth(name)) as [number, number];
  // Of two convolutions the later one carries on; the other is the downsample.
  const main = usable[0] && usable[1] ? (first > second ? 0 : 1) : usable.indexOf(true);
  return { reason: 'RESIDUAL', activation: 1 - main };
}

function pool(
  node: NodeProto,
  { index, options, exclusions, squeezeExcite }: Context,
  quantized: ReadonlySet<NodeProto>,
): Omit<Candidate, 'node'> {
  if (exclusions.covers(node)) return { reason: 'EXCLUDED' };
  if (squeezeExcite.has(node)) return { reason: 'SQUEEZE_EXCITE' };
  if (options.target === 'tensorrt-rtx') return { reason: 'POOL_ON_RTX' };
  const input = node.input[0]!;
  const near =
    comesFrom(input, quantized, index) ||
    index.consumers(input).some((c) => c.node !== node && quantized.has(c.node)) ||
    goesTo(node.output[0]!, quantized, index);
  return near ? { reason: 'POOL', activation: 0 } : { reason: 'NO_NEIGHBOUR' };
}
