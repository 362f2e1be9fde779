import type { Tensor } from '../../tensor.js';
import type { DeviceTensor } from './memory.js';

/** A tensor in the memory of the CPU, pinned or not, or of the GPU. */
export type AnyTensor = Tensor | DeviceTensor;

/** Tensors by the name of the engine's input. */
export type Feeds = Readonly<Record<string, AnyTensor>>;

/**
 * Which outputs are wanted: their names, or an object with a tensor for each to write into; `null`
 * lets the session make one.
 */
export type Fetches = readonly string[] | Readonly<Record<string, AnyTensor | null>>;

/** Outputs by name: tensors of the CPU, or the very tensors that the fetches gave. */
export type Outputs = Readonly<Record<string, AnyTensor>>;
