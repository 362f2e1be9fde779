import { dirname } from 'node:path';
import { findModel } from '../dataset/index.js';
import { defined } from '../defined.js';
import {
  type BuildOptions,
  type BuildResult,
  buildEngine,
  type EngineManifest,
  type ImageInputOptions,
  saveEngine,
} from '../engine/index.js';
import type { Recipe } from '../preprocess/index.js';
import { checkWritable } from './output.js';
import { type FoundRecipe, type RecipeOptions, taskRecipe } from './recipe.js';

/** Options of {@link buildFile}. */
export interface BuildFileOptions extends Omit<BuildOptions, 'recipe'>, RecipeOptions {
  /** Path of the engine. */
  out: string;
}

/** Result of {@link buildFile}. */
export interface BuildFileResult {
  /** Everything about the build but the plan's bytes. */
  build: Omit<BuildResult, 'plan'>;
  /** Files that were written: plan and manifest. */
  files: string[];
  /** What stands in the manifest. */
  manifest: EngineManifest;
}

/** What an engine does to bytes so that its model sees what the recipe makes of an image. */
export function imageInputOf({ scale, mean, std, colorOrder }: Recipe): ImageInputOptions {
  return { divisor: 1 / scale, mean, std, bgr: colorOrder === 'bgr' };
}

/**
 * Builds an engine from an ONNX model and writes it, with a manifest beside it that holds the recipe of
 * the images: the one that is given, else the model's own (`<model>.recipe.json`). With
 * `imageInput: true` that recipe's scale, mean, deviation and colour order go into the engine.
 *
 * @param model Path of an ONNX model, or of a folder that holds one.
 * @param options Where to write, recipe, and everything that {@link buildEngine} takes.
 * @throws As {@link buildEngine}; TensorRTError `WRITE_FAILED`, `RECIPE_INVALID`. Nothing is written
 *   then.
 */
export async function buildFile(
  model: string,
  options: BuildFileOptions,
): Promise<BuildFileResult> {
  const { out, recipe, size, divisor, ...rest } = options;
  await checkWritable(dirname(out));
  const path = await findModel(model);
  const asked = {
    ...defined({ recipe, size, divisor }),
  };
  const found: FoundRecipe = await taskRecipe(asked, [path]);
  // Without a word about it nobody knows how this model's images are prepared.
  const known = found.file !== undefined || Object.keys(asked).length > 0;
  const kept = known ? { recipe: found.recipe } : {};
  const imageInput = rest.imageInput === true ? imageInputOf(found.recipe) : rest.imageInput;
  const { plan, ...build } = await buildEngine(path, {
    ...rest,
    ...kept,
    ...defined({ imageInput }),
  });
  rest.signal?.throwIfAborted();
  const { planPath, manifestPath, manifest } = await saveEngine({ plan, ...build }, out, kept);
  return { build, files: [planPath, manifestPath], manifest };
}
