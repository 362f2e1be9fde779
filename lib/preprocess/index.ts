export {
  type BatchOptions,
  type BrokenImage,
  type ImageBatch,
  imageBatches,
  pixelBatches,
} from './batches.js';
export { preprocessImage, type ReadImageOptions, readImage } from './image.js';
export { packImage, pixelsToTensor } from './planar.js';
export { encodeNpy, pixelsToPng, savePreview, writeNpy } from './preview.js';
export { type Kernel, PRESETS, type PresetName, type Recipe, type Resize } from './recipe.js';
export type { Pixels } from './resample.js';
export {
  type RecipeFields,
  type RecipeInput,
  type RecipeOverrides,
  resolveRecipe,
} from './resolve.js';
export { type FoundSize, fixedSize, type ImageSize, imageSizes } from './sizes.js';
