import { number } from '../../arguments.js';
import { amaxOf, type CalibrationTable, type TensorRange } from '../ranges.js';

/** A tensor whose ranges differ. */
export interface TensorDifference {
  /** Name of the tensor. */
  name: string;
  /** Bounds and magnitude in the first table. */
  a: { lowest: number; highest: number; amax: number };
  /** Bounds and magnitude in the second table. */
  b: { lowest: number; highest: number; amax: number };
  /** amax of the second over amax of the first. */
  ratio: number;
}

/** What {@link diffTables} finds. */
export interface TableDifference {
  /** Names that only the first table has. */
  onlyA: string[];
  /** Names that only the second table has. */
  onlyB: string[];
  /** Tensors whose ranges differ, the largest change of magnitude first. */
  changed: TensorDifference[];
  /** Number of tensors whose ranges agree. */
  same: number;
}

/**
 * Compares two tables. Where one of them knows magnitudes alone, magnitudes are compared.
 *
 * @param a The first table.
 * @param b The second table.
 * @param options `tolerance`: how far bounds may lie apart, relative to the larger amax; 0 by default.
 * @throws TypeError or RangeError for a wrong tolerance.
 */
export function diffTables(
  a: CalibrationTable,
  b: CalibrationTable,
  options: { tolerance?: number } = {},
): TableDifference {
  const what = 'a number of at least 0';
  const tolerance = number('tolerance', options.tolerance ?? 0, what, (value) => value >= 0);
  const changed: TensorDifference[] = [];
  let same = 0;
  for (const [name, x] of a.ranges) {
    const y = b.ranges.get(name);
    if (y === undefined) continue;
    if (agree(x, y, tolerance)) same += 1;
    else changed.push({ name, a: summary(x), b: summary(y), ratio: amaxOf(y) / amaxOf(x) });
  }
  return {
    onlyA: Array.from(a.ranges.keys()).filter((name) => !b.ranges.has(name)),
    onlyB: Array.from(b.ranges.keys()).filter((name) => !a.ranges.has(name)),
    changed: changed.sort((p, q) => compareDistance(q, p)),
    same,
  };
}

function agree(x: TensorRange, y: TensorRange, tolerance: number): boolean {
  const allowed = tolerance * Math.max(amaxOf(x), amaxOf(y));
  const close = (p: number, q: number) => Object.is(p, q) || Math.abs(p - q) <= allowed;
  if (x.recorded !== undefined || y.recorded !== undefined) return close(amaxOf(x), amaxOf(y));
  return close(x.lowest, y.lowest) && close(x.highest, y.highest);
}

function summary(range: TensorRange) {
  return { lowest: range.lowest, highest: range.highest, amax: amaxOf(range) };
}

/** A doubling counts as much as a halving; what has no ratio comes first. */
function distance({ ratio }: TensorDifference): number {
  const log = Math.abs(Math.log(ratio));
  return Number.isNaN(log) ? Number.POSITIVE_INFINITY : log;
}

function compareDistance(p: TensorDifference, q: TensorDifference): number {
  const x = distance(p);
  const y = distance(q);
  return x === y ? 0 : x - y;
}
