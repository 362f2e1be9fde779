import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { isUrl } from '../dataset/index.js';
import { messageOf } from '../errors.js';
import { decodeBmp } from './bmp.js';
import { imageInvalid } from './decode.js';
import { planResize } from './geometry.js';
import { type ReadImageOptions, readImage } from './image.js';
import { loadSharp } from './load-sharp.js';
import { orderedPrefetch, PrefetchDepth } from './prefetch.js';
import type { Recipe, Resize } from './recipe.js';
import { sniff } from './sniff.js';

/** Height and width in pixels. */
export interface ImageSize {
  height: number;
  width: number;
}

/** What {@link imageSizes} finds. */
export interface FoundSize extends ImageSize {
  /** How many images have that size. */
  images: number;
}

/** The size that a resize mode gives every image; `undefined` when it depends on the image. */
export function fixedSize(resize: Resize): ImageSize | undefined {
  if (resize.mode === 'none' || resize.mode === 'shorter-side') return undefined;
  return { height: resize.height, width: resize.width };
}

async function sizeOf(
  source: string,
  recipe: Recipe,
  options: ReadImageOptions,
): Promise<ImageSize> {
  if (isUrl(source)) {
    const { height, width } = await readImage(source, recipe, options);
    return { height, width };
  }
  const path = options.root === undefined ? source : resolve(options.root, source);
  try {
    const bytes = await readFile(path);
    const header =
      sniff(bytes) === 'bmp' ? decodeBmp(bytes) : await (await loadSharp())(bytes).metadata();
    const turned = recipe.autoOrient && 'autoOrient' in header ? header.autoOrient : header;
    const { canvas, keptHeight, keptWidth } = planResize(
      recipe.resize,
      turned.width,
      turned.height,
    );
    return { height: canvas?.height ?? keptHeight, width: canvas?.width ?? keptWidth };
  } catch (error) {
    throw imageInvalid(path, messageOf(error), error);
  }
}

/**
 * The sizes that a recipe makes of images, without decoding them: their headers tell. Images that cannot
 * be read are left out; whoever decodes them says why.
 *
 * @param sources Paths (relative to `root`) or http(s) addresses.
 * @param recipe What is done to each image.
 * @param options Root, abort signal.
 * @returns Each size once, the most frequent first.
 * @throws `signal.reason` when aborted.
 */
export async function imageSizes(
  sources: readonly string[],
  recipe: Recipe,
  options: ReadImageOptions = {},
): Promise<FoundSize[]> {
  const fixed = fixedSize(recipe.resize);
  if (fixed !== undefined) return [{ ...fixed, images: sources.length }];
  const found = new Map<string, FoundSize>();
  const read = (source: string, signal: AbortSignal) =>
    sizeOf(source, recipe, { ...options, signal });
  const { current } = new PrefetchDepth();
  for await (const result of orderedPrefetch(sources, read, () => current, options.signal)) {
    if (!result.ok) continue;
    const { height, width } = result.value;
    const key = `${height}x${width}`;
    const size = found.get(key) ?? { height, width, images: 0 };
    size.images += 1;
    found.set(key, size);
  }
  return [...found.values()].sort((a, b) => b.images - a.images);
}
