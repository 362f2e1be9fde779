import { expected, integer } from '../arguments.js';
import { defined } from '../defined.js';
import { TensorRTError } from '../errors.js';
import { type LongCallOptions, throttle } from '../progress.js';
import { Tensor } from '../tensor.js';
import { requestedProcesses } from './decoders.js';
import { PixelMemory } from './pixel-memory.js';
import { packImages } from './planar.js';
import { readAhead } from './read-ahead.js';
import type { Recipe } from './recipe.js';
import type { Pixels } from './resample.js';

/** Images of one size, ready for a model. */
export interface ImageBatch<T extends 'float32' | 'uint8' = 'float32'> {
  /**
   * Shape [n, 3, height, width]; of {@link pixelBatches}, [n, height, width, 3]. Its memory is used
   * again for the next batch, unless `reuse` is false: copy what must live longer.
   */
  tensor: Tensor<T>;
  /** The image of each row, as it was given. */
  sources: string[];
  /** Its place in the list of sources. */
  indices: number[];
}

/** An image that was left out. */
export interface BrokenImage {
  /** The image as it was given. */
  source: string;
  /** Its place in the list of sources. */
  index: number;
  /** Why it was left out. */
  error: Error;
}

/** What {@link imageBatches} takes. */
export interface BatchOptions extends LongCallOptions {
  /** Folder that paths are relative to; the working folder by default. */
  root?: string;
  /** Images in a batch; 1 by default. */
  batch?: number;
  /** Images worked on ahead; by default two for every decoding thread, up to eight of small ones. */
  prefetch?: number;
  /**
   * Processes that decode images given as paths, 0 for none but this one. By default one for every four
   * cores, up to eight, from 8 cores and 512 paths on, else none; the environment variable
   * `TENSORRT_NODE_DECODE_PROCESSES` sets another default. Each takes some 60 MB beside what they
   * share, and ends a few seconds after its last image, or with this process.
   */
  processes?: number;
  /** Leave images out that cannot be read, instead of stopping; false by default. */
  skipBroken?: boolean;
  /** Told of every image that is left out, in order. */
  onBroken?: (broken: BrokenImage) => void;
  /** Use the memory of a batch again for the next one; true by default. */
  reuse?: boolean;
  /**
   * Gives the memory of each batch, `bytes` or more, when the batch is made: for batches of which
   * several are in use at a time, or which are to lie in memory of a certain kind. `reuse` says
   * nothing then.
   */
  memory?: (bytes: number) => ArrayBufferView<ArrayBuffer>;
  /**
   * Collect images of the same size across others in between, so that batches are full; true by
   * default. When false, a batch ends where the size changes, and the order of images is kept.
   */
  groupByShape?: boolean;
}

/** Bytes of images that wait for others of their size; beyond, the oldest group goes out short. */
const MAX_WAITING_BYTES = 128 * 2 ** 20;

interface Group {
  images: Pixels[];
  sources: string[];
  indices: number[];
}

/** Makes the tensor of a group: its size in bytes, and how an image is written into it. */
interface Layout<T extends 'float32' | 'uint8'> {
  bytesPerValue: number;
  pack(
    images: readonly Pixels[],
    recipe: Recipe,
    memory: ArrayBufferView<ArrayBuffer>,
  ): Promise<Tensor<T>> | Tensor<T>;
}

const PLANES: Layout<'float32'> = {
  bytesPerValue: 4,
  async pack(images, recipe, { buffer, byteOffset }) {
    const { width, height } = images[0]!;
    const data = new Float32Array(buffer, byteOffset, 3 * width * height * images.length);
    await packImages(images, recipe, data);
    return new Tensor('float32', data, [images.length, 3, height, width]);
  },
};

const PIXELS: Layout<'uint8'> = {
  bytesPerValue: 1,
  pack(images, _recipe, { buffer, byteOffset }) {
    const { width, height } = images[0]!;
    const perImage = 3 * width * height;
    const data = new Uint8Array(buffer, byteOffset, perImage * images.length);
    images.forEach((image, row) => {
      data.set(image.data, row * perImage);
    });
    return new Tensor('uint8', data, [images.length, height, width, 3]);
  },
};

/** Packs groups into tensors, in the same memory unless told otherwise. */
class Packer<T extends 'float32' | 'uint8'> {
  readonly #recipe: Recipe;
  readonly #layout: Layout<T>;
  readonly #memory: (bytes: number) => ArrayBufferView<ArrayBuffer>;
  #own = new Uint8Array(0);

