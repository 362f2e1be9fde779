import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CalibrationTable, decodeMeta, readTable, TABLE_FILES } from '../calibration/index.js';
import { defined } from '../defined.js';
import type { ImageInputOptions } from '../engine/index.js';
import { TensorRTError } from '../errors.js';
import { type Recipe, type RecipeInput, resolveRecipe } from '../preprocess/index.js';

/** How images are prepared; the same for calibration, classification and evaluation. */
export interface RecipeOptions {
  /**
   * Name of a preset, path of a recipe file, path of a calibration folder (whose recipe is taken), or
   * an object. By default the recipe beside the model (`<model>.recipe.json`), else `notebook`.
   */
  recipe?: RecipeInput;
  /** Pixels of the resized image, in place of the recipe's. */
  size?: number;
  /** The crop's multiple, in place of the recipe's. */
  divisor?: number;
}

/** A recipe, and where it was found when nobody named it. */
export interface FoundRecipe {
  /** The complete recipe. */
  recipe: Recipe;
  /** The file it comes from, when it was found beside a model or in a calibration folder. */
  file?: string;
}

/** Where the recipe of a model or an engine lies: beside it. */
export function recipeFile(model: string): string {
  return `${model}.recipe.json`;
}

/** What an engine does to bytes so that its model sees what the recipe makes of an image. */
export function recipeArithmetic({ scale, mean, std, colorOrder }: Recipe): ImageInputOptions {
  return { divisor: 1 / scale, mean, std, bgr: colorOrder === 'bgr' };
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** The recipe in a calibration.meta.json, when `path` is one or a folder that holds one. */
async function recipeOfTable(path: string): Promise<FoundRecipe | undefined> {
  const info = await stat(path).catch(() => undefined);
  const isMeta = path.endsWith(TABLE_FILES.meta);
  if (info === undefined || (!info.isDirectory() && !isMeta)) return undefined;
  const file = isMeta ? path : join(path, TABLE_FILES.meta);
  const bytes = await readFile(file).catch((error: unknown) => {
    throw new TensorRTError(
      'RECIPE_INVALID',
      `No recipe in ${path}: it has no ${TABLE_FILES.meta}`,
      {
        remedy: 'Give a recipe file, the name of a preset, or a folder that `calibrate` wrote.',
        cause: error,
      },
    );
  });
  const { recipe } = decodeMeta(bytes, file);
  if (recipe === undefined) {
    throw new TensorRTError('RECIPE_INVALID', `${file} names no recipe`, {
      remedy: 'Give a recipe file or the name of a preset.',
    });
  }
  return { recipe: await resolveRecipe(recipe as RecipeInput), file };
}

/** A recipe that was written down with an engine, and the file it stands in. */
export interface RecordedRecipe {
  recipe: unknown;
  file: string;
}

/**
 * The recipe that a task uses.
 *
 * @param options What the caller asked for.
 * @param models Paths of the models, whose own recipes are taken when the caller names none.
 * @param recorded Recipes in the manifests of engines, which are taken when nothing lies beside.
 * @throws TensorRTError `RECIPE_INVALID`.
 */
export async function taskRecipe(
  options: RecipeOptions,
  models: readonly string[],
  recorded: readonly RecordedRecipe[] = [],
): Promise<FoundRecipe> {
  const { recipe, size, divisor } = options;
  const overrides = {
    ...defined({ size, divisor }),
  };
  if (recipe === undefined && size === undefined && divisor === undefined) {
    for (const model of models) {
      const file = recipeFile(model);
      if (await exists(file)) return { recipe: await resolveRecipe(file), file };
    }
    for (const { recipe: known, file } of recorded) {
      return { recipe: await resolveRecipe(known as RecipeInput), file };
    }
    return { recipe: await resolveRecipe() };
  }
  const found = typeof recipe === 'string' ? await recipeOfTable(recipe) : undefined;
  if (found === undefined) return { recipe: await resolveRecipe(recipe, overrides) };
  return { ...found, recipe: await resolveRecipe(found.recipe, overrides) };
}

/** The recipe that a table was measured with, where that is known. */
async function recordedWith(calibration: unknown): Promise<RecordedRecipe[]> {
  const isPath = typeof calibration === 'string';
  // What is neither is for the build to refuse.
  if (!isPath && !(calibration instanceof CalibrationTable)) return [];
  const { meta, source } = isPath ? await readTable(calibration) : calibration;
  if (meta?.recipe === undefined) return [];
  if (source === undefined) return [{ recipe: meta.recipe, file: 'the calibration table' }];
  const isFolder = (await stat(source).catch(() => undefined))?.isDirectory() === true;
  const folder = isFolder ? source : dirname(source);
  return [{ recipe: meta.recipe, file: join(folder, TABLE_FILES.meta) }];
}

/**
 * The recipe of the images that an engine is built for: what is asked for, else the one beside the model,
 * else the one that the model was calibrated with.
 *
 * @param options What the caller asked for.
 * @param model Path of the model.
 * @param calibration Where the ranges of the build come from.
 * @throws TensorRTError `RECIPE_INVALID`, and as reading a table.
 */
export async function engineRecipe(
  options: RecipeOptions,
  model: string,
  calibration: unknown,
): Promise<FoundRecipe> {
  const { recipe, size, divisor } = options;
  const asked = defined({ recipe, size, divisor });
  const named = Object.keys(asked).length > 0 || (await exists(recipeFile(model)));
  return taskRecipe(asked, [model], named ? [] : await recordedWith(calibration));
}
