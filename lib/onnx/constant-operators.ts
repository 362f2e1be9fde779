import { intAttribute, intsAttribute } from './attributes.js';
import { elementCount, tensorDims } from './data-types.js';
import {
  TensorProto_DataType as DataType,
  type NodeProto,
  type TensorProto,
} from './generated/onnx_pb.js';
import {
  createFloatTensor,
  createTensor,
  isFloatType,
  readFloats,
  readIntegers,
  type TypedArray,
  tensorBytes,
} from './tensors.js';

/** What {@link evaluateConstant} works on. */
export interface ConstantInputs {
  /** The node's inputs, all constant; `undefined` where an optional one is left out. */
  inputs: readonly (TensorProto | undefined)[];
  /** Folder of external data. */
  folder: string | undefined;
  /** Version of the standard operator set; axes moved from attributes to inputs over time. */
  opset: number;
}

type Evaluator = (node: NodeProto, given: ConstantInputs, name: string) => TensorProto | undefined;

const INTEGER_ARRAYS: Readonly<Record<number, (values: Iterable<number>) => TypedArray>> = {
  [DataType.INT64]: (values) => BigInt64Array.from(values, (v) => BigInt(Math.trunc(v))),
  [DataType.INT32]: (values) => Int32Array.from(values),
  [DataType.BOOL]: (values) => Uint8Array.from(values, (v) => (v === 0 ? 0 : 1)),
};

/** Numbers of a float or integer tensor; `undefined` for types that are not computed with here. */
function numbers(tensor: TensorProto, folder: string | undefined): ArrayLike<number> | undefined {
  if (isFloatType(tensor.dataType)) return readFloats(tensor, folder);
  return tensor.dataType in INTEGER_ARRAYS ? readIntegers(tensor, folder) : undefined;
}

function build(
  name: string,
  type: number,
  dims: readonly number[],
  values: Iterable<number>,
): TensorProto | undefined {
  if (isFloatType(type)) return createFloatTensor(name, type, dims, values);
  const array = INTEGER_ARRAYS[type];
  return array && createTensor(name, type, dims, array(values));
}

/** Larger results are left to the runtime: folding must not blow a model up. */
const MAX_ELEMENTS = 2 ** 26;

/** Number of elements; `undefined` when dims are nonsense or the result would be too large. */
function sizeOf(dims: readonly number[]): number | undefined {
  let size = 1;
  for (const dim of dims) {
    if (!Number.isSafeInteger(dim) || dim < 0) return undefined;
    size *= dim;
  }
  return size <= MAX_ELEMENTS ? size : undefined;
}

/** The same elements under other dims; `undefined` when those are for another number of elements. */
function withDims(
  tensor: TensorProto,
  dims: readonly number[],
  name: string,
  folder?: string,
): TensorProto | undefined {
  if (sizeOf(dims) !== elementCount(tensor)) return undefined;
  return createTensor(name, tensor.dataType, dims, tensorBytes(tensor, folder));
}

function binary(compute: (a: number, b: number, integer: boolean) => number): Evaluator {
  return (_node, { inputs: [a, b], folder }, name) => {
    if (a === undefined || b === undefined || a.dataType !== b.dataType) return undefined;
    const left = numbers(a, folder);
    const right = numbers(b, folder);
    if (left === undefined || right === undefined) return undefined;
    const dims = broadcastDims(tensorDims(a), tensorDims(b));
    const size = dims && sizeOf(dims);
    if (dims === undefined || size === undefined) return undefined;
    const integer = !isFloatType(a.dataType);
    const atLeft = broadcastIndex(tensorDims(a), dims);
    const atRight = broadcastIndex(tensorDims(b), dims);
    const result = new Float64Array(size);
    for (let i = 0; i < size; i += 1) {
      result[i] = compute(left[atLeft(i)]!, right[atRight(i)]!, integer);
    }
    return build(name, a.dataType, dims, result);
  };
}

