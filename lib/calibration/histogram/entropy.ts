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
  const slices = new Slices(counts, sums, numQuantizedBins);
  let best = Number.POSITIVE_INFINITY;
  let bounds: [number, number] | undefined;
  for (let i = half; i <= middle; i += 1) {
    const start = middle - i;
    const end = Math.min(middle + i + 1, counts.length);
    const divergence = slices.divergence(start, end);
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

/** Measures slices of one histogram, in memory that is used again: there are thousands of them. */
class Slices {
  readonly #counts: Float64Array;
  readonly #sums: Float64Array;
  readonly #levels: number;
  readonly #p: Float64Array;
  readonly #q: Float64Array;
  readonly #smoothP: Float32Array;
  readonly #smoothQ: Float32Array;

  /**
   * @param counts Values per bin.
   * @param sums Values below each bin; one more than there are bins.
   * @param levels Levels of the quantized distribution.
   */
  constructor(counts: Float64Array, sums: Float64Array, levels: number) {
    this.#counts = counts;
    this.#sums = sums;
    this.#levels = levels;
    this.#p = new Float64Array(counts.length);
    this.#q = new Float64Array(counts.length);
    this.#smoothP = new Float32Array(counts.length);
    this.#smoothQ = new Float32Array(counts.length);
  }

  /** Divergence of the bins from `start` to `end`, with all outliers in its end bins. */
  divergence(start: number, end: number): number {
    const size = end - start;
    this.#fill(start, end, size);
    const whole = smooth(this.#p, this.#smoothP, size);
    if (!smooth(this.#q, this.#smoothQ, size) || !whole) return Number.POSITIVE_INFINITY;
    return divergence(this.#smoothP, this.#smoothQ, size);
  }

  #fill(start: number, end: number, size: number): void {
    const sums = this.#sums;
    const p = this.#p;
    const q = this.#q;
    for (let i = 0; i < size; i += 1) p[i] = this.#counts[start + i]!;
    p[0]! += sums[start]!;
    p[size - 1]! += sums.at(-1)! - sums[end]!;
    q.fill(0, 0, size);
    const merged = Math.floor(size / this.#levels);
    for (let level = 0; level < this.#levels; level += 1) {
      const from = level * merged;
      const to = from + merged;
      // The last level takes the remainder, but it is spread over the level's own bins alone.
      const until = level === this.#levels - 1 ? size : to;
      const sum = sums[start + until]! - sums[start + from]!;
      let occupied = 0;
      for (let i = from; i < to; i += 1) if (p[i] !== 0) occupied += 1;
      if (occupied > 0) q.fill(Math.trunc(sum / occupied), from, to);
    }
  }
}

/** Moves a little weight from occupied bins to empty ones; `false` when all are empty. */
function smooth(counts: Float64Array, smoothed: Float32Array, size: number): boolean {
  let zeros = 0;
  for (let i = 0; i < size; i += 1) if (counts[i] === 0) zeros += 1;
  const others = size - zeros;
  if (others === 0) return false;
  const taken = (EPSILON * zeros) / others;
  const less = f32(-taken);
  const more = f32(EPSILON);
  let positive = true;
  for (let i = 0; i < size; i += 1) {
    const count = counts[i]!;
    const value = f32(count) + (count === 0 ? more : less);
    smoothed[i] = value;
    // As float32: what is lost in rounding counts.
    if (smoothed[i]! <= 0) positive = false;
  }
  if (taken >= 1 || !positive) {
    throw new TensorRTError(
      'CALIBRATION_FAILED',
      `Entropy cannot smooth a histogram with ${others} occupied bins of ${size}`,
      { remedy: 'Lower --num-bins, give more images, or use the MinMax method.' },
    );
  }
  return true;
}

/** Kullback and Leibler's divergence of the first `size` numbers; `p` is overwritten. */
function divergence(p: Float32Array, q: Float32Array, size: number): number {
  const totalP = pairwiseSum32(p, 0, size);
  const totalQ = pairwiseSum32(q, 0, size);
  for (let i = 0; i < size; i += 1) {
    const x = f32(p[i]! / totalP);
    const y = f32(q[i]! / totalQ);
    p[i] = x > 0 && y > 0 ? x * f32(Math.log(f32(x / y))) : Number.POSITIVE_INFINITY;
  }
  return pairwiseSum32(p, 0, size);
}
