import { findModel } from '../../dataset/index.js';
import { defined } from '../../defined.js';
import type { Recipe } from '../../preprocess/index.js';
import type { EvaluateOptions } from '../evaluate.js';
import { taskLabels } from '../labels.js';
import type { EngineOptions } from '../open-engine.js';
import { engineRecipe } from '../recipe.js';

/** The images that variants are compared on, and how they are prepared. */
export type CompareImages = Omit<
  EvaluateOptions,
  'against' | 'signal' | 'onProgress' | keyof EngineOptions
>;

/**
 * The images with recipe and labels looked up once, as `evaluate` looks them up for a model by path:
 * variants are open sessions, which have no path. Without a recipe of its own the model takes that of
 * its calibration.
 *
 * @param model Path of the model.
 * @param images What the caller gave.
 * @param calibration Where the ranges come from.
 * @throws TensorRTError `RECIPE_INVALID`, `LABELS_INVALID`.
 */
export async function compareImages(
  model: string,
  images: CompareImages,
  calibration: unknown,
): Promise<CompareImages & { recipe: Recipe }> {
  const { recipe: asked, size, divisor, ...rest } = images;
  const path = await findModel(model);
  const named = defined({ recipe: asked, size, divisor });
  const { recipe } = await engineRecipe(named, path, calibration);
  const labels =
    images.labels === false ? undefined : await taskLabels(images.labels, [path, images.images]);
  return { ...rest, recipe, labels: labels ?? false };
}
