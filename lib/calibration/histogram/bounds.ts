import { baseBinding } from '../../runtime/index.js';

/** What one pass over values tells: all that is needed to lay out a histogram of them. */
export interface ValueBounds {
  /** Smallest value, NaN left out; +∞ when there was none. */
  lowest: number;
  /** Largest value, NaN left out; −∞ when there was none. */
  highest: number;
  /** Smallest magnitude, NaN left out; +∞ when there was none. */
  smallest: number;
  /** Whether one of the values was NaN. */
  nan: boolean;
}

/** The bounds of no values: what merging starts from. */
export function emptyBounds(): ValueBounds {
  return {
    lowest: Number.POSITIVE_INFINITY,
    highest: Number.NEGATIVE_INFINITY,
    smallest: Number.POSITIVE_INFINITY,
    nan: false,
  };
}

/**
 * Widens `bounds` by these values.
 *
 * @param values Any number of values.
 * @param bounds Changed in place; {@link emptyBounds} by default.
 */
export function scanBounds(values: Float32Array, bounds = emptyBounds()): ValueBounds {
  let { lowest, highest, smallest, nan } = bounds;
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i] as number;
    const magnitude = Math.abs(value);
    if (value < lowest) lowest = value;
    if (value > highest) highest = value;
    if (magnitude < smallest) smallest = magnitude;
    if (Number.isNaN(value)) nan = true;
  }
  bounds.lowest = lowest;
  bounds.highest = highest;
  bounds.smallest = smallest;
  bounds.nan = nan;
  return bounds;
}

/** Numbers of an array in what the native scan returns. */
const NUMBERS = 4;

/** The bounds of each of some arrays; zeros come without a sign. */
export function boundsOfAll(arrays: readonly Float32Array[]): ValueBounds[] {
  const native = baseBinding()?.scanBounds(arrays);
  return arrays.map((values, i) => {
    if (native === undefined) {
      const bounds = scanBounds(values);
      return { ...bounds, lowest: bounds.lowest + 0, highest: bounds.highest + 0 };
    }
    const [lowest, highest, smallest, nan] = native.subarray(i * NUMBERS, (i + 1) * NUMBERS);
    return { lowest: lowest!, highest: highest!, smallest: smallest!, nan: nan === 1 };
  });
}

/**
 * The bounds after values were brought within limits.
 *
 * @param bounds The bounds before.
 * @param limits The limits. The smallest magnitude is only exact when they leave all values as they are, or
 *   begin at 0 or above.
 */
export function clampBounds(
  bounds: ValueBounds,
  { lower, upper }: { readonly lower: number; readonly upper: number },
): ValueBounds {
  const { lowest, highest, smallest, nan } = bounds;
  // No values, or nothing but NaN.
  if (lowest > highest) return bounds;
  const clamp = (value: number) => Math.min(Math.max(value, lower), upper);
  return {
    lowest: clamp(lowest),
    highest: clamp(highest),
    smallest: lower >= 0 ? clamp(lowest) : smallest,
    nan,
  };
}

/** The bounds of two sets of values together; in any order the same. */
export function mergeValueBounds(a: ValueBounds, b: ValueBounds): ValueBounds {
  return {
    lowest: Math.min(a.lowest, b.lowest),
    highest: Math.max(a.highest, b.highest),
    smallest: Math.min(a.smallest, b.smallest),
    nan: a.nan || b.nan,
  };
}