function unary(compute: (x: number) => number): Evaluator {
  return (_node, { inputs: [x], folder }, name) => {
    const values = x && isFloatType(x.dataType) ? readFloats(x, folder) : undefined;
    if (x === undefined || values === undefined) return undefined;
    return build(name, x.dataType, tensorDims(x), Float64Array.from(values, compute));
  };
}

/** Dims of two tensors broadcast together, as numpy does it; `undefined` when they do not fit. */
export function broadcastDims(a: readonly number[], b: readonly number[]): number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const dims: number[] = [];
  for (let i = 0; i < rank; i += 1) {
    const left = a[a.length - rank + i] ?? 1;
    const right = b[b.length - rank + i] ?? 1;
    if (left !== right && left !== 1 && right !== 1) return undefined;
    dims.push(left === 1 ? right : left);
  }
  return dims;
}

function broadcastIndex(dims: readonly number[], target: readonly number[]) {
  const strides: { extent: number; outer: number; stride: number }[] = [];
  let outer = 1;
  let stride = 1;
  for (let i = 1; i <= target.length; i += 1) {
    const extent = target[target.length - i]!;
    const own = dims[dims.length - i] ?? 1;
    strides.push({ extent, outer, stride: own === 1 ? 0 : stride });
    outer *= extent;
    stride *= own;
  }
  return (index: number): number => {
    let at = 0;
    for (const s of strides) at += (Math.floor(index / s.outer) % s.extent) * s.stride;
    return at;
  };
}

/** `axes` as attribute or as second input, sorted and counted from the front. */
function axesOf(node: NodeProto, given: ConstantInputs, rank: number): number[] | undefined {
  const second = given.inputs[1];
  const axes =
    second === undefined ? intsAttribute(node, 'axes') : readIntegers(second, given.folder);
  return axes?.map((axis) => (axis < 0 ? axis + rank : axis)).sort((a, b) => a - b);
}

const unsqueeze: Evaluator = (node, given, name) => {
  const x = given.inputs[0];
  if (x === undefined) return undefined;
  const count = given.inputs[1]
    ? elementCount(given.inputs[1])
    : intsAttribute(node, 'axes')?.length;
  const axes = axesOf(node, given, x.dims.length + (count ?? 0));
  if (axes === undefined) return undefined;
  const dims = tensorDims(x);
  for (const axis of axes) dims.splice(axis, 0, 1);
  return withDims(x, dims, name, given.folder);
};

const squeeze: Evaluator = (node, given, name) => {
  const x = given.inputs[0];
  if (x === undefined) return undefined;
  const axes = axesOf(node, given, x.dims.length);
  const dims = tensorDims(x).filter(
    (dim, i) => !(axes === undefined ? dim === 1 : axes.includes(i)),
  );
  return withDims(x, dims, name, given.folder);
};

const reshape: Evaluator = (node, { inputs: [x, shape], folder }, name) => {
  if (x === undefined || shape === undefined) return undefined;
  const allowZero = intAttribute(node, 'allowzero', 0) !== 0;
  const dims = readIntegers(shape, folder).map((dim, i) =>
    dim === 0 && !allowZero ? Number(x.dims[i] ?? 0n) : dim,
  );
  const known = dims.reduce((product, dim) => (dim === -1 ? product : product * dim), 1);
  const free = dims.indexOf(-1);
  if (free >= 0) dims[free] = elementCount(x) / known;
  return withDims(x, dims, name, folder);
};

