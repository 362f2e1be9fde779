import { defined } from '../../defined.js';
import { TensorRTError } from '../../errors.js';
import { CalibrationTable, type Histogram, type TensorRange } from '../ranges.js';
import { listNames } from './names.js';
import { checkParts, mergeMetas, nameOf, partWarnings } from './parts.js';

/**
 * The smaller and the larger of two bounds, NaN left out as numpy's nanmin and nanmax do. Zeros are
 * ordered by sign, so that the result does not depend on the order of the operands.
 */
export function mergeBounds(
  a: { lowest: number; highest: number },
  b: { lowest: number; highest: number },
): { lowest: number; highest: number } {
  const pick = (x: number, y: number, choose: (x: number, y: number) => number) =>
    Number.isNaN(x) ? y : Number.isNaN(y) ? x : choose(x, y);
  return {
    lowest: pick(a.lowest, b.lowest, Math.min),
    highest: pick(a.highest, b.highest, Math.max),
  };
}

/**
 * The sum of two histograms over the same edges. Counts are whole numbers below 2^53, so the sum is
 * exact and any order of merging gives the same.
 *
 * @throws TensorRTError `TABLE_MISMATCH` when the edges differ.
 */
export function mergeHistograms(a: Histogram, b: Histogram): Histogram {
  if (!equal(a.edges, b.edges)) {
    throw new TensorRTError('TABLE_MISMATCH', 'Histograms over different edges cannot be added', {
      remedy: 'Compute both with the same range and the same number of bins.',
    });
  }
  return { counts: a.counts.map((count, i) => count + (b.counts[i] as number)), edges: a.edges };
}

/**
 * Joins the MinMax tables of parts of the images into the table of all of them, bit for bit, whatever
 * their order.
 *
 * @param tables The partial tables. When one says which shard it is, all must, and each shard must be
 *   there once.
 * @throws TensorRTError `TABLE_INCOMPLETE` when a shard is missing or a table lacks a tensor,
 *   `TABLE_MISMATCH` when a shard is there twice, or models, recipes or methods differ.
 */
export function mergeTables(tables: readonly CalibrationTable[]): CalibrationTable {
  const [first, ...rest] = tables;
  if (first === undefined) throw new RangeError('Expected at least one table but received none');
  checkMethods(tables);
  checkParts(tables);
  const ranges = new Map<string, TensorRange>();
  for (const [name, { lowest, highest, dtype, channels }] of first.ranges) {
    let bounds = { lowest, highest };
    let merged = channels;
    for (const table of rest) {
      const range = rangeOf(table, name);
      bounds = mergeBounds(bounds, range);
      merged = mergeChannels(merged, range.channels, name);
    }
    ranges.set(name, {
      ...bounds,
      ...defined({ channels: merged, dtype }),
    });
  }
  for (const table of rest) {
    const extra = Array.from(table.ranges.keys()).filter((name) => !ranges.has(name));
    if (extra.length > 0) throw lacks(first, extra);
  }
  const meta = mergeMetas(tables);
  return new CalibrationTable(ranges, {
    method: 'minmax',
    warnings: partWarnings(tables),
    ...defined({ meta }),
  });
}

/** {@link mergeBounds}, channel by channel. */
function mergeChannels(
  a: TensorRange['channels'],
  b: TensorRange['channels'],
  name: string,
): TensorRange['channels'] {
  if (a?.lowest.length !== b?.lowest.length) {
    const message = `The parts have other numbers of channels in ${JSON.stringify(name)}`;
    throw new TensorRTError('TABLE_MISMATCH', message, {
      remedy: 'Merge tables of one model, all with ranges of channels or all without.',
    });
  }
  if (a === undefined || b === undefined) return undefined;
  const lowest = new Float64Array(a.lowest.length);
  const highest = new Float64Array(a.lowest.length);
  lowest.forEach((_, channel) => {
    const bounds = ({ lowest: low, highest: high }: NonNullable<typeof a>) => {
      return { lowest: low[channel]!, highest: high[channel]! };
    };
    const merged = mergeBounds(bounds(a), bounds(b));
    lowest[channel] = merged.lowest;
    highest[channel] = merged.highest;
  });
  return { lowest, highest };
}

function rangeOf(table: CalibrationTable, name: string): TensorRange {
  const range = table.ranges.get(name);
  if (range === undefined) throw lacks(table, [name]);
  return range;
}

function lacks(table: CalibrationTable, names: string[]): TensorRTError {
  return new TensorRTError(
    'TABLE_INCOMPLETE',
    `${nameOf(table)} lacks tensors that another table has: ${listNames(names)}`,
    { remedy: 'Merge tables of one model and one version of ONNX Runtime.' },
  );
}

function checkMethods(tables: readonly CalibrationTable[]): void {
  for (const table of tables) {
    const options = table.meta?.method?.options;
    const averaged = options?.movingAverage !== undefined && options.movingAverage !== false;
    const blind = Array.from(table.ranges.values()).some((range) => range.recorded !== undefined);
    const why = averaged
      ? 'a moving average depends on the order of the images'
      : table.method !== 'minmax'
        ? `its method is ${table.method}`
        : blind
          ? 'it has magnitudes alone, without the bounds of calibration.json'
          : undefined;
    if (why === undefined) continue;
    throw new TensorRTError('TABLE_MISMATCH', `${nameOf(table)} cannot be merged: ${why}`, {
      remedy: 'Calibrate the parts with the MinMax method and keep their calibration.json.',
    });
  }
}

function equal(a: Float32Array, b: Float32Array): boolean {
  return a.length === b.length && a.every((edge, i) => edge === b[i]);
}
