import type { Kernel } from './recipe.js';

/** Fixed-point bits of a weight: 32 minus the 8 of a pixel, minus 2 of headroom. */
export const PRECISION_BITS = 22;

/** The weights of one axis: output `i` is the sum of `size[i]` inputs from `first[i]` on. */
export interface Coefficients {
  readonly first: Int32Array;
  readonly size: Int32Array;
  /** `stride` weights for each output, in units of 2⁻²². */
  readonly weights: Int32Array;
  readonly stride: number;
}

interface Filter {
  readonly support: number;
  weight(x: number): number;
}

function sinc(x: number): number {
  if (x === 0) return 1;
  const angle = x * Math.PI;
  return Math.sin(angle) / angle;
}

/** Keys' cubic with a = −0.5, the triangle, and Lanczos with three lobes. */
const FILTERS: Record<Exclude<Kernel, 'nearest'>, Filter> = {
  bicubic: {
    support: 2,
    weight(x) {
      const a = -0.5;
      const d = Math.abs(x);
      if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
      return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
    },
  },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** How many axes are kept: those of one size cost as much as a tenth of the resize. */
const KEPT_AXES = 32;
const kept = new Map<string, Coefficients>();

/**
 * Weights for resizing one axis, as Pillow computes them: the filter grows with the scale when the
 * image gets smaller, weights at the border are normalised to 1, then rounded to fixed point.
 *
 * @param input Extent of the image.
 * @param output Extent of the resized image.
 * @param kernel Filter.
 * @returns Kept for the next image: not to be changed.
 */
export function axisCoefficients(
  input: number,
  output: number,
  kernel: Exclude<Kernel, 'nearest'>,
): Coefficients {
  const key = `${input} ${output} ${kernel}`;
  const found = kept.get(key);
  if (found !== undefined) return found;
  const coefficients = computeCoefficients(input, output, kernel);
  // The oldest goes: folders hold images of a few sizes, or of sizes that hardly ever come again.
  if (kept.size === KEPT_AXES) kept.delete(kept.keys().next().value!);
  kept.set(key, coefficients);
  return coefficients;
}

function computeCoefficients(
  input: number,
  output: number,
  kernel: Exclude<Kernel, 'nearest'>,
): Coefficients {
  const filter = FILTERS[kernel];
  const scale = input / output;
  const filterScale = Math.max(scale, 1);
  const support = filter.support * filterScale;
  const stride = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(output);
  const size = new Int32Array(output);
  const weights = new Int32Array(output * stride);
  const raw = new Float64Array(stride);
  const step = 1 / filterScale;
  for (let i = 0; i < output; i++) {
    const center = (i + 0.5) * scale;
    const low = Math.max(0, Math.trunc(center - support + 0.5));
    const count = Math.min(input, Math.trunc(center + support + 0.5)) - low;
    let sum = 0;
    for (let k = 0; k < count; k++) {
      const weight = filter.weight((k + low - center + 0.5) * step);
      raw[k] = weight;
      sum += weight;
    }
    for (let k = 0; k < count; k++) {
      const weight = sum === 0 ? raw[k]! : raw[k]! / sum;
      // Rounding away from zero at halves, by truncation, as C does it.
      weights[i * stride + k] = Math.trunc(
        (weight < 0 ? -0.5 : 0.5) + weight * (1 << PRECISION_BITS),
      );
    }
    first[i] = low;
    size[i] = count;
  }
  return { first, size, weights, stride };
}

/** The input of each output for `nearest`; the position is summed up step by step, as Pillow does. */
export function nearestPositions(input: number, output: number): Int32Array {
  const step = input / output;
  const positions = new Int32Array(output);
  let position = step * 0.5;
  for (let i = 0; i < output; i++) {
    positions[i] = Math.min(input - 1, Math.trunc(position));
    position += step;
  }
  return positions;
}
