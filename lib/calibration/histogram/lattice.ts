import { TensorRTError } from '../../errors.js';
import type { ValueBounds } from './bounds.js';
import { emptyBounds, mergeValueBounds, scanBounds } from './bounds.js';
import { type CollectedHistogram, HistogramCollector } from './collector.js';

/** Bins on each side of 0. */
export const LATTICE_HALF = 1 << 15;
/** The spacing of the smallest float32. */
const MIN_EXPONENT = -149;

/**
 * A fine histogram that parts of the data can build on their own: bin `i` holds the values from
 * i · 2^k to (i + 1) · 2^k, with the smallest k for which 32,768 bins on each side reach the largest
 * magnitude. Halving the resolution joins pairs of bins exactly, so a merge in any order gives, bin
 * for bin, what one run over all data gives, and one pass is enough because no range has to be known
 * first.
 */
export class LatticeHistogram {
  /** Bounds of all values. */
  bounds: ValueBounds = emptyBounds();
  /** k: a bin is 2^k wide. */
  exponent = MIN_EXPONENT;
  /** Values per bin but those that are 0; bin `i` is at `i + LATTICE_HALF`. */
  counts = new Float64Array(2 * LATTICE_HALF);
  /**
   * Values that are 0. What a Relu cuts off is often half of all values, and rounding of a histogram's
   * middle edge decides on which side of it they count.
   */
  zeros = 0;

  /**
   * Counts values. NaN is left out but remembered.
   *
   * @param values Any number of values.
   * @throws TensorRTError `CALIBRATION_FAILED` for infinite values.
   */
  update(values: Float32Array): void {
    const bounds = scanBounds(values);
    // Which zero comes first must not show, or parts in another order would differ.
    bounds.lowest += 0;
    bounds.highest += 0;
    const exponent = exponentFor(bounds);
    this.bounds = mergeValueBounds(this.bounds, bounds);
    this.widen(exponent);
    const { counts } = this;
    const scale = 2 ** -this.exponent;
    let zeros = 0;
    for (let i = 0; i < values.length; i += 1) {
      const value = values[i] as number;
      if (value === 0) {
        zeros += 1;
        continue;
      }
      if (Number.isNaN(value)) continue;
      const bin = Math.floor(value * scale) + LATTICE_HALF;
      counts[bin] = (counts[bin] as number) + 1;
    }
    this.zeros += zeros;
  }

  /** Another histogram of the same content. */
  copy(): LatticeHistogram {
    const copy = new LatticeHistogram();
    copy.bounds = { ...this.bounds };
    copy.exponent = this.exponent;
    copy.counts = this.counts.slice();
    copy.zeros = this.zeros;
    return copy;
  }

  /**
   * Adds another histogram to this one.
   *
   * @param other Left as it is.
   */
  merge(other: LatticeHistogram): void {
    this.bounds = mergeValueBounds(this.bounds, other.bounds);
    this.widen(other.exponent);
    this.zeros += other.zeros;
    const shift = Math.min(this.exponent - other.exponent, 31);
    for (let i = 0; i < other.counts.length; i += 1) {
      const count = other.counts[i] as number;
      if (count === 0) continue;
      const bin = ((i - LATTICE_HALF) >> shift) + LATTICE_HALF;
      this.counts[bin] = (this.counts[bin] as number) + count;
    }
  }

  /**
   * The histogram that {@link HistogramCollector} would have made in one call over the same values.
   * Its edges are the same. The values of a fine bin in which an edge lies are taken to lie evenly, so no
   * value counts further from its place than 2^-14 of the largest magnitude.
   *
   * @param options As for {@link HistogramCollector}.
   * @throws TensorRTError `CALIBRATION_FAILED` where that refuses.
   */
  collected(options: { numBins: number; absolute: boolean }): CollectedHistogram {
    const collector = new HistogramCollector(options);
    collector.begin(this.bounds);
    const result = collector.result();
    const { counts, edges } = result;
    const width = 2 ** this.exponent;
    const { lowest, highest, smallest } = this.bounds;
    let bin = 0;
    /** Counts values that lie evenly between two numbers. */
    const add = (from: number, to: number, count: number) => {
      while (bin > 0 && from < edges[bin]!) bin -= 1;
      while (bin < counts.length - 1 && from >= edges[bin + 1]!) bin += 1;
      let left = count;
      for (let start = from; bin < counts.length - 1 && edges[bin + 1]! < to; bin += 1) {
        const share = Math.round((left * (edges[bin + 1]! - start)) / (to - start));
        counts[bin]! += share;
        left -= share;
        start = edges[bin + 1]!;
      }
      counts[bin]! += left;
    };
    const { absolute } = options;
    for (let i = 0; i < this.counts.length; i += 1) {
      const count = this.counts[i]!;
      if (count === 0) continue;
      const from = Math.max(lowest, (i - LATTICE_HALF) * width);
      const to = Math.min(highest, (i - LATTICE_HALF + 1) * width);
      if (!absolute) add(from, to, count);
      else if (from < 0) add(Math.max(smallest, -to), -from, count);
      else add(Math.max(smallest, from), to, count);
    }
    if (this.zeros > 0) add(0, 0, this.zeros);
    return result;
  }

  private widen(exponent: number): void {
    if (exponent <= this.exponent) return;
    const shift = Math.min(exponent - this.exponent, 31);
    const wide = new Float64Array(this.counts.length);
    for (let i = 0; i < this.counts.length; i += 1) {
      const count = this.counts[i] as number;
      if (count === 0) continue;
      const bin = ((i - LATTICE_HALF) >> shift) + LATTICE_HALF;
      wide[bin] = (wide[bin] as number) + count;
    }
    this.counts = wide;
    this.exponent = exponent;
  }
}

const double = new DataView(new ArrayBuffer(8));

/** The smallest k with magnitude < 32,768 · 2^k. */
function exponentFor({ lowest, highest }: ValueBounds): number {
  if (lowest > highest) return MIN_EXPONENT;
  const magnitude = Math.max(Math.abs(lowest), Math.abs(highest));
  if (magnitude === Number.POSITIVE_INFINITY) {
    throw new TensorRTError('CALIBRATION_FAILED', 'Infinite values have no histogram', {
      remedy: 'Look for infinite values in this tensor, or use the MinMax method.',
    });
  }
  double.setFloat64(0, magnitude);
  const power = (double.getUint16(0) >> 4) - 1023;
  return Math.max(MIN_EXPONENT, power + 1 - Math.log2(LATTICE_HALF));
}
