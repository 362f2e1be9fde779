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

/** The bounds of two sets of values together; in any order the same. */
export function mergeValueBounds(a: ValueBounds, b: ValueBounds): ValueBounds {
  return {
    lowest: Math.min(a.lowest, b.lowest),
    highest: Math.max(a.highest, b.highest),
    smallest: Math.min(a.smallest, b.smallest),
    nan: a.nan || b.nan,
  };
}
