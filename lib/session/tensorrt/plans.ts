import { TENSOR_ARRAYS, type TensorData, type TensorType } from '../../tensor.js';
import { checkFeeds } from '../feeds.js';
import type { ValueMetadata } from '../model-session.js';
import type { NativeBindingInfo, NativeShapes } from './binding.js';
import { DeviceTensor } from './memory.js';
import type { AnyTensor, Feeds } from './types.js';

/** One output of a run of known shapes. */
export interface OutputPlan {
  readonly name: string;
  readonly type: TensorType;
  readonly dims: readonly number[];
  readonly length: number;
  readonly bytes: number;
}

/** What is known of all runs with the same input shapes. */
export interface RunPlan {
  /** The native number of the shapes. */
  readonly id: number;
  readonly inputs: readonly (readonly number[])[];
  /** Size of the data of each input. */
  readonly inputBytes: readonly number[];
  readonly outputs: readonly OutputPlan[];
}

/** The metadata of an engine's input or output: TensorRT keeps no names of dynamic extents. */
export function metadataOf(binding: NativeBindingInfo): ValueMetadata {
  return {
    name: binding.name,
    type: binding.type as TensorType,
    shape: binding.shape.map((dim) => (dim < 0 ? '?' : dim)),
  };
}

function sameDims(a: readonly number[], b: readonly number[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let axis = 0; axis < a.length; axis += 1) if (a[axis] !== b[axis]) return false;
  return true;
}

function bytesOf(type: TensorType, dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, TENSOR_ARRAYS[type].BYTES_PER_ELEMENT);
}

/** Above this, an array is made without zeroing: the run overwrites it. */
const ZEROED_BYTES = 4096;

/** An array for an output. */
export function outputArray(type: TensorType, length: number): TensorData {
  const array = TENSOR_ARRAYS[type];
  const bytes = length * array.BYTES_PER_ELEMENT;
  if (bytes <= ZEROED_BYTES) return new array(length);
  return new array(Buffer.allocUnsafeSlow(bytes).buffer as ArrayBuffer, 0, length);
}

/** Finds the plan of a run by its feeds; the one used last first. */
export class RunPlans {
  readonly #inputs: readonly ValueMetadata[];
  readonly #outputs: readonly ValueMetadata[];
  readonly #known = new Map<string, RunPlan>();
  #last: RunPlan | undefined;

  constructor(inputs: readonly ValueMetadata[], outputs: readonly ValueMetadata[]) {
    this.#inputs = inputs;
    this.#outputs = outputs;
  }

  /**
   * The plan for these feeds; undefined when their shapes are new.
   *
   * @throws TypeError, RangeError for feeds that do not fit the engine.
   */
  find(feeds: Feeds): RunPlan | undefined {
    if (this.#last !== undefined && this.#fits(feeds, this.#last)) return this.#last;
    checkFeeds(this.#inputs, checkable(feeds));
    const plan = this.#known.get(this.#key(this.shapesOf(feeds)));
    if (plan !== undefined) this.#last = plan;
    return plan;
  }

  /** The dims of the feeds in the engine's order. */
  shapesOf(feeds: Feeds): (readonly number[])[] {
    return this.#inputs.map(({ name }) => feeds[name]!.dims);
  }

  /** Keeps what the native side prepared. */
  add(shapes: NativeShapes): RunPlan {
    const plan: RunPlan = {
      id: shapes.id,
      inputs: shapes.inputs,
      inputBytes: this.#inputs.map(({ type }, index) => bytesOf(type, shapes.inputs[index]!)),
      outputs: this.#outputs.map(({ name, type }, index) => {
        const dims = Object.freeze(shapes.outputs[index]!);
        const length = dims.reduce((product, dim) => product * dim, 1);
        return { name, type, dims, length, bytes: bytesOf(type, dims) };
      }),
    };
    this.#known.set(this.#key(plan.inputs), plan);
    this.#last = plan;
    return plan;
  }

  #key(shapes: readonly (readonly number[])[]): string {
    return shapes.map((dims) => dims.join('x')).join(';');
  }

  #fits(feeds: Feeds, plan: RunPlan): boolean {
    if (typeof feeds !== 'object' || feeds === null) return false;
    let count = 0;
    for (const _ in feeds) count += 1;
    if (count !== this.#inputs.length) return false;
    for (let index = 0; index < count; index += 1) {
      const { name, type } = this.#inputs[index]!;
      const tensor = feeds[name];
      if (tensor === undefined || tensor === null || tensor.type !== type) return false;
      if (!Array.isArray(tensor.dims)) return false;
      if (!sameDims(tensor.dims, plan.inputs[index]!)) return false;
    }
    return true;
  }
}

const NO_DATA = new Uint8Array(0);

/** GPU tensors have no data to look at; all else about them is checked as for the others. */
function checkable(feeds: Feeds): Parameters<typeof checkFeeds>[1] {
  if (typeof feeds !== 'object' || feeds === null) return feeds;
  const looks = (tensor: AnyTensor) =>
    tensor instanceof DeviceTensor ? { ...tensor, type: tensor.type, data: NO_DATA } : tensor;
  return Object.fromEntries(
    Object.entries(feeds).map(([name, tensor]) => [name, looks(tensor)]),
  ) as Parameters<typeof checkFeeds>[1];
}
