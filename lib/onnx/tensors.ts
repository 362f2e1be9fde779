import { create } from '@bufbuild/protobuf';
import { TensorRTError } from '../errors.js';
import { byteLength, dataTypeName, elementCount } from './data-types.js';
import { isExternal, readExternalTensor } from './external-data.js';
import {
  TensorProto_DataType as DataType,
  type TensorProto,
  TensorProtoSchema,
} from './generated/onnx_pb.js';
import { bfloatToFloat, floatToBfloat, floatToHalf, halfToFloat } from './half.js';

/** Arrays that hold tensor elements: 16-bit floats as their bits, bool as 0 and 1. */
export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

const ARRAYS = {
  [DataType.FLOAT]: Float32Array,
  [DataType.DOUBLE]: Float64Array,
  [DataType.INT8]: Int8Array,
  [DataType.UINT8]: Uint8Array,
  [DataType.BOOL]: Uint8Array,
  [DataType.INT16]: Int16Array,
  [DataType.UINT16]: Uint16Array,
  [DataType.FLOAT16]: Uint16Array,
  [DataType.BFLOAT16]: Uint16Array,
  [DataType.INT32]: Int32Array,
  [DataType.UINT32]: Uint32Array,
  [DataType.INT64]: BigInt64Array,
  [DataType.UINT64]: BigUint64Array,
} as const;

type ArrayConstructor = (typeof ARRAYS)[keyof typeof ARRAYS];

function arrayOf(tensor: TensorProto): ArrayConstructor {
  const array = (ARRAYS as Record<number, ArrayConstructor | undefined>)[tensor.dataType];
  if (array !== undefined) return array;
  throw new TensorRTError(
    'MODEL_UNSUPPORTED',
    `Tensor "${tensor.name}" holds ${dataTypeName(tensor.dataType)} elements, which are not read here`,
    { remedy: 'Leave that tensor out of what is to be changed, or export it as float32.' },
  );
}

function wrongSize(tensor: TensorProto, have: number, unit: string): TensorRTError {
  return new TensorRTError(
    'MODEL_INVALID',
    `Tensor "${tensor.name}" of dims [${tensor.dims.join(', ')}] and type ` +
      `${dataTypeName(tensor.dataType)} holds ${have} ${unit}`,
    { remedy: 'Export the model again.' },
  );
}

function typedFields(tensor: TensorProto): ArrayLike<number> | ArrayLike<bigint> {
  switch (tensor.dataType) {
    case DataType.FLOAT:
      return tensor.floatData;
    case DataType.DOUBLE:
      return tensor.doubleData;
    case DataType.INT64:
      return tensor.int64Data;
    case DataType.UINT64:
      return tensor.uint64Data;
    case DataType.UINT32:
      return tensor.uint64Data.map(Number);
    default:
      return tensor.int32Data;
  }
}

/**
 * The elements of a tensor in their own type: raw data, typed fields, or external data. The array
 * may be a view of the model's memory: do not write to it.
 *
 * @param tensor Initialiser or attribute.
 * @param folder Folder of external data; see `OnnxModel.folder`.
 * @throws TensorRTError `MODEL_INVALID` when the size does not fit the dims, `MODEL_UNSUPPORTED` for
 *   strings, complex numbers and types below 8 bits, `MODEL_EXTERNAL_DATA` when that cannot be read.
 */
export function readTensor(tensor: TensorProto, folder?: string): TypedArray {
  const array = arrayOf(tensor);
  const raw = isExternal(tensor) ? readExternalTensor(tensor, folder) : tensor.rawData;
  if (raw.byteLength > 0) {
    if (raw.byteLength !== byteLength(tensor)) throw wrongSize(tensor, raw.byteLength, 'bytes');
    const size = array.BYTES_PER_ELEMENT;
    // Protobuf fields lie at any address; typed arrays need theirs aligned.
    const bytes = raw.byteOffset % size === 0 ? raw : new Uint8Array(raw);
    return new array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength / size);
  }
  const fields = typedFields(tensor);
  if (fields.length !== elementCount(tensor)) throw wrongSize(tensor, fields.length, 'elements');
  return (array as unknown as { from(values: ArrayLike<unknown>): TypedArray }).from(fields);
}

/** The bytes of a tensor as raw data, little-endian; for the types that {@link readTensor} reads. */
export function tensorBytes(tensor: TensorProto, folder?: string): Uint8Array {
  if (isExternal(tensor)) return readExternalTensor(tensor, folder);
  if (tensor.rawData.byteLength > 0) return tensor.rawData;
  const data = readTensor(tensor, folder);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Whether the elements are floating-point numbers that {@link readFloats} reads. */
export function isFloatType(type: number): boolean {
  return (
    type === DataType.FLOAT ||
    type === DataType.FLOAT16 ||
    type === DataType.BFLOAT16 ||
    type === DataType.DOUBLE
  );
}

/**
 * The elements of a float tensor of any width as float32 (float64 stays float64). May be a view.
 *
 * @throws TensorRTError as {@link readTensor}; `MODEL_UNSUPPORTED` when the type is no float.
 */
export function readFloats(tensor: TensorProto, folder?: string): Float32Array | Float64Array {
  const data = readTensor(tensor, folder);
  if (data instanceof Float32Array || data instanceof Float64Array) return data;
  if (tensor.dataType === DataType.FLOAT16) {
    return Float32Array.from(data as Uint16Array, halfToFloat);
  }
  if (tensor.dataType === DataType.BFLOAT16) {
    return Float32Array.from(data as Uint16Array, bfloatToFloat);
  }
  throw new TensorRTError(
    'MODEL_UNSUPPORTED',
    `Tensor "${tensor.name}" holds ${dataTypeName(tensor.dataType)} where floats were expected`,
    { remedy: 'Export the model again with float weights.' },
  );
}

/** The elements of an integer or bool tensor as numbers (shapes, axes). */
export function readIntegers(tensor: TensorProto, folder?: string): number[] {
  return Array.from(readTensor(tensor, folder) as ArrayLike<number | bigint>, Number);
}

/** Makes a tensor with raw data. The bytes of `data` are not copied. */
export function createTensor(
  name: string,
  dataType: number,
  dims: readonly number[],
  data: TypedArray,
): TensorProto {
  return create(TensorProtoSchema, {
    name,
    dataType,
    dims: dims.map(BigInt),
    rawData: new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength),
  });
}

/** Makes a float tensor of type `dataType` (float32, float16, bfloat16 or float64) from numbers. */
export function createFloatTensor(
  name: string,
  dataType: number,
  dims: readonly number[],
  values: Iterable<number>,
): TensorProto {
  if (dataType === DataType.DOUBLE) {
    return createTensor(name, dataType, dims, Float64Array.from(values));
  }
  if (dataType === DataType.FLOAT16) {
    return createTensor(name, dataType, dims, Uint16Array.from(values, floatToHalf));
  }
  if (dataType === DataType.BFLOAT16) {
    return createTensor(name, dataType, dims, Uint16Array.from(values, floatToBfloat));
  }
  return createTensor(name, DataType.FLOAT, dims, Float32Array.from(values));
}
