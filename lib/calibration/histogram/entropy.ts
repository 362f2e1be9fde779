import { TensorRTError } from '../../errors.js';
import type { TensorRange } from '../ranges.js';
import type { CollectedHistogram } from './collector.js';
import { f32, pairwiseSum32 } from './float32.js';

/** What ONNX Runtime puts in place of an empty bin. */
const EPSILON = 0.0001;

/**
 * ONNX Runtime's Entropy: of all pairs of edges around the middle bin, the one for which the
 * distribution and its quantization differ least (Kullback–Leibler), but not beyond the extremes.
 *
 * @param collected The histogram of values.
 * @param numQuantizedBins Levels of the quantized distribution; 128 upstream.
 * @throws TensorRTError `CALIBRATION_FAILED` where upstream refuses: fewer bins than levels, or so few
 *   occupied bins that they cannot be smoothed.
 */
export function entropyRange(collected: CollectedHistogram, numQuantizedBins: number): TensorRange {
  const { counts, edges } = collected;
  const middle = counts.length >> 1;
  const half = numQuantizedBins >> 1;
  if (middle < half) {
    throw new TensorRTError(
      'CALIBRATION_FAILED',
      `Entropy needs at least as many bins as quantized bins, ${numQuantizedBins}, but has ${counts.length}`,
      { remedy: 'Raise --num-bins or lower --num-quantized-bins.' },
    );
  }
  const sums = new Float64Array(counts.length + 1);
  counts.forEach((count, i) => {
    sums[i + 1] = (sums[i] as number) + count;
  });
  let best = Number.POSITIVE_INFINITY;
  let bounds: [number, number] | undefined;
  for (let i = half; i <= middle; i += 1) {
    const start = middle - i;
    const end = Math.min(middle + i + 1, counts.length);
    const divergence = sliceDivergence(counts, sums, start, end, numQuantizedBins);
    if (bounds === undefined || divergence < best) {
      best = divergence;
      bounds = [edges[start] as number, edges[end] as number];
    }
    // numpy's argmin stops at the first NaN.
    if (Number.isNaN(divergence)) break;
  }
  // The sign of a zero edge stays, which Math.max would lose.
  let [lowest, highest] = bounds as [number, number];
  if (lowest < collected.lowest) lowest = collected.lowest;
  if (highest > collected.highest) highest = collected.highest;
  return { lowest, highest, histogram: { counts, edges } };
}

/** Divergence of the bins from `start` to `end`, with all outliers in its end bins. */
function sliceDivergence(
  counts: Float64Array,
  sums: Float64Array,
  start: number,
  end: number,
  levels: number,
): number {
  const p = counts.slice(start, end);
  p[0] = (p[0] as number) + (sums[start] as number);
  p[p.length - 1] = (p.at(-1) as number) + ((sums.at(-1) as number) - (sums[end] as number));
  const q = new Float64Array(p.length);
  const merged = Math.floor(p.length / levels);
  for (let level = 0; level < levels; level += 1) {
    const from = level * merged;
    const to = from + merged;
    // The last level takes the remainder, but it is spread over the level's own bins alone.
    const until = level === levels - 1 ? p.length : to;
    const sum = (sums[start + until] as number) - (sums[start + from] as number);
    let occupied = 0;
    for (let i = from; i < to; i += 1) if (p[i] !== 0) occupied += 1;
    if (occupied > 0) q.fill(Math.trunc(sum / occupied), from, to);
  }
  const smoothP = smooth(p);
  const smoothQ = smooth(q);
  if (smoothP === undefined || smoothQ === undefined) return Number.POSITIVE_INFINITY;
  return divergence(smoothP, smoothQ);
}

/** Moves a little weight from occupied bins to empty ones; `undefined` when all are empty. */
function smooth(counts: Float64Array): Float32Array | undefined {
  const zeros = counts.reduce((sum, count) => sum + (count === 0 ? 1 : 0), 0);
  const others = counts.length - zeros;
  if (others === 0) return undefined;
  const taken = (EPSILON * zeros) / others;
  const smoothed = Float32Array.from(
    counts,
    (count) => f32(count) + (count === 0 ? f32(EPSILON) : f32(-taken)),
  );
  if (taken >= 1 || smoothed.some((value) => value <= 0)) {
    throw new TensorRTError(
      'CALIBRATION_FAILED',
      `Entropy cannot smooth a histogram with ${others} occupied bins of ${counts.length}`,
      { remedy: 'Lower --num-bins, give more images, or use the MinMax method.' },
    );
  }
  return smoothed;
}

function divergence(p: Float32Array, q: Float32Array): number {
  const totalP = pairwiseSum32(p);
  const totalQ = pairwiseSum32(q);
  const terms = p.map((value, i) => {
    const x = f32(value / totalP);
    const y = f32((q[i] as number) / totalQ);
    if (x > 0 && y > 0) return f32(x * f32(Math.log(f32(x / y))));
    return Number.POSITIVE_INFINITY;
  });
  return pairwiseSum32(terms);
}
