import { defined } from '../defined.js';
import {
  type BatchOptions,
  type ImageBatch,
  imageBatches,
  pixelBatches,
  type Recipe,
} from '../preprocess/index.js';
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

/** A batch of planes or, for engines that take bytes, of pixels. */
export type TaskBatch = ImageBatch<'float32'> | ImageBatch<'uint8'>;

/**
 * Batches of images that fit the inputs of one or more models: of planes.
 *
 * @param sources Paths or addresses.
 * @param recipe How each is prepared.
 * @param inputs The models' inputs.
 * @param options Batch size, broken images, abort signal.
 * @param root Folder that relative paths start from.
 * @param broken Receives the images that were skipped.
 * @param memory Gives the memory of each batch; by default a batch is good until the next.
 * @throws TensorRTError `IMAGE_INVALID` for an image that cannot be read, `MODEL_UNSUPPORTED` for one
 *   whose size a model does not take, `IMAGES_NOT_FOUND` when every image was skipped.
 */
export function modelBatches(
  sources: readonly string[],
  recipe: Recipe,
  inputs: readonly ImageInput[],
  options: BatchingOptions,
  root: string | undefined,
  broken: BrokenImage[],
  memory?: (bytes: number) => ArrayBufferView<ArrayBuffer>,
): AsyncGenerator<ImageBatch> {
  return checked(
    imageBatches(sources, recipe, batchOptions(inputs, options, root, broken, memory)),
    inputs,
  );
}

/** {@link modelBatches}, of pixels where one of the models takes bytes. */
export function taskBatches(
  ...[sources, recipe, inputs, options, root, broken, memory]: Parameters<typeof modelBatches>
): AsyncGenerator<TaskBatch> {
  if (inputs.every(({ type }) => type !== 'uint8')) {
    return modelBatches(sources, recipe, inputs, options, root, broken, memory);
  }
  return checked(
    pixelBatches(sources, recipe, batchOptions(inputs, options, root, broken, memory)),
    inputs,
  );
}

function batchOptions(
  inputs: readonly ImageInput[],
  { batch, signal, skipBroken }: BatchingOptions,
  root: string | undefined,
  broken: BrokenImage[],
  memory: ((bytes: number) => ArrayBufferView<ArrayBuffer>) | undefined,
): BatchOptions {
  return {
    batch: batchSize(inputs, batch, 1),
    ...defined({ root, signal, skipBroken, memory }),
    onBroken: ({ source, error }) => broken.push({ source, reason: error.message }),
  };
}

async function* checked<B extends TaskBatch>(
  batches: AsyncGenerator<B>,
  inputs: readonly ImageInput[],
): AsyncGenerator<B> {
  for await (const batch of batches) {
    for (const input of inputs) checkBatchSize(input, batch.tensor, batch.sources[0]!);
    yield batch;
  }
}
