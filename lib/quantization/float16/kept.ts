import {
  capturedNames,
  TensorProto_DataType as DataType,
  elementCount,
  type GraphIndex,
  type GraphProto,
  intsAttribute,
  isFloatType,
  isStandardDomain,
  type NodeProto,
  readFloats,
  readIntegers,
  type TensorProto,
} from '../../onnx/index.js';
import type { Exclusions } from '../exclusions.js';
import { allowsHalf, MOVERS, POINTWISE, PRECISE } from './operators.js';
import type { Float16Reason } from './report.js';

/** Largest finite float16. */
export const MAX_HALF = 65504;

/** Smallest float16 with all of its digits. */
export const MIN_NORMAL_HALF = 2 ** -14;

/** What the decisions are made from. */
export interface KeptContext {
  graph: GraphProto;
  index: GraphIndex;
  types: ReadonlyMap<string, number>;
  opset: number;
  exclusions: Exclusions;
  folder: string | undefined;
  /** Largest absolute value of tensors, where a calibration has measured them. */
  amax?: ReadonlyMap<string, number> | undefined;
}

/** Pointwise operators for which a constant beyond float16 means "as large as can be". */
const LIMITS = ['Clip', 'Where', 'Max', 'Min', 'Add', 'Sub'];

/** A constant operand that would not mean the same in float16. */
function losesConstant(node: NodeProto, tensor: TensorProto, folder: string | undefined): boolean {
  if (tensor.dataType !== DataType.FLOAT || !POINTWISE.has(node.opType)) return false;
  const values = readFloats(tensor, folder);
  let tiny = 0;
  for (const value of values) {
    const magnitude = Math.abs(value);
    if (magnitude > MAX_HALF && magnitude < Number.POSITIVE_INFINITY) {
      if (!LIMITS.includes(node.opType)) return true;
    } else if (magnitude !== 0 && magnitude < MIN_NORMAL_HALF) tiny += 1;
  }
  return tiny > 0 && tiny * 2 >= elementCount(tensor);
}

/** x·x that is summed: the square of a variance that is written without Pow. */
function isSummedSquare(node: NodeProto, index: GraphIndex): boolean {
  if (node.opType !== 'Mul' || node.input[0] !== node.input[1]) return false;
  return index.consumers(node.output[0]!).some(({ node: reader }) => PRECISE.has(reader.opType));
}

/** A mean over two axes at the end, or in the middle, of four is a pool; that of squares is not. */
function isPool(node: NodeProto, { index, folder }: KeptContext): boolean {
  const source = index.producer(node.input[0]!);
  if (node.opType !== 'ReduceMean' || source?.opType === 'Pow') return false;
  if (source !== undefined && isSummedSquare(source, index)) return false;
  const given = index.constant(node.input[1] ?? '');
  const axes = given === undefined ? intsAttribute(node, 'axes') : readIntegers(given, folder);
  const sorted = axes?.map((axis) => (axis < 0 ? axis + 4 : axis)).sort();
  return sorted?.length === 2 && ['2,3', '1,2'].includes(sorted.join(','));
}

function reasonOf(node: NodeProto, context: KeptContext): Float16Reason | undefined {
  const { index, types, opset, exclusions } = context;
  if (exclusions.covers(node)) return 'EXCLUDED';
  if (node.attribute.some(({ g, graphs }) => g !== undefined || graphs.length > 0)) {
    return 'SUBGRAPH';
  }
  const allowed = isStandardDomain(node.domain) ? allowsHalf(node.opType, opset) : undefined;
  if (allowed === undefined) return 'UNKNOWN';
  if (!allowed) return 'OPERATOR';
  const known = (name: string) => name === '' || types.has(name);
  if (!node.input.every(known) || !node.output.every(known)) return 'UNKNOWN';
  const overflows = (name: string) => (context.amax?.get(name) ?? 0) > MAX_HALF;
  if ([...node.input, ...node.output].some(overflows)) return 'RANGE';
  // Int32 behind a DequantizeLinear is a bias, whose scale is too small for float16.
  const source = types.get(node.input[0] ?? '');
  if (node.opType === 'DequantizeLinear' && source === DataType.INT32) return 'RANGE';
  if (node.opType === 'Cast' && !isFloatType(source ?? DataType.FLOAT)) return 'INTEGER';
  if (PRECISE.has(node.opType) && !isPool(node, context)) return 'PRECISION';
  if (isSummedSquare(node, index)) return 'PRECISION';
  const constants = node.input.map((name) => index.constant(name));
  if (constants.some((tensor) => tensor && losesConstant(node, tensor, context.folder))) {
    return 'RANGE';
  }
  return undefined;
}

