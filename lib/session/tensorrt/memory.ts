import { expected, integer, oneOf } from '../../arguments.js';
import { TensorRTError } from '../../errors.js';
import { TENSOR_ARRAYS, Tensor, type TensorData, type TensorType } from '../../tensor.js';
import type { NativeDeviceMemory, SessionBinding } from './binding.js';
import { thrownBy } from './failures.js';

/** Pages that pinning rounds to, at both ends. */
const PAGE_BYTES = 4096;

/** Size of the data of a tensor. */
function bytesOf(type: TensorType, dims: readonly number[]): number {
  const types = Object.keys(TENSOR_ARRAYS) as TensorType[];
  const { BYTES_PER_ELEMENT } = TENSOR_ARRAYS[oneOf('type', type, types)];
  if (!Array.isArray(dims)) throw expected('dims', 'an array of extents', dims);
  const bytes = dims.reduce((product, dim) => product * integer('dims', dim, 0), BYTES_PER_ELEMENT);
  if (bytes <= Number.MAX_SAFE_INTEGER) return bytes;
  throw expected('dims', 'less than 2^53 bytes', dims.join('x'), 'range');
}

/** Memory of this process. */
function allocate(bytes: number): ArrayBuffer {
  try {
    return new ArrayBuffer(bytes);
  } catch (error) {
    throw new TensorRTError('OUT_OF_MEMORY', `This process has no ${bytes} bytes of memory left`, {
      remedy: 'Choose smaller tensors.',
      cause: error,
    });
  }
}

/** Calls into the native module with this package's errors. */
function native<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw thrownBy(error);
  }
}

// A pinned tensor that nobody holds any more is unlocked; its buffer must outlive it until then.
const forgotten = new FinalizationRegistry<() => void>((unpin) => unpin());

/**
 * A tensor in page-locked memory of the CPU: the GPU copies from and to it by itself, without the
 * detour over a session's staging memory. The memory is V8's own. Any typed array over the same memory
 * is as fast.
 */
export class PinnedTensor<T extends TensorType = TensorType> extends Tensor<T> {
  readonly #unpin: () => void;

  private constructor(type: T, data: TensorData<T>, dims: readonly number[], unpin: () => void) {
    super(type, data, dims);
    this.#unpin = unpin;
    forgotten.register(this, unpin, unpin);
  }

  /** @internal Made by a session: see InferenceSession.createPinnedTensor. */
  static allocate<T extends TensorType>(
    binding: SessionBinding,
    deviceId: number,
    type: T,
    dims: readonly number[],
  ): PinnedTensor<T> {
    const exact = bytesOf(type, dims);
    const array = TENSOR_ARRAYS[type];
    const length = exact / array.BYTES_PER_ELEMENT;
    const bytes = Math.max(exact, 1);
    const pages = Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
    const buffer = allocate(pages + PAGE_BYTES);
    const [offset, address] = native(() => binding.pin(deviceId, buffer, bytes));
    let held: ArrayBuffer | undefined = buffer;
    const unpin = (): void => {
      if (held !== undefined) binding.unpin(address);
      held = undefined;
    };
    const data = new array(buffer, offset, length) as TensorData<T>;
    return new PinnedTensor(type, data, dims, unpin);
  }

  /** Where the data is. */
  override get location(): 'cpu-pinned' {
    return 'cpu-pinned';
  }

  /** Unlocks the memory once runs in flight are done with it; the data stays readable. */
  dispose(): void {
    forgotten.unregister(this.#unpin);
    this.#unpin();
  }

  /** {@link PinnedTensor.dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * A tensor in the memory of the GPU. As an input it is used where it is, as an output it stays there,
 * so that one engine's output can be the next one's input without a copy.
 */
export class DeviceTensor<T extends TensorType = TensorType> {
  /** Where the data is. */
  readonly location = 'gpu-buffer';
  /** Element type. */
  readonly type: T;
  /** Extent of each dimension. */
  readonly dims: readonly number[];
  /** Number of the GPU. */
  readonly deviceId: number;
  readonly #binding: SessionBinding;
  #memory: NativeDeviceMemory | undefined;

  private constructor(
    binding: SessionBinding,
    memory: NativeDeviceMemory,
    deviceId: number,
    type: T,
    dims: readonly number[],
  ) {
    this.#binding = binding;
    this.#memory = memory;
    this.deviceId = deviceId;
    this.type = type;
    this.dims = dims;
  }

  /** @internal Made by a session: see InferenceSession.createDeviceTensor. */
  static allocate<T extends TensorType>(
    binding: SessionBinding,
    deviceId: number,
    type: T,
    dims: readonly number[],
  ): DeviceTensor<T> {
    const bytes = bytesOf(type, dims);
    const memory = native(() => binding.allocateDevice(deviceId, bytes));
    return new DeviceTensor(binding, memory, deviceId, type, [...dims]);
  }

  /** Number of elements. */
  get size(): number {
    return this.dims.reduce((product, dim) => product * dim, 1);
  }

  /**
   * The native memory, for a run.
   *
   * @internal
   * @throws TensorRTError `SESSION_RELEASED` after `dispose`.
   */
  get memory(): NativeDeviceMemory {
    if (this.#memory === undefined) {
      throw new TensorRTError('SESSION_RELEASED', 'A GPU tensor was used after it was disposed', {
        remedy: 'Dispose it after its last use.',
      });
    }
    return this.#memory;
  }

  /**
   * Fills the tensor from an array of the CPU. Blocks until the copy is done.
   *
   * @param data Elements, as many as the tensor has.
   * @throws RangeError for another number of elements; TensorRTError `INFERENCE_FAILED`.
   */
  uploadSync(data: TensorData<T>): void {
    this.#checkLength(data);
    native(() => this.#binding.copyDevice(this.memory, data, true));
  }

  /**
   * The data as a tensor of the CPU. Blocks until the copy is done.
   *
   * @throws TensorRTError `INFERENCE_FAILED`.
   */
  downloadSync(): Tensor<T> {
    const data = new TENSOR_ARRAYS[this.type](this.size) as TensorData<T>;
    native(() => this.#binding.copyDevice(this.memory, data, false));
    return new Tensor(this.type, data, this.dims);
  }

  /** Frees the memory once runs in flight are done with it. May be repeated. */
  dispose(): void {
    if (this.#memory !== undefined) this.#binding.freeDevice(this.#memory);
    this.#memory = undefined;
  }

  /** {@link DeviceTensor.dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #checkLength(data: TensorData<T>): void {
    if (!(data instanceof TENSOR_ARRAYS[this.type]) || data.length !== this.size) {
      throw new RangeError(
        `Expected ${this.size} elements of ${this.type} for data but received ${data?.length}`,
      );
    }
  }
}
