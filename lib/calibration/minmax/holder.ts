import { type NamedTensors, TENSOR_ARRAYS, Tensor } from '../../tensor.js';

/** How many bytes and batches are held together. */
const HELD_BYTES = 2 ** 20;
const HELD_BATCHES = 64;

/** Every element type can begin at a multiple of this. */
const ALIGNMENT = 8;

/** Holds copies of small batches, in memory that is used again. */
export class BatchHolder {
  #memory: ArrayBuffer | undefined;
  #used = 0;
  #held: NamedTensors[] = [];

  /** Whether a batch is so small that it is held. */
  isSmall(feeds: NamedTensors): boolean {
    return spaceFor(feeds) <= HELD_BYTES;
  }

  /** Whether there is no room for a batch beside those that are held. */
  isFullFor(feeds: NamedTensors): boolean {
    return this.#held.length === HELD_BATCHES || this.#used + spaceFor(feeds) > HELD_BYTES;
  }

  /** Holds a copy of a batch. */
  add(feeds: NamedTensors): void {
    // Touching new memory costs more than copying into it.
    this.#memory ??= new ArrayBuffer(HELD_BYTES);
    const copies: [string, Tensor][] = [];
    for (const [name, { type, data, dims }] of Object.entries(feeds)) {
      const copy = new TENSOR_ARRAYS[type](this.#memory, this.#used, data.length);
      (copy as Float32Array).set(data as Float32Array);
      this.#used += aligned(data.byteLength);
      copies.push([name, new Tensor(type, copy as Tensor['data'], dims)]);
    }
    this.#held.push(Object.fromEntries(copies));
  }

  /** The batches that are held, in order; their memory is good until the next {@link add}. */
  take(): NamedTensors[] {
    const held = this.#held;
    this.#held = [];
    this.#used = 0;
    return held;
  }
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

function spaceFor(feeds: NamedTensors): number {
  return Object.values(feeds).reduce((sum, { data }) => sum + aligned(data.byteLength), 0);
}
