import type { ImageBatch, Recipe } from '../preprocess/index.js';
import { Tensor } from '../tensor.js';
import { type BatchingOptions, type BrokenImage, modelBatches } from './batches.js';
import type { ImageInput } from './image-input.js';

/** What prepared images may take; more than this is prepared anew for each pass. */
const HELD_BYTES = 512 * 2 ** 20;

/** A batch of prepared images, and where they come from. */
export type PreparedBatch = Pick<ImageBatch, 'tensor' | 'sources'>;

/** What {@link HeldBatches} is made of. */
export interface HeldBatchesOptions {
  /** Paths or addresses. */
  sources: readonly string[];
  /** Folder that relative paths start from. */
  root: string;
  /** How each is prepared. */
  recipe: Recipe;
  /** The input of the model. */
  input: ImageInput;
  /** Batch size, broken images, abort signal. */
  batching: BatchingOptions;
  /** Bytes that may be held; 512 MiB. */
  bytes?: number;
}

/**
 * Images that go through many models: prepared once and held as long as they fit into memory, and
 * prepared for each pass when they do not.
 */
export class HeldBatches {
  /** Images that were left out in the first pass. */
  readonly broken: BrokenImage[] = [];
  readonly #options: HeldBatchesOptions;
  #held: PreparedBatch[] | undefined;
  #passed = false;

  constructor(options: HeldBatchesOptions) {
    this.#options = options;
  }

  /** All batches, in the same order each time. */
  async *batches(): AsyncGenerator<PreparedBatch> {
    if (this.#held !== undefined) {
      yield* this.#held;
      return;
    }
    const { sources, root, recipe, input, batching, bytes = HELD_BYTES } = this.#options;
    const broken = this.#passed ? [] : this.broken;
    let held: PreparedBatch[] | undefined = this.#passed ? undefined : [];
    let size = 0;
    for await (const batch of modelBatches(sources, recipe, [input], batching, root, broken)) {
      size += batch.tensor.data.byteLength;
      if (size > bytes) held = undefined;
      held?.push({
        tensor: new Tensor('float32', batch.tensor.data.slice(), batch.tensor.dims),
        sources: batch.sources,
      });
      yield batch;
    }
    this.#held = held;
    this.#passed = true;
  }
}
