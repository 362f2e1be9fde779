import {
  TensorProto_DataType as DataType,
  dropDefaultInputs,
  editableCopy,
  elementTypes,
  foldBatchNormalization,
  foldConstants,
  GraphIndex,
  type GraphProto,
  graphOf,
  type NodeProto,
  type OnnxModel,
  opsetVersion,
  raiseOpset,
  retyped,
  shallowCopy,
  TensorProtoSchema,
} from '../../onnx/index.js';
import { Exclusions } from '../exclusions.js';
import { isWeighted } from '../topology.js';
import { dropIdleCasts } from './casts.js';
import { keptNodes } from './kept.js';
import { SCALED } from './operators.js';
import { type Float16Options, type ResolvedFloat16, resolveFloat16 } from './options.js';
import { FLOAT16_REASONS, type Float16Report } from './report.js';
import { Rewriter } from './rewrite.js';

/** What {@link convertToFloat16} returns. */
export interface Float16Result {
  /** The half-precision model; a new one, unless it was half precision already. */
  model: OnnxModel;
  /** What became float16, what did not, and why. */
  report: Float16Report;
}

/** QuantizeLinear and DequantizeLinear take float16 scales from this version on. */
const SCALES_OPSET = 19;

/** Whether the weights of a model are half precision already. */
export function isHalfModel(graph: GraphProto): boolean {
  const index = new GraphIndex(graph);
  let half = false;
  for (const node of graph.node) {
    if (!isWeighted(node)) continue;
    const type = index.constant(node.input[1] ?? '')?.dataType;
    if (type === DataType.FLOAT) return false;
    half ||= type === DataType.FLOAT16 || type === DataType.BFLOAT16;
  }
  return half;
}

/** Constant nodes as initialisers: one kind of constant is enough to convert. */
function liftConstants(graph: GraphProto): void {
  const index = new GraphIndex(graph);
  const lifted = (node: NodeProto) => {
    const value = node.opType === 'Constant' ? index.constant(node.output[0]!) : undefined;
    if (value?.dataType !== DataType.FLOAT) return false;
    const tensor = shallowCopy(TensorProtoSchema, value);
    tensor.name = node.output[0]!;
    graph.initializer.push(tensor);
    return true;
  };
  graph.node = graph.node.filter((node) => !lifted(node));
}

/**
 * Makes an editable, folded, sorted model half precision in place. The operator set must allow it.
 *
 * @param amax Largest absolute value of tensors, as far as it is known: what is beyond float16 stays
 *   float32.
 * @returns The report.
 */
export function halve(
  model: OnnxModel,
  exclusions: Exclusions,
  { keepIo }: Pick<ResolvedFloat16, 'keepIo'>,
  amax?: ReadonlyMap<string, number>,
): Float16Report {
  const graph = graphOf(model);
  liftConstants(graph);
  const index = new GraphIndex(graph);
  const types = elementTypes(graph);
  const context = { graph, index, types, folder: model.folder };
  const opset = opsetVersion(model.proto);
  const kept = keptNodes({ ...context, opset, exclusions, amax }, keepIo);
  const named = graph.node.map((node) => [node, node.name || node.output[0]!] as const);
  const before = graph.node.length;
  const rewriter = new Rewriter({ ...context, keepIo, isKept: (node) => kept.has(node) });
  rewriter.run();
  const inserted = graph.node.length - before;
  const widths = rewriter.widths();
  const update = (infos: GraphProto['input']) =>
    infos.map((info) =>
      widths.get(info.name) === DataType.FLOAT16 ? retyped(info, DataType.FLOAT16) : info,
    );
  graph.input = update(graph.input);
  graph.output = update(graph.output);
  graph.valueInfo = update(graph.valueInfo);
  const dropped = dropIdleCasts(graph);
  const half = (node: NodeProto) =>
    !kept.has(node) && node.output.some((name) => widths.get(name) === DataType.FLOAT16);
  return {
    alreadyHalf: false,
    io: keepIo ? 'float32' : 'float16',
    half: named.filter(([node]) => half(node)).length,
    kept: named.flatMap(([node, name]) => {
      const reason = kept.get(node);
      // Q/DQ that just go with what they scale are no news.
      const follows = reason === 'NEIGHBOUR' && SCALED.has(node.opType);
      if (reason === undefined || follows) return [];
      return [{ name, opType: node.opType, reason, explanation: FLOAT16_REASONS[reason] }];
    }),
    weights: rewriter.weights,
    inexact: rewriter.inexact,
    casts: inserted,
    droppedCasts: dropped,
  };
}

/** The report of a model that is left as it is. */
export function alreadyHalf(): Float16Report {
  return {
    alreadyHalf: true,
    io: 'float16',
    half: 0,
    kept: [],
    weights: 0,
    inexact: [],
    casts: 0,
    droppedCasts: 0,
  };
}

/**
 * Makes a float32 model half precision, for runtimes whose networks are strongly typed (TensorRT 11,
 * TensorRT-RTX: they have no FP16 flag). Weights and activations become float16; what loses too much
 * in it stays float32 behind Casts (see {@link FLOAT16_REASONS}), and so do the model's inputs and
 * outputs unless told otherwise. Finite weights beyond ±65,504 become ±65,504. Constants and
 * BatchNormalization are folded first. In a model with QuantizeLinear and DequantizeLinear the scales
 * become float16, too.
 *
 * @param model The float32 model; it is not changed. A model with half-precision weights comes back
 *   as it is.
 * @param options See {@link Float16Options}.
 * @throws TensorRTError `MODEL_UNSUPPORTED` when an old operator set cannot be raised to the 19 that
 *   float16 scales need, `MODEL_INVALID` when the graph has a cycle.
 * @throws RangeError when an exclusion fits no node.
 */
export function convertToFloat16(model: OnnxModel, options: Float16Options = {}): Float16Result {
  const resolved = resolveFloat16(options);
  const exclusions = new Exclusions(graphOf(model), resolved);
  if (isHalfModel(graphOf(model))) return { model, report: alreadyHalf() };
  const copy = editableCopy(model);
  dropDefaultInputs(copy);
  foldConstants(copy);
  if (resolved.foldBatchNormalization) foldBatchNormalization(copy);
  if (graphOf(copy).node.some(({ opType }) => SCALED.has(opType))) raiseOpset(copy, SCALES_OPSET);
  return { model: copy, report: halve(copy, exclusions, resolved) };
}
