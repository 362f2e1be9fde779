import { defined } from '../../defined.js';
import { amaxOf, type CalibrationTable, type TensorRange } from '../ranges.js';

/**
 * What can be wrong with a range. `zero`: all values were 0, so the scale is 0. `negative`: the
 * recorded number is below 0, as ONNX Runtime ≥ 1.20 writes for a tensor without positive values.
 * `infinite` and `nan`: a bound is. `inverted`: lowest is above highest. `tiny`: amax is below 1e-6.
 * `outlier`: amax is above 1,000 times the table's median.
 */
export type RangeFinding =
  | 'zero'
  | 'negative'
  | 'infinite'
  | 'nan'
  | 'inverted'
  | 'tiny'
  | 'outlier';

const TINY = 1e-6;
const OUTLIER_FACTOR = 1000;

/** One tensor of an {@link inspectTable} report. */
export interface TensorInspection {
  /** Name of the tensor. */
  name: string;
  /** Lower bound. */
  lowest: number;
  /** Upper bound. */
  highest: number;
  /** max(|lowest|, |highest|). */
  amax: number;
  /** Whether the source holds both bounds, not their magnitude alone. */
  boundsKnown: boolean;
  /** Bins, values and edges of its histogram, when the table has one. */
  histogram?: {
    bins: number;
    values: number;
    lowest: number;
    highest: number;
    /** Values per bin. */
    counts: Float64Array;
  };
  /** What is suspicious about it. */
  findings: RangeFinding[];
}

/** What {@link inspectTable} finds. */
export interface TableInspection {
  /** How the ranges were computed; absent when the table does not say. */
  method?: string;
  /** First line of a TensorRT cache. */
  nativeHeader?: string;
  /** Every tensor in the table's order. */
  tensors: TensorInspection[];
  /** Names by finding; findings that do not occur are absent. */
  findings: Partial<Record<RangeFinding, string[]>>;
  /** The table's own warnings. */
  warnings: readonly string[];
}

/**
 * Lists the ranges of a table and what is suspicious about them.
 *
 * @param table The table.
 */
export function inspectTable(table: CalibrationTable): TableInspection {
  const amaxes = Array.from(table.ranges.values(), amaxOf)
    .filter((amax) => amax > 0 && Number.isFinite(amax))
    .sort((a, b) => a - b);
  const median = amaxes[amaxes.length >> 1] ?? 0;
  const findings: Partial<Record<RangeFinding, string[]>> = {};
  const tensors = Array.from(table.ranges, ([name, range]) => {
    const tensor = inspectRange(name, range, median);
    for (const finding of tensor.findings) {
      const names = findings[finding] ?? [];
      names.push(name);
      findings[finding] = names;
    }
    return tensor;
  });
  return {
    ...(table.methodKnown ? { method: table.method } : {}),
    ...defined({ nativeHeader: table.nativeHeader }),
    tensors,
    findings,
    warnings: table.warnings,
  };
}

function inspectRange(name: string, range: TensorRange, median: number): TensorInspection {
  const { lowest, highest, histogram } = range;
  const amax = amaxOf(range);
  const holds: Record<RangeFinding, boolean> = {
    zero: amax === 0,
    negative: range.recorded !== undefined && range.recorded < 0,
    infinite: amax === Number.POSITIVE_INFINITY,
    nan: Number.isNaN(amax),
    inverted: lowest > highest,
    tiny: amax > 0 && amax < TINY,
    outlier: median > 0 && Number.isFinite(amax) && amax > OUTLIER_FACTOR * median,
  };
  return {
    name,
    lowest,
    highest,
    amax,
    boundsKnown: range.recorded === undefined,
    ...(histogram === undefined
      ? {}
      : {
          histogram: {
            bins: histogram.counts.length,
            values: histogram.counts.reduce((sum, count) => sum + count, 0),
            lowest: histogram.edges[0] ?? Number.NaN,
            highest: histogram.edges.at(-1) ?? Number.NaN,
            counts: histogram.counts,
          },
        }),
    findings: (Object.keys(holds) as RangeFinding[]).filter((finding) => holds[finding]),
  };
}