  constructor(recipe: Recipe, layout: Layout<T>, { memory, reuse }: BatchOptions) {
    this.#recipe = recipe;
    this.#layout = layout;
    this.#memory =
      memory ??
      ((bytes) => {
        if (reuse === false || this.#own.length < bytes) this.#own = new Uint8Array(bytes);
        return this.#own;
      });
  }

  async pack({ images, sources, indices }: Group): Promise<ImageBatch<T>> {
    const { width, height } = images[0]!;
    const bytes = 3 * width * height * images.length * this.#layout.bytesPerValue;
    const memory = this.#memory(bytes);
    if (memory.byteLength < bytes) {
      throw expected('memory', `at least ${bytes} bytes`, memory.byteLength, 'range');
    }
    return { tensor: await this.#layout.pack(images, this.#recipe, memory), sources, indices };
  }
}

/** Whether an error is about the image, and not about the program. */
function isBroken(error: unknown): error is TensorRTError {
  return (
    error instanceof TensorRTError &&
    (error.code === 'IMAGE_INVALID' || error.code === 'DOWNLOAD_FAILED')
  );
}

/**
 * Reads images into batches, decoding ahead on all threads of libuv's pool, or in processes where one
 * process cannot use all cores (see {@link BatchOptions.processes}).
 *
 * Batches hold images of one size. An image joins the batch of its size; a batch goes out when it is
 * full, so with sizes that vary the order of images across batches differs from the order given
 * (`indices` tells), but it is the same in every run. At the end the batches that are not full go
 * out, the one with the earliest image first; earlier when 128 MiB of images wait. Nothing else is
 * kept, so memory does not grow with the number of images.
 *
 * Leaving the loop early, or aborting, ends the work that was begun ahead.
 *
 * @param sources Paths (relative to `root`) or http(s) addresses.
 * @param recipe What is done to each image.
 * @param options Batch size, broken images, progress (in `images`), abort signal.
 * @throws TypeError, RangeError for a wrong option, at once.
 * @throws TensorRTError from the loop: `IMAGE_INVALID` or `DOWNLOAD_FAILED` that names the image,
 *   unless `skipBroken`; `IMAGES_NOT_FOUND` when every image had to be left out.
 */
export function imageBatches(
  sources: readonly string[],
  recipe: Recipe,
  options: BatchOptions = {},
): AsyncGenerator<ImageBatch, void, undefined> {
  return generate(sources, recipe, checked(sources, options), PLANES);
}

/**
 * {@link imageBatches} without the arithmetic of the recipe: decoded and resized pixels as bytes, for
 * engines that do the rest themselves.
 *
 * @param sources Paths (relative to `root`) or http(s) addresses.
 * @param recipe What is done to each image.
 * @param options As for {@link imageBatches}.
 * @returns Batches of shape [n, height, width, 3]: red, green, blue.
 * @throws As {@link imageBatches}.
 */
export function pixelBatches(
  sources: readonly string[],
  recipe: Recipe,
  options: BatchOptions = {},
): AsyncGenerator<ImageBatch<'uint8'>, void, undefined> {
  return generate(sources, recipe, checked(sources, options), PIXELS);
}

/** The options, with the number of processes that was asked for in whatever way. */
function checked(sources: readonly string[], options: BatchOptions): BatchOptions {
  if (!Array.isArray(sources)) throw expected('sources', 'a list of paths', sources);
  integer('batch', options.batch ?? 1, 1);
  integer('prefetch', options.prefetch ?? 1, 1);
  const processes = requestedProcesses(options.processes);
  return { ...options, ...defined({ processes }) };
}

async function* generate<T extends 'float32' | 'uint8'>(
  sources: readonly string[],
  recipe: Recipe,
  options: BatchOptions,
  layout: Layout<T>,
): AsyncGenerator<ImageBatch<T>, void, undefined> {
  const { batch = 1, skipBroken = false, groupByShape = true } = options;
  const report = throttle(options.onProgress, 'images');
  const packer = new Packer(recipe, layout, options);
  const groups = new Map<string, Group>();
  const memory = new PixelMemory();
  let waiting = 0;
  let broken = 0;
  let index = -1;

  const release = async (key: string): Promise<ImageBatch<T>> => {
    const group = groups.get(key)!;
    groups.delete(key);
    for (const image of group.images) waiting -= image.data.length;
    const packed = await packer.pack(group);
    for (const image of group.images) memory.give(image.data);
    return packed;
  };
  // A Map keeps the order in which groups began, so the first key is the oldest group.
  const oldest = (): string => groups.keys().next().value!;

  for await (const result of readAhead(sources, recipe, { ...options, memory })) {
    index++;
    const source = sources[index]!;
    if (!result.ok) {
      if (!skipBroken || !isBroken(result.error)) throw result.error;
      broken++;
      options.onBroken?.({ source, index, error: result.error });
    } else {
      const { pixels: image } = result.value;
      const key = `${image.width}x${image.height}`;
      if (!groupByShape && groups.size > 0 && !groups.has(key)) yield await release(oldest());
      const group = groups.get(key) ?? { images: [], sources: [], indices: [] };
      groups.set(key, group);
      group.images.push(image);
      group.sources.push(source);
      group.indices.push(index);
      waiting += image.data.length;
      if (group.images.length === batch) yield await release(key);
      else if (waiting > MAX_WAITING_BYTES) yield await release(oldest());
    }
    report(index + 1, sources.length, 'images');
  }
  while (groups.size > 0) yield await release(oldest());
  if (broken > 0 && broken === sources.length) {
    throw new TensorRTError('IMAGES_NOT_FOUND', `None of the ${broken} images can be read`, {
      remedy: 'Check the folder; without --skip-broken the first bad image is named.',
    });
  }
}
