import { dirname } from 'node:path';
import { findModel } from '../dataset/index.js';
import { defined } from '../defined.js';
import {
  type BuildOptions,
  type BuildResult,
  buildEngine,
  type CacheExplanation,
  type EngineManifest,
  explainCache,
  saveEngine,
} from '../engine/index.js';
import type { Recipe } from '../preprocess/index.js';
import { checkWritable } from './output.js';
import { engineRecipe, type RecipeOptions, recipeArithmetic } from './recipe.js';

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

/** A build with what the model's recipe says. */
interface RecipeBuild {
  /** Path of the .onnx file. */
  path: string;
  /** For {@link buildEngine}. */
  options: BuildOptions;
  /** The recipe, when there is one of this model. */
  kept: { recipe?: Recipe };
}

async function recipeBuild(
  model: string,
  { recipe, size, divisor, ...rest }: Omit<BuildFileOptions, 'out'>,
): Promise<RecipeBuild> {
  const path = await findModel(model);
  const asked = defined({ recipe, size, divisor });
  const found = await engineRecipe(asked, path, rest.calibration);
  // Without a word about it nobody knows how this model's images are prepared.
  const known = found.file !== undefined || Object.keys(asked).length > 0;
  const kept = known ? { recipe: found.recipe } : {};
  const imageInput = rest.imageInput === true ? recipeArithmetic(found.recipe) : rest.imageInput;
  return { path, options: { ...rest, ...kept, ...defined({ imageInput }) }, kept };
}

/**
 * Says whether {@link buildFile} would take its engine from the cache, and if not, in what the engines
 * of that model which are there differ. Nothing is built.
 *
 * @param model Path of an ONNX model, or of a folder that holds one.
 * @param options Those of the build, but where to write.
 * @throws As {@link explainCache}; TensorRTError `MODEL_NOT_FOUND`, `RECIPE_INVALID`.
 */
export async function explainBuild(
  model: string,
  options: Omit<BuildFileOptions, 'out'> = {},
): Promise<CacheExplanation> {
  const build = await recipeBuild(model, options);
  return explainCache(build.path, build.options);
}

/**
 * Builds an engine from an ONNX model and writes it, with a manifest beside it that holds the recipe of
 * the images: the one that is given, else the model's own (`<model>.recipe.json`), else that of the
 * calibration. With `imageInput: true` that recipe's scale, mean, deviation and colour order go into the engine.
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
  const { out, ...rest } = options;
  await checkWritable(dirname(out));
  const { path, options: asked, kept } = await recipeBuild(model, rest);
  const { plan, ...build } = await buildEngine(path, asked);
  rest.signal?.throwIfAborted();
  const { files, manifest } = await saveEngine({ plan, ...build }, out, kept);
  return { build, files, manifest };
}
