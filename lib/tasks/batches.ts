import { type ImageBatch, imageBatches, type Recipe } from '../preprocess/index.js';
import type { LongCallOptions } from '../progress.js';
import { batchSize, checkBatchSize, type ImageInput } from './image-input.js';

/** What a task does about images that cannot be read, and how it batches. */
export interface BatchingOptions extends LongCallOptions {
  /** Images in one run; the model's own when it fixes it, else 1. */
  batch?: number;
  /** Count and list images that cannot be read in place of stopping at the first. */
  skipBroken?: boolean;
}

/** An image that could not be read. */
export interface BrokenImage {
  /** The image, as it was given. */
  source: string;
  /** Why. */
  reason: string;
}

/**
 * Batches of images that fit the inputs of one or more models.
 *
 * @param sources Paths or addresses.
 * @param recipe How each is prepared.
 * @param inputs The models' inputs.
 * @param options Batch size, broken images, abort signal.
 * @param root Folder that relative paths start from.
 * @param broken Receives the images that were skipped.
 * @throws TensorRTError `IMAGE_INVALID` for an image that cannot be read, `MODEL_UNSUPPORTED` for one
 *   whose size a model does not take, `IMAGES_NOT_FOUND` when every image was skipped.
 */
export async function* modelBatches(
  sources: readonly string[],
  recipe: Recipe,
  inputs: readonly ImageInput[],
  options: BatchingOptions,
  root: string | undefined,
  broken: BrokenImage[],
): AsyncGenerator<ImageBatch> {
  const { signal, skipBroken } = options;
  const batches = imageBatches(sources, recipe, {
    batch: batchSize(inputs, options.batch, 1),
    ...(root === undefined ? {} : { root }),
    ...(signal === undefined ? {} : { signal }),
    ...(skipBroken === undefined ? {} : { skipBroken }),
    onBroken: ({ source, error }) => broken.push({ source, reason: error.message }),
  });
  for await (const batch of batches) {
    for (const input of inputs) checkBatchSize(input, batch.tensor, batch.sources[0]!);
    yield batch;
  }
}