/**
 * The last two steps of a normalization, which are safe in float16. ONNX Runtime fuses a normalization
 * in float32 with scale and shift in float16, and makes an invalid node when those are float32, too.
 */
function isScaleOrShift(node: NodeProto, index: GraphIndex): boolean {
  if (node.opType !== 'Mul' && node.opType !== 'Add') return false;
  return node.input.some((name) => (index.constant(name)?.dims.length ?? 0) > 0);
}

/** Whether a node reads or makes float32 (a body of it counts as reading everything it captures). */
function touchesFloat(node: NodeProto, types: ReadonlyMap<string, number>): boolean {
  const float = (name: string) =>
    name !== '' && (types.get(name) ?? DataType.FLOAT) === DataType.FLOAT;
  if (node.opType === 'Constant') return false;
  // What reads any width and makes no float has nothing to be converted.
  if (['Cast', 'Shape', 'Size'].includes(node.opType)) return node.output.some(float);
  return [...node.input, ...node.output, ...capturedNames(node)].some(float);
}

/**
 * The nodes that stay float32, and why: those that must, and those beside them for which a pair of
 * conversions would cost more than the wider type.
 *
 * @param inputsStay Whether the graph's inputs stay float32.
 */
export function keptNodes(
  context: KeptContext,
  inputsStay: boolean,
): ReadonlyMap<NodeProto, Float16Reason> {
  const { graph, index, types } = context;
  const kept = new Map<NodeProto, Float16Reason>();
  const nodes = new Set(graph.node.filter((node) => touchesFloat(node, types)));
  for (const node of nodes) {
    const reason = reasonOf(node, context);
    if (reason !== undefined) kept.set(node, reason);
  }
  const isFloat = (name: string) => types.get(name) === DataType.FLOAT;
  const variable = (node: NodeProto) =>
    node.input.filter((name) => isFloat(name) && index.constant(name) === undefined);
  const consumers = (node: NodeProto) =>
    node.output.filter(isFloat).flatMap((name) => index.consumers(name).map((c) => c.node));
  const isKept = (node: NodeProto) => kept.has(node) || !nodes.has(node);
  for (let before = -1; before !== kept.size; ) {
    before = kept.size;
    // Tensors that are float32 already, also behind nodes that only move elements.
    const rooted = new Set(inputsStay ? graph.input.map(({ name }) => name) : []);
    const made = (name: string) => {
      const producer = index.producer(name);
      return producer !== undefined && kept.has(producer);
    };
    for (const node of nodes) {
      const operands = variable(node);
      const all = operands.length > 0 && operands.every((name) => rooted.has(name));
      if (!kept.has(node)) {
        const readers = consumers(node);
        const pulled = readers.length > 0 && readers.every(isKept);
        const between =
          POINTWISE.has(node.opType) && operands.some(made) && readers.some((n) => kept.has(n));
        if (
          (POINTWISE.has(node.opType) && ((all && !isScaleOrShift(node, index)) || between)) ||
          (MOVERS.has(node.opType) && all && pulled) ||
          (node.opType === 'QuantizeLinear' && all) ||
          (node.opType === 'DequantizeLinear' && pulled)
        ) {
          kept.set(node, 'NEIGHBOUR');
        }
      }
      if (kept.has(node) || (all && MOVERS.has(node.opType))) {
        for (const output of node.output) rooted.add(output);
      }
    }
  }
  for (const node of nodes) {
    // Integers become float16 at once where nothing reads them as float32.
    if (kept.get(node) !== 'INTEGER' || index.isGraphOutput(node.output[0]!)) continue;
    if (!consumers(node).some(isKept)) kept.delete(node);
  }
  return kept;
}
