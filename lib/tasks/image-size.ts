import type { Recipe, Resize } from '../preprocess/index.js';
import { type ImageInput, sizeMismatch } from './image-input.js';

/** What a resize mode makes of every image, as far as it does not depend on the image. */
function outcome(resize: Resize): { sides?: [height: number, width: number]; shorter?: number } {
  switch (resize.mode) {
    case 'none':
      return {};
    case 'shorter-side': {
      const { size, divisor } = resize;
      return { shorter: divisor > 0 ? size - (size % divisor) : size };
    }
    default:
      return { sides: [resize.height, resize.width] };
  }
}

/**
 * Holds a recipe against a model's fixed input size before anything is read or run.
 *
 * @param input The model's input.
 * @param recipe The recipe.
 * @throws TensorRTError `MODEL_UNSUPPORTED` that names both sizes, when no image can fit.
 */
export function checkRecipe(input: ImageInput, recipe: Recipe): void {
  const { height, width } = input;
  const { sides, shorter } = outcome(recipe.resize);
  if (sides !== undefined) {
    const [h, w] = sides;
    if ((height ?? h) !== h || (width ?? w) !== w) {
      throw sizeMismatch(input, `the recipe makes ${h}×${w} of every image`);
    }
  }
  if (shorter !== undefined) {
    // With one side free, an image of the right shape may fit still.
    const fits =
      height !== undefined && width !== undefined
        ? Math.min(height, width) === shorter
        : (height ?? width ?? shorter) >= shorter;
    if (!fits) {
      throw sizeMismatch(input, `the recipe makes the shorter side of every image ${shorter}`);
    }
  }
}
