import { TensorRTError } from '../errors.js';
import { PRESETS, type Recipe, type Resize } from './recipe.js';

/** Largest side that a recipe may ask for, in pixels. */
const MAX_SIDE = 16_384;

type Fields = Record<string, unknown>;

/** Checks one recipe; `where` names it in messages: a file, or "recipe". */
class Checker {
  readonly #where: string;

  constructor(where: string) {
    this.#where = where;
  }

  fail(field: string, what: string, received: unknown): TensorRTError {
    const shown = received === undefined ? 'nothing' : JSON.stringify(received);
    return new TensorRTError(
      'RECIPE_INVALID',
      `${this.#where}: expected ${what} for ${field} but received ${shown}`,
      { remedy: 'Correct that field; docs/calibration.md describes recipes.' },
    );
  }

  fields(name: string, value: unknown, known: readonly string[]): Fields {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw this.fail(name, 'an object', value);
    }
    for (const key of Object.keys(value)) {
      if (known.includes(key)) continue;
      throw new TensorRTError(
        'RECIPE_INVALID',
        `${this.#where}: unknown field ${JSON.stringify(key)} in ${name}; known are ${known.join(', ')}`,
        { remedy: 'Remove that field, or correct its name.' },
      );
    }
    return value as Fields;
  }

  choice<const T>(field: string, value: unknown, choices: readonly T[]): T {
    if (choices.includes(value as T)) return value as T;
    const list = choices.map((choice) => JSON.stringify(choice));
    throw this.fail(field, list.length === 1 ? list[0]! : `one of ${list.join(', ')}`, value);
  }

  integer(field: string, value: unknown, min: number, max: number): number {
    if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) {
      return value as number;
    }
    throw this.fail(field, `an integer from ${min} to ${max}`, value);
  }

  number(field: string, value: unknown, what: string, test: (value: number) => boolean): number {
    if (typeof value === 'number' && Number.isFinite(value) && test(value)) return value;
    throw this.fail(field, what, value);
  }

  triple(
    field: string,
    value: unknown,
    what: string,
    test: (value: number) => boolean,
  ): readonly [number, number, number] {
    if (!Array.isArray(value) || value.length !== 3) {
      throw this.fail(field, `a list of 3 numbers, one for each channel,`, value);
    }
    value.forEach((part, index) => {
      this.number(`${field}[${index}]`, part, what, test);
    });
    return [value[0], value[1], value[2]];
  }

  resize(value: unknown): Resize {
    const { mode } = this.fields('resize', value, RESIZE_FIELDS);
    const own = (...names: string[]) => this.fields('resize', value, ['mode', ...names]);
    const side = (field: string, part: unknown) =>
      this.integer(`resize.${field}`, part, 1, MAX_SIDE);
    switch (this.choice('resize.mode', mode, RESIZE_MODES)) {
      case 'shorter-side': {
        const { size, divisor = 1 } = own('size', 'divisor');
        const checked = side('size', size);
        return {
          mode: 'shorter-side',
          size: checked,
          divisor: this.integer('resize.divisor', divisor, 0, checked),
        };
      }
      case 'cover': {
        const { width, height, cropFraction = 1 } = own('width', 'height', 'cropFraction');
        return {
          mode: 'cover',
          width: side('width', width),
          height: side('height', height),
          cropFraction: this.number(
            'resize.cropFraction',
            cropFraction,
            'a number from 0.1 to 1',
            (part) => part >= 0.1 && part <= 1,
          ),
        };
      }
      case 'contain': {
        const { width, height, background = [0, 0, 0] } = own('width', 'height', 'background');
        return {
          mode: 'contain',
          width: side('width', width),
          height: side('height', height),
          background: this.triple(
            'resize.background',
            background,
            'an integer from 0 to 255',
            (part) => Number.isInteger(part) && part >= 0 && part <= 255,
          ),
        };
      }
      case 'fill': {
        const { width, height } = own('width', 'height');
        return { mode: 'fill', width: side('width', width), height: side('height', height) };
      }
      case 'none':
        own();
        return { mode: 'none' };
    }
  }
}

const RESIZE_MODES = ['shorter-side', 'cover', 'contain', 'fill', 'none'] as const;
const RESIZE_FIELDS = [
  'mode',
  'size',
  'divisor',
  'width',
  'height',
  'cropFraction',
  'background',
] as const;

/**
 * Completes and checks a recipe; fields that are absent are those of the preset `notebook`.
 *
 * @param value What should be a recipe.
 * @param where What to call it in messages.
 * @throws TensorRTError `RECIPE_INVALID` that names the field, what was expected and what came.
 */
export function checkRecipe(value: unknown, where: string): Recipe {
  const check = new Checker(where);
  const base = PRESETS.notebook;
  const given = check.fields('the recipe', value, Object.keys(base));
  const field = <K extends keyof Recipe>(name: K): unknown =>
    given[name] === undefined ? base[name] : given[name];
  const finite = () => true;
  return {
    version: check.choice('version', field('version'), [1]),
    colorOrder: check.choice('colorOrder', field('colorOrder'), ['rgb', 'bgr']),
    resize: check.resize(field('resize')),
    kernel: check.choice('kernel', field('kernel'), ['bicubic', 'bilinear', 'lanczos', 'nearest']),
    scale: check.number('scale', field('scale'), 'a number over 0', (scale) => scale > 0),
    mean: given.mean == null ? null : check.triple('mean', given.mean, 'a finite number', finite),
    std:
      given.std == null
        ? null
        : check.triple('std', given.std, 'a number over 0', (std) => std > 0),
    layout: check.choice('layout', field('layout'), ['NCHW']),
    dtype: check.choice('dtype', field('dtype'), ['float32']),
    autoOrient: check.choice('autoOrient', field('autoOrient'), [true, false]),
  };
}
