import { extname } from 'node:path';
import { expected } from '../arguments.js';
import { defined } from '../defined.js';
import { pixelsToTensor, type Recipe, readImage, savePreview } from '../preprocess/index.js';
import { type RecipeOptions, taskRecipe } from './recipe.js';

/** Options of {@link preprocessFile}. */
export interface PreprocessFileOptions extends RecipeOptions {
  /** `FILE.png`: the pixels. `FILE.npy`: the float32 tensor that the model is fed. */
  out: string;
  /** Stops before anything is written. */
  signal?: AbortSignal;
}

/** Result of {@link preprocessFile}. */
export interface PreprocessFileResult {
  /** The file. */
  file: string;
  /** Width in pixels. */
  width: number;
  /** Height in pixels. */
  height: number;
  /** Shape of the tensor: [1, 3, height, width]. */
  shape: readonly number[];
  /** Smallest value of the tensor. */
  min: number;
  /** Largest value of the tensor. */
  max: number;
  /** How the image was prepared. */
  recipe: Recipe;
}

/**
 * Writes what a model sees of an image: as a picture (after resizing, before scaling), or as the tensor.
 *
 * @param image Path or http(s) address.
 * @param options Recipe and output.
 * @throws TensorRTError `IMAGE_INVALID`, `DOWNLOAD_FAILED`, `RECIPE_INVALID`, `WRITE_FAILED`;
 *   RangeError when the output is neither .png nor .npy.
 */
export async function preprocessFile(
  image: string,
  options: PreprocessFileOptions,
): Promise<PreprocessFileResult> {
  const { out, signal } = options;
  const extension = extname(out).toLowerCase();
  if (extension !== '.png' && extension !== '.npy') {
    throw expected('out', 'a file named .png or .npy', out, 'range');
  }
  const { recipe } = await taskRecipe(options, []);
  const pixels = await readImage(image, recipe, defined({ signal }));
  const tensor = pixelsToTensor(pixels, recipe);
  const { width, height } = pixels;
  signal?.throwIfAborted();
  await savePreview(out, pixels, recipe);
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const value of tensor.data) {
    min = Math.min(min, value);
    max = Math.max(max, value);
  }
  return { file: out, width, height, shape: tensor.dims, min, max, recipe };
}
