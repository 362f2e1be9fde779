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
import { insertQuantization } from './insert.js';
import { type QuantizeOptions, type ResolvedOptions, resolveOptions } from './options.js';
import { RangeLookup } from './ranges.js';
import { type QuantizationReport, REASONS } from './report.js';

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
 * @param amax Largest absolute value of each tensor, by name, as a calibration table gives it.
 * @param options See {@link QuantizeOptions}.
 * @throws TensorRTError `TABLE_MISMATCH` when the table names no tensor of the model,
 *   `TABLE_INCOMPLETE` (listing the tensors) when ranges are missing, `MODEL_UNSUPPORTED` when an old
 *   operator set cannot be raised, `MODEL_INVALID` when the graph has a cycle.
 * @throws RangeError when an exclusion fits no node.
 */
export function quantizeModel(
  model: OnnxModel,
  amax: ReadonlyMap<string, number>,
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
  if (graphOf(model).node.some(({ opType }) => isQuantizationOperator(opType))) {
    return { model, report: { ...base, alreadyQuantized: true } };
  }
  const exclusions = new Exclusions(graphOf(model), resolved);
  const copy = editableCopy(model);
  const droppedInputs = dropDefaultInputs(copy);
  const foldedConstants = foldConstants(copy);
  const foldedBatchNormalization = resolved.foldBatchNormalization
    ? foldBatchNormalization(copy)
    : 0;
  const graph = graphOf(copy);
  const half = graph.initializer.some(({ dataType }) => dataType === DataType.FLOAT16);
  raiseOpset(copy, half ? OPSET.half : OPSET.float);
  const index = new GraphIndex(graph);
  const ranges = new RangeLookup(amax, graph, index);
  const { list, missing } = findCandidates(graph, index, ranges, resolved, exclusions);
  if (missing.length > 0) checkTable(copy, amax, index, missing, resolved);
  const untouched = countUntouched(copy, list);
  const tensors = insertQuantization(list, { graph, index, ranges, folder: model.folder });
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
