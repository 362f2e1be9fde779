/** A distribution of times, in milliseconds. */
export interface TimeSummary {
  /** How many times there are. */
  count: number;
  /** Shortest. */
  min: number;
  /** Longest. */
  max: number;
  /** Arithmetic mean. */
  mean: number;
  /** The middle one; the mean of the two middle ones of an even number. */
  median: number;
  /** The percentiles that were asked for, by name: `p90`, `p95`, `p99`. */
  percentiles: Record<string, number>;
  /** Standard deviation over mean, in percent: how unsteady it is. */
  coefficientOfVariation: number;
}

/**
 * The percentile as trtexec counts it: of n sorted times the one that leaves
 * trunc((100 − p) · n / 100) behind it.
 *
 * @param sorted Times in ascending order.
 * @param percent From 0 to 100.
 */
export function percentileOf(sorted: ArrayLike<number>, percent: number): number {
  const excluded = Math.trunc(((100 - percent) * sorted.length) / 100);
  return sorted[Math.max(sorted.length - 1 - excluded, 0)] ?? Number.NaN;
}

/** The middle of sorted times. */
export function medianOf(sorted: ArrayLike<number>): number {
  const middle = Math.floor(sorted.length / 2);
  if (sorted.length % 2 === 1) return sorted[middle]!;
  return sorted.length === 0 ? Number.NaN : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * Sums up times.
 *
 * @param times In milliseconds, in any order.
 * @param percentiles Which percentiles, each from 0 to 100.
 */
export function summarize(
  times: ArrayLike<number>,
  percentiles: readonly number[] = [90, 95, 99],
): TimeSummary {
  const sorted = Float64Array.from(times).sort();
  const count = sorted.length;
  const mean = sorted.reduce((sum, time) => sum + time, 0) / count;
  const variance = sorted.reduce((sum, time) => sum + (time - mean) ** 2, 0) / count;
  return {
    count,
    min: sorted[0] ?? Number.NaN,
    max: sorted[count - 1] ?? Number.NaN,
    mean,
    median: medianOf(sorted),
    percentiles: Object.fromEntries(
      percentiles.map((percent) => [`p${percent}`, percentileOf(sorted, percent)]),
    ),
    coefficientOfVariation: mean === 0 ? 0 : (Math.sqrt(variance) / mean) * 100,
  };
}

/** Times of the stages that {@link benchWarnings} looks at. */
export interface BoundTimes {
  /** Launching, on the CPU. */
  enqueue: TimeSummary;
  /** Upload, on the GPU. */
  h2d: TimeSummary;
  /** Computation, on the GPU. */
  compute: TimeSummary;
  /** Download, on the GPU. */
  d2h: TimeSummary;
}

/** Something about the figures that the reader should know; `code` is stable. */
export interface BenchWarning {
  /** Which of trtexec's rules it comes from. */
  code: 'enqueue-bound' | 'upload-bound' | 'download-bound' | 'unstable';
  /** In words, with what can be done. */
  text: string;
}

/** Part of the computation above which launching it decides the throughput. */
const ENQUEUE_BOUND = 0.8;
/** Coefficient of variation of the computation above which it is unstable, in percent. */
const UNSTABLE_PERCENT = 1;

/**
 * trtexec's warnings: the median launch takes more than 0.8 of the median computation; the median upload
 * or download takes at least as long as the computation; the computation's coefficient of variation is
 * above 1 %.
 *
 * @param times Of the stages.
 */
export function benchWarnings({ enqueue, h2d, compute, d2h }: BoundTimes): BenchWarning[] {
  const warnings: BenchWarning[] = [];
  const than = `the computation, ${compute.median.toFixed(3)} ms`;
  if (enqueue.median > ENQUEUE_BOUND * compute.median) {
    warnings.push({
      code: 'enqueue-bound',
      text:
        `Launching takes ${enqueue.median.toFixed(3)} ms beside ${than}: the CPU may limit the ` +
        'throughput. CUDA graphs (--useCudaGraph) make it shorter.',
    });
  }
  const transfers = [
    [
      'upload-bound',
      'Uploading the inputs',
      h2d,
      'uint8 images (--imageInput) are a quarter of it',
    ],
    ['download-bound', 'Downloading the outputs', d2h, 'fewer or smaller outputs are faster'],
  ] as const;
  for (const [code, what, { median }, advice] of transfers) {
    if (median < compute.median) continue;
    warnings.push({
      code,
      text:
        `${what} takes ${median.toFixed(3)} ms beside ${than}: transfers may limit the throughput; ` +
        `${advice}. --noDataTransfers measures without them.`,
    });
  }
  if (compute.coefficientOfVariation > UNSTABLE_PERCENT) {
    warnings.push({
      code: 'unstable',
      text:
        'The computation is unstable: its coefficient of variation is ' +
        `${compute.coefficientOfVariation.toFixed(2)} %. Lock the GPU's clocks, or try --useSpinWait.`,
    });
  }
  return warnings;
}
