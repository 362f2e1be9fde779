import { readFile } from 'node:fs/promises';
import { defined } from '../defined.js';
import { messageOf, systemCode, TensorRTError } from '../errors.js';
import { PRESETS, type PresetName, type Recipe, type Resize } from './recipe.js';
import { checkRecipe } from './recipe-validation.js';

/** A recipe as a caller may give it; absent fields are those of the preset `notebook`. */
export interface RecipeFields extends Partial<Omit<Recipe, 'resize'>> {
  /** How the image gets its size; the fields that a mode has a default for may be left out. */
  readonly resize?:
    | Resize
    | { readonly mode: 'shorter-side'; readonly size: number }
    | { readonly mode: 'cover' | 'contain'; readonly width: number; readonly height: number };
}

/** Name of a preset, path of a JSON file, or the recipe itself. */
export type RecipeInput = PresetName | (string & {}) | RecipeFields;

/** Single values that replace those of a recipe: the command line's `--size` and `--divisor`. */
export interface RecipeOverrides {
  /** Shorter side, or both sides for `cover`, `contain` and `fill`. */
  size?: number;
  /** Multiple that both sides are cut to; `shorter-side` only. */
  divisor?: number;
}

function invalid(message: string, remedy: string, cause?: unknown): TensorRTError {
  return new TensorRTError('RECIPE_INVALID', message, {
    remedy,
    ...defined({ cause }),
  });
}

async function readRecipe(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const known = Object.keys(PRESETS).join(', ');
    throw invalid(
      systemCode(error) === 'ENOENT'
        ? `Recipe ${file} is neither a preset nor a file`
        : `Cannot read recipe ${file}: ${messageOf(error)}`,
      `Name a preset (${known}) or a JSON file.`,
      error,
    );
  }
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw invalid(
      `Recipe ${file} is not valid JSON: ${messageOf(error)}`,
      'Correct the file.',
      error,
    );
  }
}

function override(recipe: Recipe, { size, divisor }: RecipeOverrides): unknown {
  const { resize } = recipe;
  if (divisor !== undefined && resize.mode !== 'shorter-side') {
    throw invalid(
      `A divisor does not go with a recipe whose resize mode is ${resize.mode}`,
      'Leave the divisor out, or take a recipe with the mode shorter-side.',
    );
  }
  if (size !== undefined && resize.mode === 'none') {
    throw invalid(
      'A size does not go with a recipe whose resize mode is none',
      'Leave the size out, or take another recipe.',
    );
  }
  const sides =
    size === undefined
      ? {}
      : resize.mode === 'shorter-side'
        ? { size }
        : { width: size, height: size };
  return {
    ...recipe,
    resize: { ...resize, ...sides, ...defined({ divisor }) },
  };
}

/**
 * The complete recipe of a preset's name, a JSON file or an object.
 *
 * @param input Default: the preset `notebook`.
 * @param overrides Single values that replace the recipe's.
 * @throws TensorRTError `RECIPE_INVALID` that names the field, what was expected and what came.
 */
export async function resolveRecipe(
  input: RecipeInput = 'notebook',
  overrides: RecipeOverrides = {},
): Promise<Recipe> {
  let value: unknown = input;
  let where = 'Recipe';
  if (typeof input === 'string') {
    if (Object.hasOwn(PRESETS, input)) value = PRESETS[input as PresetName];
    else {
      value = await readRecipe(input);
      where = `Recipe ${input}`;
    }
  }
  const recipe = checkRecipe(value, where);
  if (overrides.size === undefined && overrides.divisor === undefined) return recipe;
  return checkRecipe(override(recipe, overrides), where);
}