const transpose: Evaluator = (node, { inputs: [x], folder }, name) => {
  if (x === undefined) return undefined;
  const from = tensorDims(x);
  const order = intsAttribute(node, 'perm') ?? from.map((_, i) => from.length - 1 - i);
  const permutation = [...order].sort((a, b) => a - b);
  if (permutation.length !== from.length || permutation.some((axis, i) => axis !== i)) {
    return undefined;
  }
  const bytes = tensorBytes(x, folder);
  const count = elementCount(x);
  const size = count === 0 ? 0 : bytes.byteLength / count;
  if (!Number.isInteger(size)) return undefined;
  const strides = from.map((_, i) => from.slice(i + 1).reduce((product, dim) => product * dim, 1));
  const dims = order.map((axis) => from[axis]!);
  const target = new Uint8Array(bytes.byteLength);
  const position = dims.map(() => 0);
  for (let i = 0; i < count; i += 1) {
    const at = order.reduce((sum, axis, k) => sum + position[k]! * strides[axis]!, 0) * size;
    for (let byte = 0; byte < size; byte += 1) target[i * size + byte] = bytes[at + byte]!;
    for (let k = dims.length - 1; k >= 0; k -= 1) {
      position[k]! += 1;
      if (position[k]! < dims[k]!) break;
      position[k] = 0;
    }
  }
  return createTensor(name, x.dataType, dims, target);
};

const cast: Evaluator = (node, { inputs: [x], folder }, name) => {
  const values = x && numbers(x, folder);
  const to = intAttribute(node, 'to', 0);
  if (x === undefined || values === undefined) return undefined;
  const integer = isFloatType(x.dataType) && !isFloatType(to);
  return build(name, to, tensorDims(x), Array.from(values, integer ? Math.trunc : (v) => v));
};

const concat: Evaluator = (node, { inputs, folder }, name) => {
  // Only the one-dimensional case: shapes put together.
  const first = inputs[0];
  const parts: number[] = [];
  for (const part of inputs) {
    const values = part && numbers(part, folder);
    if (part === undefined || values === undefined || part.dims.length !== 1) return undefined;
    parts.push(...Array.from(values));
  }
  const axis = intAttribute(node, 'axis', 0);
  if (first === undefined || (axis !== 0 && axis !== -1)) return undefined;
  return build(name, first.dataType, [parts.length], parts);
};

const gather: Evaluator = (node, { inputs: [x, indices], folder }, name) => {
  const values = x && numbers(x, folder);
  if (x?.dims.length !== 1 || indices === undefined || values === undefined) return undefined;
  if (intAttribute(node, 'axis', 0) !== 0) return undefined;
  const picked = readIntegers(indices, folder).map((i) => values[i < 0 ? i + values.length : i]);
  if (picked.includes(undefined)) return undefined;
  return build(name, x.dataType, tensorDims(indices), picked as number[]);
};

const EVALUATORS: Readonly<Record<string, Evaluator>> = {
  Identity: (_node, { inputs: [x], folder }, name) => x && withDims(x, tensorDims(x), name, folder),
  Add: binary((a, b) => a + b),
  Sub: binary((a, b) => a - b),
  Mul: binary((a, b) => a * b),
  Div: binary((a, b, integer) => (integer ? Math.trunc(a / b) : a / b)),
  Pow: binary((a, b) => a ** b),
  Sqrt: unary(Math.sqrt),
  Reciprocal: unary((x) => 1 / x),
  Neg: unary((x) => -x),
  Shape: (_node, { inputs: [x] }, name) =>
    x && build(name, DataType.INT64, [x.dims.length], tensorDims(x)),
  Cast: cast,
  Concat: concat,
  Gather: gather,
  Reshape: reshape,
  Squeeze: squeeze,
  Transpose: transpose,
  Unsqueeze: unsqueeze,
};

/** Operators that {@link evaluateConstant} computes. */
export function isFoldable(opType: string): boolean {
  return Object.hasOwn(EVALUATORS, opType);
}

/**
 * The value of a node whose inputs are all constant. Computed in float64 and rounded once to the
 * type of the result.
 *
 * @returns `undefined` when the operator, its types or its attributes are not computed here.
 */
export function evaluateConstant(
  node: NodeProto,
  given: ConstantInputs,
  name: string,
): TensorProto | undefined {
  return EVALUATORS[node.opType]?.(node, given, name);
}
