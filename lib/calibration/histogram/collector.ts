import { TensorRTError } from '../../errors.js';
import type { Histogram } from '../ranges.js';
import { type Bins, type Clamp, edgeBins, MAX_BINS, uniformBins } from './bins.js';
import type { ValueBounds } from './bounds.js';
import { emptyBounds, scanBounds } from './bounds.js';
import type { DeferredCounts } from './deferred-counts.js';
import { f32, floorDivide32 } from './float32.js';

/** A histogram with the extremes of all values that went in. */
export interface CollectedHistogram extends Histogram {
  /** Smallest value of all. */
  readonly lowest: number;
  /** Largest value of all. */
  readonly highest: number;
}

/**
 * Builds one tensor's histogram as ONNX Runtime's calibrators do, but from a stream: upstream stacks
 * all values of a `collect_data` call, here a call is {@link begin} with the bounds of its values and
 * then any number of {@link update}. One call over all images, with the bounds from a first pass, is
 * what upstream does by default; further calls make the histogram grow as upstream's does.
 */
export class HistogramCollector {
  private readonly numBins: number;
  private readonly absolute: boolean;
  private bins: Bins | undefined;
  private counts = new Float64Array(0);
  private threshold = 0;
  private lowest = 0;
  private highest = 0;

  /**
   * @param options `numBins`: bins of the first call. `absolute`: count magnitudes, as Percentile does
   *   when symmetric.
   */
  constructor(options: { numBins: number; absolute: boolean }) {
    this.numBins = options.numBins;
    this.absolute = options.absolute;
  }

  /**
   * Begins a call: lays out the bins for its values.
   *
   * @param bounds The bounds of all values that the call will give to {@link update}.
   * @throws TensorRTError `CALIBRATION_FAILED` where upstream refuses: infinite values, NaN on a first
   *   call over magnitudes, or more bins than memory holds.
   */
  begin(bounds: ValueBounds): void {
    const empty = bounds.lowest > bounds.highest && !bounds.nan;
    const lowest = empty ? 0 : bounds.lowest;
    const highest = empty ? 0 : bounds.highest;
    // All values NaN: upstream has NaN for their bounds and cannot make a range of it.
    const threshold = lowest > highest ? Number.NaN : Math.max(Math.abs(lowest), Math.abs(highest));
    if (this.bins === undefined) {
      this.first(bounds, threshold, empty);
      this.lowest = lowest;
      this.highest = highest;
      return;
    }
    if (this.absolute) this.growMagnitudes(threshold);
    else this.growValues(threshold);
    if (lowest < this.lowest) this.lowest = lowest;
    if (highest > this.highest) this.highest = highest;
  }

  /**
   * Counts values of the call. They must lie within the bounds that {@link begin} was given.
   *
   * @param values Any part of the call's values.
   * @param clamp Limits that the values are brought within before they are counted.
   */
  update(values: Float32Array, clamp?: { readonly lower: number; readonly upper: number }): void {
    this.updateLater(values, clamp);
  }

  /** @internal As {@link update}, done by other threads where it can be. */
  updateLater(values: Float32Array, clamp?: Clamp, later?: DeferredCounts): void {
    if (this.bins === undefined) throw new Error('begin() comes before update()');
    this.bins.count(values, this.counts, clamp, later);
  }

  /** One whole call whose values are in memory. */
  collect(...chunks: readonly Float32Array[]): void {
    const bounds = emptyBounds();
    for (const chunk of chunks) scanBounds(chunk, bounds);
    this.begin(bounds);
    for (const chunk of chunks) this.update(chunk);
  }

  /**
   * The histogram so far.
   *
   * @throws TensorRTError `CALIBRATION_FAILED` when there was no call.
   */
  result(): CollectedHistogram {
    if (this.bins === undefined) {
      throw new TensorRTError('CALIBRATION_FAILED', 'No values were collected');
    }
    const { counts, lowest, highest } = this;
    return { counts, edges: this.bins.edges, lowest, highest };
  }

  private first(bounds: ValueBounds, threshold: number, empty: boolean): void {
    const bins = this.absolute
      ? uniformBins(
          this.numBins,
          bounds.nan ? Number.NaN : empty ? 0 : bounds.smallest,
          bounds.nan ? Number.NaN : empty ? 1 : threshold,
          true,
        )
      : uniformBins(this.numBins, -threshold, threshold, false);
    this.lay(bins, 0);
    this.threshold = threshold;
  }

  /** Values: bins of the old width are added on both sides. */
  private growValues(threshold: number): void {
    const old = this.counts.length;
    if (threshold <= this.threshold) return;
    if (this.threshold === 0) {
      this.lay(uniformBins(old, -threshold, threshold, false), 0);
      this.threshold = threshold;
      return;
    }
    const stride = f32(f32(2 * this.threshold) / old);
    const added = f32(floorDivide32(f32(threshold - this.threshold), stride) + 1);
    // Infinite or NaN when the values are; uniformBins says so.
    const wide = Number.isFinite(added) ? f32(f32(added * stride) + this.threshold) : threshold;
    this.lay(uniformBins(old + 2 * added, -wide, wide, false), added);
    this.threshold = wide;
  }

  /** Magnitudes: bins of the first width are added above. The first edge stays. */
  private growMagnitudes(threshold: number): void {
    const edges = (this.bins as Bins).edges;
    const last = edges.at(-1) as number;
    const grown = threshold > last ? appendedEdges(edges, last, threshold) : edges;
    this.lay(edgeBins(Float64Array.from(grown)), 0);
  }

  /** Takes new bins; the old counts move up by `offset`. */
  private lay(bins: Bins, offset: number): void {
    const counts = new Float64Array(bins.edges.length - 1);
    counts.set(this.counts, offset);
    this.counts = counts;
    this.bins = bins;
  }
}

/** numpy's `arange` on float32 scalars: the ends are rounded to float32, what lies between is not. */
function appendedEdges(edges: Float32Array, last: number, threshold: number): Float64Array {
  const width = f32((edges[1] as number) - (edges[0] as number));
  const start = f32(last + width);
  const count = Math.ceil(f32(f32(f32(threshold + width) - start) / width));
  if (!(edges.length + count <= MAX_BINS)) {
    throw new TensorRTError(
      'CALIBRATION_FAILED',
      `A magnitude of ${threshold} would need ${count} more bins of the first call's width`,
      { remedy: 'Collect all images in one call, or use the MinMax method.' },
    );
  }
  const step = f32(start + width) - start;
  const grown = new Float64Array(edges.length + Math.max(count, 0));
  grown.set(edges);
  for (let i = 0; i < count; i += 1) grown[edges.length + i] = start + i * step;
  return grown;
}
