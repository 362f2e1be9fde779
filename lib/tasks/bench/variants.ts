import { expected } from '../../arguments.js';
import type { BuildOptions } from '../../engine/index.js';

/** What a variant of an engine changes about its build. */
export type VariantOptions = Pick<
  BuildOptions,
  'int8' | 'fp16' | 'bf16' | 'best' | 'tf32' | 'calibration' | 'imageInput'
>;

/** A way to build an engine, as `--compare` names it: `fp32`, `int8+fp16`. */
export interface Variant {
  /** Name in its usual spelling. */
  name: string;
  /** Options of the build. */
  options: VariantOptions;
}

const TOKENS = {
  fp32: {},
  fp16: { fp16: true },
  bf16: { bf16: true },
  int8: { int8: true },
  best: { best: true },
  noTF32: { tf32: false },
  imageInput: { imageInput: true },
} as const satisfies Record<string, VariantOptions>;

/** The variant that the others are held against. */
export const BASELINE = 'fp32';

function token(text: string, variant: string): keyof typeof TOKENS {
  const names = Object.keys(TOKENS) as (keyof typeof TOKENS)[];
  const found = names.find((name) => name.toLowerCase() === text.toLowerCase());
  if (found !== undefined) return found;
  throw expected('compare', `variants of ${names.join(', ')} joined by +`, variant, 'range');
}

/**
 * One variant from its name: precisions joined by `+`.
 *
 * @param text Such as `int8+fp16`.
 * @param calibration Ranges for those with `int8` and `best`.
 * @throws RangeError for unknown precisions, TypeError for int8 without ranges.
 */
export function parseVariant(
  text: string,
  calibration: BuildOptions['calibration'] | undefined,
): Variant {
  const tokens = text.split('+').map((part) => token(part.trim(), text));
  const name = tokens.join('+');
  const ranges = tokens.includes('int8') || tokens.includes('best');
  if (tokens.includes('int8') && calibration === undefined) {
    throw new TypeError(
      `Expected a calibration table for the variant ${name} but received none: calibrate first, and ` +
        'name its folder (--calibration DIR)',
    );
  }
  return {
    name,
    options: {
      ...Object.assign({}, ...tokens.map((one) => TOKENS[one])),
      ...(ranges && calibration !== undefined ? { calibration } : {}),
    },
  };
}

/**
 * The variants to compare, each once, FP32 first: it is what the others are held against.
 *
 * @param texts Names.
 * @param calibration See {@link parseVariant}.
 */
export function parseVariants(
  texts: readonly string[],
  calibration: BuildOptions['calibration'] | undefined,
): Variant[] {
  if (!Array.isArray(texts) || texts.length === 0) {
    throw expected('compare', 'names of variants', texts);
  }
  const variants = texts.map((text) => parseVariant(text, calibration));
  const baseline = variants.find(({ name }) => name === BASELINE) ?? {
    name: BASELINE,
    options: {},
  };
  const rest = variants.filter(
    ({ name }, index) =>
      name !== BASELINE && variants.findIndex((other) => other.name === name) === index,
  );
  return [baseline, ...rest];
}
