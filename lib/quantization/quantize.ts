import { expected } from '../arguments.js';
import { defined } from '../defined.js';
import { TensorRTError } from '../errors.js';
import {
  TensorProto_DataType as DataType,
  dropDefaultInputs,
  editableCopy,
  foldBatchNormalization,
  foldConstants,
  GraphIndex,
  graphOf,
  isQuantizationOperator,
  type OnnxModel,
  opsetVersion,
  raiseOpset,
} from '../onnx/index.js';
import { type Candidate, findCandidates } from './candidates.js';
import { Exclusions } from './exclusions.js';
import { alreadyHalf, convertToFloat16, halve, isHalfModel } from './float16/convert.js';
import type { Float16Report } from './float16/report.js';
import { insertQuantization } from './insert.js';
import { type QuantizeOptions, type ResolvedOptions, resolveOptions } from './options.js';
import { RangeLookup } from './ranges.js';
import { type QuantizationReport, REASONS } from './report.js';
import { unstackWeights } from './single-matrices.js';

/** What {@link quantizeModel} returns. */
export interface QuantizeResult {
  /**
   * The quantized model; a new one, weights that stay float are shared with the original. Its `path`,
   * `folder` and `sha256` still tell which model it was made from.
   */
  model: OnnxModel;
  /** What was quantized, what was not, and why. */
  report: QuantizationReport;
}

/** Per-channel DequantizeLinear came with 13, float16 scales with 19. */
const OPSET = { float: 13, half: 19 };

/**
 * Writes INT8 quantization into a model: QuantizeLinear/DequantizeLinear around what the target runs
 * in int8, symmetric, activations per tensor from `amax`, weights per output channel from
 * themselves, biases float. BatchNormalization is folded first.
 *
 * @param model The float model; it is not changed. A model that holds quantization operators already
 *   comes back as it is.
 * @param amax Largest absolute value of each tensor, by name, as a calibration table gives it;
 *   `undefined` with `fp16`, when nothing is to become int8.
 * @param options See {@link QuantizeOptions}.
 * @throws TensorRTError `TABLE_MISMATCH` when the table names no tensor of the model,
 *   `TABLE_INCOMPLETE` (listing the tensors) when ranges are missing, `MODEL_UNSUPPORTED` when an old
 *   operator set cannot be raised, `MODEL_INVALID` when the graph has a cycle.
 * @throws TypeError or RangeError for a wrong option; an exclusion that fits no node is one.
 */
export function quantizeModel(
  model: OnnxModel,
  amax: ReadonlyMap<string, number> | undefined,
  options: QuantizeOptions = {},
): QuantizeResult {
  const resolved = resolveOptions(options);
  const from = opsetVersion(model.proto);
  const base = {
    target: resolved.target,
    alreadyQuantized: false,
    nodes: [],
    counts: {},
    untouched: {},
    tensors: [],
    missingRanges: [],
    foldedConstants: 0,
    foldedBatchNormalization: 0,
    droppedInputs: 0,
    opset: { from, to: from },
  };
  const { fp16 } = resolved;
  const alreadyQuantized = graphOf(model).node.some(({ opType }) => isQuantizationOperator(opType));
  if (amax === undefined && fp16 === undefined) {
    throw expected('amax', 'a Map of ranges (only fp16 needs none)', amax);
  }
  if (amax === undefined || alreadyQuantized) {
    if (fp16 === undefined) return { model, report: { ...base, alreadyQuantized } };
    const { foldBatchNormalization: fold } = resolved;
    const half = convertToFloat16(model, { ...fp16, foldBatchNormalization: fold });
    const opset = { from, to: opsetVersion(half.model.proto) };
    return {
      model: half.model,
      report: { ...base, alreadyQuantized, opset, float16: half.report },
    };
  }
  const exclusions = new Exclusions(graphOf(model), resolved);
  const floats = fp16 && new Exclusions(graphOf(model), fp16, 'fp16.');
  const copy = editableCopy(model);
  const droppedInputs = dropDefaultInputs(copy);
  const foldedConstants = foldConstants(copy);
  const foldedBatchNormalization = resolved.foldBatchNormalization
    ? foldBatchNormalization(copy)
    : 0;
  const graph = graphOf(copy);
  const half = graph.initializer.some(({ dataType }) => dataType === DataType.FLOAT16);
  unstackWeights(graph, copy.folder);
  raiseOpset(copy, half || fp16 !== undefined ? OPSET.half : OPSET.float);
  const index = new GraphIndex(graph);
  const ranges = new RangeLookup(amax, graph, index);
  const { list, missing } = findCandidates(graph, index, ranges, resolved, exclusions);
  if (missing.length > 0) checkTable(copy, amax, index, missing, resolved);
  const untouched = countUntouched(copy, list);
  const context = { graph, index, ranges, folder: model.folder };
  const tensors = insertQuantization(list, context, fp16 !== undefined);
  let float16: Float16Report | undefined;
  if (fp16 !== undefined) {
    float16 = isHalfModel(graphOf(model)) ? alreadyHalf() : halve(copy, floats!, fp16, amax);
  }
  const to = opsetVersion(copy.proto);
  return {
    model: copy,
    report: {
      ...base,
      ...describe(list),
      untouched,
      tensors,
      missingRanges: missing,
      foldedConstants,
      foldedBatchNormalization,
      droppedInputs,
      opset: { from, to },
      ...defined({ float16 }),
    },
  };
}

function some(names: readonly string[]): string {
  const shown = names.slice(0, 10).map((name) => `"${name}"`);
  return names.length > 10 ? `${shown.join(', ')} and ${names.length - 10} more` : shown.join(', ');
}

function checkTable(
  model: OnnxModel,
  amax: ReadonlyMap<string, number>,
  index: GraphIndex,
  missing: readonly string[],
  { missingRanges }: ResolvedOptions,
): void {
  const label = model.path ?? 'the model';
  const known = [...amax.keys()].filter(
    (name) => index.producer(name) !== undefined || index.isGraphInput(name),
  );
  if (known.length === 0) {
    throw new TensorRTError(
      'TABLE_MISMATCH',
      `The calibration table names no tensor of ${label}: it has ` +
        `${amax.size === 0 ? 'no entries' : some([...amax.keys()])}, and ${some(missing)} are needed`,
      { remedy: 'Use the table that was calibrated on this model, or calibrate again.' },
    );
  }
  if (missingRanges === 'float') return;
  throw new TensorRTError(
    'TABLE_INCOMPLETE',
    `The calibration table has no usable range for ${missing.length} tensor(s) of ${label}: ` +
      some(missing),
    {
      remedy: 'Calibrate again with this model, or leave the nodes that need them float.',
      detail: missing,
    },
  );
}

function describe(list: readonly Candidate[]): Pick<QuantizationReport, 'nodes' | 'counts'> {
  const counts: Record<string, { quantized: number; float: number }> = {};
  const nodes = list.map(({ node, reason, activation }) => {
    const quantized = activation !== undefined;
    counts[node.opType] ??= { quantized: 0, float: 0 };
    counts[node.opType]![quantized ? 'quantized' : 'float'] += 1;
    const name = node.name || node.output[0]!;
    return { name, opType: node.opType, quantized, reason, explanation: REASONS[reason] };
  });
  return { nodes, counts };
}

function countUntouched(model: OnnxModel, list: readonly Candidate[]): Record<string, number> {
  const candidates = new Set(list.map(({ node }) => node));
  const counts: Record<string, number> = {};
  for (const node of graphOf(model).node) {
    if (!candidates.has(node)) counts[node.opType] = (counts[node.opType] ?? 0) + 1;
  }
  return counts;
}
