import { readFile as readFileCallback } from 'node:fs';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expected } from '../arguments.js';
import { fetchImage, isUrl } from '../dataset/index.js';
import { defined } from '../defined.js';
import { messageOf, systemCode, TensorRTError } from '../errors.js';
import type { Tensor } from '../tensor.js';
import { decodeImage, imageInvalid } from './decode.js';
import { planResize } from './geometry.js';
import { pixelsToTensor } from './planar.js';
import type { Recipe } from './recipe.js';
import { type Pixels, place } from './resample.js';
import { resizePixels } from './resize.js';

/** Takes a third of the main thread's time of `readFile` of node:fs/promises: no FileHandle. */
const readFile = promisify(
  readFileCallback as (
    path: string,
    options: { signal?: AbortSignal },
    callback: (error: NodeJS.ErrnoException | null, data: Uint8Array) => void,
  ) => void,
);

/** What {@link readImage} takes. */
export interface ReadImageOptions {
  /** Folder that paths are relative to; the working folder by default. */
  root?: string;
  /** What to call an image given as bytes in messages. */
  name?: string;
  /** Stops reading; it then rejects with `signal.reason`. */
  signal?: AbortSignal;
}

async function load(source: string, options: ReadImageOptions): Promise<Uint8Array> {
  const { signal } = options;
  if (isUrl(source)) return fetchImage(source, defined({ signal }));
  const path = options.root === undefined ? source : resolve(options.root, source);
  try {
    // Not sharp's own reading: it answers from a cache by path when a file has changed.
    return await readFile(path, defined({ signal }));
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    const missing = systemCode(error) === 'ENOENT';
    throw imageInvalid(path, missing ? 'there is no such file' : messageOf(error), error);
  }
}

/** An image of the recipe's size, and what it took to hold it before. */
export interface ReadResult {
  /** The image. */
  pixels: Pixels;
  /** Bytes of the image as it was decoded. */
  decodedBytes: number;
}

/**
 * As {@link readImage}; tells the decoded size too, for whoever decides how many are read at a time.
 *
 * @param source Path, http(s) address, or the bytes of an image file.
 * @param recipe What is done to the image.
 * @param options Root of paths, name, abort signal.
 */
export async function readSized(
  source: string | Uint8Array,
  recipe: Recipe,
  options: ReadImageOptions = {},
): Promise<ReadResult> {
  const { signal } = options;
  if (typeof source !== 'string' && !(source instanceof Uint8Array)) {
    throw expected('source', 'a path, an address or the bytes of an image', source);
  }
  signal?.throwIfAborted();
  const bytes = typeof source === 'string' ? await load(source, options) : source;
  const name = options.name ?? (typeof source === 'string' ? source : `of ${bytes.length} bytes`);
  signal?.throwIfAborted();
  const decoded = await decodeImage(bytes, name, recipe.autoOrient);
  signal?.throwIfAborted();
  try {
    const plan = planResize(recipe.resize, decoded.width, decoded.height);
    // Its memory is gone afterwards: nobody else has seen this array.
    const decodedBytes = decoded.data.length;
    const resized = await resizePixels(decoded, plan, recipe.kernel, signal, true);
    return { pixels: place(resized, plan), decodedBytes };
  } catch (error) {
    if (error instanceof TensorRTError) throw imageInvalid(name, error.message, error);
    throw error;
  }
}

/**
 * Reads an image and gives it the recipe's size. The pixels are those of Pillow
 * (`Image.open(source).convert('RGB')`, then `resize`); channels are red, green, blue here whatever
 * the recipe's colour order is.
 *
 * @param source Path, http(s) address, or the bytes of an image file.
 * @param recipe What is done to the image.
 * @param options Root of paths, name, abort signal.
 * @throws TensorRTError `IMAGE_INVALID` that names the image; `DOWNLOAD_FAILED` for an address.
 */
export async function readImage(
  source: string | Uint8Array,
  recipe: Recipe,
  options: ReadImageOptions = {},
): Promise<Pixels> {
  return (await readSized(source, recipe, options)).pixels;
}

/**
 * {@link readImage}, then {@link pixelsToTensor}: one image as a model sees it.
 *
 * @param source Path, http(s) address, or the bytes of an image file.
 * @param recipe What is done to the image.
 * @param options Root of paths, name, abort signal.
 * @returns A tensor of shape [1, 3, height, width].
 * @throws TensorRTError `IMAGE_INVALID`, `DOWNLOAD_FAILED`.
 */
export async function preprocessImage(
  source: string | Uint8Array,
  recipe: Recipe,
  options: ReadImageOptions = {},
): Promise<Tensor<'float32'>> {
  return pixelsToTensor(await readImage(source, recipe, options), recipe);
}
