import { type BaseBinding, baseBinding, type PlanarOptions } from '../runtime/index.js';
import { Tensor } from '../tensor.js';
import type { Recipe } from './recipe.js';
import type { Pixels } from './resample.js';

/** The arithmetic of a recipe, ready for the inner loop. */
export type Normalization = Pick<Recipe, 'scale' | 'mean' | 'std' | 'colorOrder'>;

/** n when `scale` is 1 / n for an integer n; values are then divided by n, which rounds once. */
export function integerDivisor(scale: number): number | undefined {
  const divisor = Math.round(1 / scale);
  return divisor >= 1 && Math.abs(1 / scale - divisor) <= 1e-9 * divisor ? divisor : undefined;
}

/** What each of the 256 values becomes in output channel `channel`; every step is float32. */
function valueTable(recipe: Normalization, channel: number): Float32Array {
  const table = new Float32Array(256);
  const divisor = integerDivisor(recipe.scale);
  const scale = Math.fround(recipe.scale);
  const mean = recipe.mean === null ? 0 : Math.fround(recipe.mean[channel]!);
  const std = recipe.std === null ? 1 : Math.fround(recipe.std[channel]!);
  for (let value = 0; value < 256; value++) {
    const scaled = Math.fround(
      divisor === undefined ? value * scale : value / Math.fround(divisor),
    );
    table[value] = Math.fround(scaled - mean) / std;
  }
  return table;
}

/**
 * The inner loop in TypeScript, equal to the native module's in every bit: interleaved 8-bit RGB to
 * planes of float32. A byte has 256 values, so the arithmetic is done once for each of them.
 *
 * @param source `pixels · 3` bytes.
 * @param target Receives `3 · pixels` floats from `offset` on.
 * @param offset First element to write.
 * @param pixels Number of pixels.
 * @param recipe Scale, mean, standard deviation and colour order.
 */
export function interleavedToPlanar(
  source: Uint8Array,
  target: Float32Array,
  offset: number,
  pixels: number,
  recipe: Normalization,
): void {
  for (let channel = 0; channel < 3; channel++) {
    const table = valueTable(recipe, channel);
    let p = recipe.colorOrder === 'bgr' ? 2 - channel : channel;
    let out = offset + channel * pixels;
    for (const end = out + pixels; out < end; out++, p += 3) target[out] = table[source[p]!]!;
  }
}

let native: BaseBinding | null | undefined;

/** What the native module is told; undefined when it is not there or cannot do it. */
function nativeOptions(recipe: Normalization): PlanarOptions | undefined {
  const divisor = integerDivisor(recipe.scale);
  // Asked once: looking for a module that is not there costs a few file system calls.
  if (native === undefined) native = baseBinding() ?? null;
  if (native === null || divisor === undefined) return undefined;
  return {
    divisor,
    bgr: recipe.colorOrder === 'bgr',
    ...(recipe.mean === null ? {} : { mean: recipe.mean }),
    ...(recipe.std === null ? {} : { std: recipe.std }),
  };
}

/**
 * Writes one image into a batch, in the native module when it is built and the recipe divides (the
 * module does not multiply), else in TypeScript; both give the same bits.
 *
 * @param image The pixels.
 * @param recipe Scale, mean, standard deviation and colour order.
 * @param target Receives three planes of floats.
 * @param offset First element to write.
 */
export function packImage(
  image: Pixels,
  recipe: Normalization,
  target: Float32Array,
  offset: number,
): void {
  const pixels = image.width * image.height;
  const options = nativeOptions(recipe);
  if (options === undefined) interleavedToPlanar(image.data, target, offset, pixels, recipe);
  else native!.interleavedToPlanar(image.data, target, offset, pixels, options);
}

/** Elements from which packing is worth a turn on another thread. */
const LARGE = 500_000;

/**
 * Writes images of one size into a batch, one after the other. Large batches are written on libuv's
 * pool: 32 images of 288 × 288 would keep the event loop from its work for 2 ms.
 *
 * @param images The pixels.
 * @param recipe Scale, mean, standard deviation and colour order.
 * @param target Receives three planes of floats an image; exactly as long as they need.
 */
export async function packImages(
  images: readonly Pixels[],
  recipe: Normalization,
  target: Float32Array,
): Promise<void> {
  const options = nativeOptions(recipe);
  if (options !== undefined && target.length >= LARGE) {
    const data = images.map((image) => image.data);
    await native!.packImages(data, target, options);
    return;
  }
  images.forEach((image, row) => {
    packImage(image, recipe, target, (row * target.length) / images.length);
  });
}

/**
 * The tensor of one image: planes in the recipe's colour order, each value
 * `((x · scale) − mean) / std`, every step rounded to float32 as NumPy and PyTorch round it.
 *
 * @param pixels Pixels of `readImage`.
 * @param recipe Scale, mean, standard deviation and colour order.
 * @returns A new tensor of shape [1, 3, height, width].
 */
export function pixelsToTensor(pixels: Pixels, recipe: Recipe): Tensor<'float32'> {
  const data = new Float32Array(3 * pixels.width * pixels.height);
  packImage(pixels, recipe, data, 0);
  return new Tensor('float32', data, [1, 3, pixels.height, pixels.width]);
}
