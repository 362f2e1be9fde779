import { TensorProto_DataType as DataType, type TensorProto } from './generated/onnx_pb.js';

/** Bits of one element of each ONNX type; types without a fixed size (strings) are absent. */
const BITS: Readonly<Record<number, number>> = {
  [DataType.FLOAT]: 32,
  [DataType.UINT8]: 8,
  [DataType.INT8]: 8,
  [DataType.UINT16]: 16,
  [DataType.INT16]: 16,
  [DataType.INT32]: 32,
  [DataType.INT64]: 64,
  [DataType.BOOL]: 8,
  [DataType.FLOAT16]: 16,
  [DataType.DOUBLE]: 64,
  [DataType.UINT32]: 32,
  [DataType.UINT64]: 64,
  [DataType.COMPLEX64]: 64,
  [DataType.COMPLEX128]: 128,
  [DataType.BFLOAT16]: 16,
  [DataType.FLOAT8E4M3FN]: 8,
  [DataType.FLOAT8E4M3FNUZ]: 8,
  [DataType.FLOAT8E5M2]: 8,
  [DataType.FLOAT8E5M2FNUZ]: 8,
  [DataType.UINT4]: 4,
  [DataType.INT4]: 4,
  [DataType.FLOAT4E2M1]: 4,
  [DataType.FLOAT8E8M0]: 8,
  [DataType.UINT2]: 2,
  [DataType.INT2]: 2,
};

/** Extents of a tensor as numbers; `[]` is a scalar. */
export function tensorDims(tensor: TensorProto): number[] {
  return tensor.dims.map(Number);
}

/** Number of elements; `NaN` when a dim is negative or the product is too large to count. */
export function elementCount(tensor: TensorProto): number {
  let count = 1;
  for (const dim of tensor.dims) {
    if (dim < 0n) return Number.NaN;
    count *= Number(dim);
  }
  return Number.isSafeInteger(count) ? count : Number.NaN;
}

/** Bytes that the tensor takes as raw data; `undefined` for strings and types not known here. */
export function byteLength(tensor: TensorProto): number | undefined {
  const bits = BITS[tensor.dataType];
  return bits === undefined ? undefined : Math.ceil((elementCount(tensor) * bits) / 8);
}

/** Lower-case name of an ONNX element type: `float32`, `int8`; `type 99` when it is not known. */
export function dataTypeName(type: number): string {
  if (type === DataType.FLOAT) return 'float32';
  if (type === DataType.DOUBLE) return 'float64';
  const name = DataType[type];
  return name === undefined ? `type ${type}` : name.toLowerCase();
}
