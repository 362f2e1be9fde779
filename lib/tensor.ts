import { expected } from './arguments.js';

/** The array class that holds each tensor type; float16 is held as its bits, as onnxruntime does. */
export const TENSOR_ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int32: Int32Array,
  int64: BigInt64Array,
  bool: Uint8Array,
} as const;

/** Element types, named as onnxruntime names them. */
export type TensorType = keyof typeof TENSOR_ARRAYS;

/** The JavaScript array of a tensor type. */
export type TensorData<T extends TensorType = TensorType> = InstanceType<(typeof TENSOR_ARRAYS)[T]>;

/**
 * A dense, row-major tensor in the memory of the CPU: `new Tensor('float32', data, [1, 3, 224, 224])`.
 * The data is not copied.
 */
export class Tensor<T extends TensorType = TensorType> {
  /** Element type. */
  readonly type: T;
  /** Elements in row-major order. */
  readonly data: TensorData<T>;
  /** Extent of each dimension; `[]` is a scalar. */
  readonly dims: readonly number[];

  /**
   * @throws TypeError when `data` is not the array class of `type`.
   * @throws RangeError when the length of `data` is not the product of `dims`.
   */
  constructor(type: T, data: TensorData<T>, dims: readonly number[]) {
    const array = TENSOR_ARRAYS[type];
    if (array === undefined) {
      throw expected('type', `one of ${Object.keys(TENSOR_ARRAYS).join(', ')}`, type);
    }
    if (!(data instanceof array)) throw expected('data', `a ${array.name}`, data);
    for (const dim of dims) {
      if (!Number.isSafeInteger(dim) || dim < 0) {
        throw expected('dims', 'non-negative integers', dim, 'range');
      }
    }
    const size = dims.reduce((product, dim) => product * dim, 1);
    if (data.length !== size) {
      throw new RangeError(
        `Expected ${size} elements for dims [${dims.join(', ')}] but received ${data.length}`,
      );
    }
    this.type = type;
    this.data = data;
    this.dims = dims;
  }

  /** Where the data is, in onnxruntime's words; tensors of the GPU are of a class of their own. */
  get location(): 'cpu' | 'cpu-pinned' {
    return 'cpu';
  }

  /** Number of elements. */
  get size(): number {
    return this.data.length;
  }
}

/** Tensors by the name of the model's input or output. */
export type NamedTensors = { readonly [name: string]: Tensor };
