import { TensorRTError } from '../../errors.js';
import { type BaseBinding, baseBinding } from '../../runtime/index.js';
import { pythonFloat } from '../tables/python-float.js';
import type { DeferredCounts } from './deferred-counts.js';
import { f32 } from './float32.js';

/** More bins than any histogram needs; growth beyond it would exhaust memory. */
export const MAX_BINS = 1 << 24;

/** Consecutive bins, and the loop that counts into them. */
export interface Bins {
  /** One more than there are bins, ascending. */
  readonly edges: Float32Array;
  /**
   * Adds the values that lie within the edges to `counts`; NaN and others are left out.
   *
   * @param clamp What is done to each value before it is counted.
   * @param later Takes the work where it can be done on other threads; at once without it.
   */
  count(values: Float32Array, counts: Float64Array, clamp?: Clamp, later?: DeferredCounts): void;
}

/** Limits that values are brought within. */
export interface Clamp {
  readonly lower: number;
  readonly upper: number;
}

const NO_CLAMP: Clamp = { lower: Number.NEGATIVE_INFINITY, upper: Number.POSITIVE_INFINITY };

let native: BaseBinding | null | undefined;

/** Counts in the native module, on all cores, where it is built; both ways give the same counts. */
function countNatively(
  values: Float32Array,
  counts: Float64Array,
  edges: Float32Array,
  absolute: boolean,
  { lower, upper }: Clamp,
): boolean {
  // Asked once: looking for a module that is not there costs a few file system calls.
  if (native === undefined) native = baseBinding() ?? null;
  native?.countBins(values, edges, counts, absolute, lower, upper);
  return native !== null;
}

let scratch = new Float32Array(0);

/** The values within their limits; valid until the next call. */
function clamped(values: Float32Array, { lower, upper }: Clamp): Float32Array {
  if (lower === Number.NEGATIVE_INFINITY && upper === Number.POSITIVE_INFINITY) return values;
  if (scratch.length < values.length) scratch = new Float32Array(values.length);
  const result = scratch.subarray(0, values.length);
  for (let i = 0; i < values.length; i += 1) {
    result[i] = Math.min(Math.max(values[i]!, lower), upper);
  }
  return result;
}

/**
 * The equal bins of numpy's `histogram(values, bins, (lowest, highest))` on float32.
 *
 * @param bins Number of bins.
 * @param lowest First edge.
 * @param highest Last edge; when equal to the first, both move out by a half.
 * @param absolute Count magnitudes instead of values.
 * @throws TensorRTError `CALIBRATION_FAILED` where numpy refuses.
 */
export function uniformBins(
  bins: number,
  lowest: number,
  highest: number,
  absolute: boolean,
): Bins {
  if (!Number.isFinite(lowest) || !Number.isFinite(highest)) {
    throw refused(lowest, highest, 'is not finite');
  }
  if (bins > MAX_BINS) throw refused(lowest, highest, `would need ${bins} bins`);
  const same = lowest === highest;
  const first = same ? f32(lowest - 0.5) : lowest;
  const last = same ? f32(highest + 0.5) : highest;
  const edges = uniformEdges(bins, first, last);
  if (edges === undefined) {
    throw refused(lowest, highest, `is too narrow or too wide for ${bins} bins of float32`);
  }
  const guessed = guessIsExact(bins, first, last);
  const count = guessed ? countByGuess : countAsNumpy;
  return {
    edges,
    count: (values, counts, clamp = NO_CLAMP, later) => {
      if (guessed && later?.possible) {
        later.add(values, { edges, counts, absolute, lower: clamp.lower, upper: clamp.upper });
        return;
      }
      if (guessed && countNatively(values, counts, edges, absolute, clamp)) return;
      count(clamped(values, clamp), counts, edges, absolute);
    },
  };
}

function refused(lowest: number, highest: number, why: string): TensorRTError {
  const range = `[${pythonFloat(lowest)}, ${pythonFloat(highest)}]`;
  return new TensorRTError('CALIBRATION_FAILED', `The range ${range} ${why}`, {
    remedy: 'Look for NaN, infinite or huge values in this tensor, or use the MinMax method.',
  });
}

/** numpy's `linspace` in float32; `undefined` when the edges do not ascend. */
function uniformEdges(bins: number, first: number, last: number): Float32Array | undefined {
  const edges = new Float32Array(bins + 1);
  const range = f32(last - first);
  const step = f32(range / bins);
  for (let i = 0; i < bins; i += 1) {
    // numpy divides before it multiplies when the step is too small for float32.
    const offset = step === 0 ? f32(f32(i / bins) * range) : f32(i * step);
    edges[i] = offset + first;
  }
  edges[bins] = last;
  for (let i = 0; i < bins; i += 1) {
    if (!((edges[i] as number) < (edges[i + 1] as number))) return undefined;
  }
  return edges;
}

/**
 * Whether a guess in float64 that is corrected by one bin finds the bin that numpy finds. Both are
 * the bin whose edges enclose the value as long as rounding moves an edge by less than a bin.
 */
function guessIsExact(bins: number, first: number, last: number): boolean {
  const spacing = Math.max(Math.abs(first), Math.abs(last)) * 2 ** -23;
  return bins <= 1 << 20 && (last - first) / bins > 4 * Math.max(spacing, 2 ** -140);
}

/** For bins whose place can be guessed; exported so that a test holds the native loop against it. */
export function countByGuess(
  values: Float32Array,
  counts: Float64Array,
  edges: Float32Array,
  absolute: boolean,
): void {
  const bins = edges.length - 1;
  const top = bins - 1;
  const first = edges[0] as number;
  const last = edges[bins] as number;
  const factor = bins / (last - first);
  for (let i = 0; i < values.length; i += 1) {
    const signed = values[i] as number;
    const value = absolute ? Math.abs(signed) : signed;
    if (!(value >= first && value <= last)) continue;
    let bin = ((value - first) * factor) | 0;
    if (bin > top) bin = top;
    if (value < (edges[bin] as number)) bin -= 1;
    else if (bin < top && value >= (edges[bin + 1] as number)) bin += 1;
    counts[bin] = (counts[bin] as number) + 1;
  }
}

/** numpy's own steps, each rounded to float32, for bins so narrow that the rounding matters. */
function countAsNumpy(
  values: Float32Array,
  counts: Float64Array,
  edges: Float32Array,
  absolute: boolean,
): void {
  const bins = edges.length - 1;
  const first = edges[0] as number;
  const last = edges[bins] as number;
  const range = f32(last - first);
  for (let i = 0; i < values.length; i += 1) {
    const signed = values[i] as number;
    const value = absolute ? Math.abs(signed) : signed;
    if (!(value >= first && value <= last)) continue;
    let bin = Math.trunc(f32(f32(f32(value - first) / range) * bins));
    if (bin === bins) bin -= 1;
    if (value < (edges[bin] as number)) bin -= 1;
    if (bin !== bins - 1 && value >= (edges[bin + 1] as number)) bin += 1;
    counts[bin] = (counts[bin] as number) + 1;
  }
}

/**
 * Bins of any width, as numpy's `histogram(values, edges)` counts them: each holds its left edge, the
 * last also its right one. The edges are float64 and are rounded only afterwards.
 *
 * @param edges One more than there are bins, ascending.
 */
export function edgeBins(edges: Float64Array): Bins {
  return {
    edges: Float32Array.from(edges),
    count: (values, counts, clamp = NO_CLAMP) => {
      countMagnitudes(clamped(values, clamp), counts, edges);
    },
  };
}

function countMagnitudes(values: Float32Array, counts: Float64Array, edges: Float64Array): void {
  const bins = edges.length - 1;
  const top = bins - 1;
  const first = edges[0] as number;
  const last = edges[bins] as number;
  // The bins are nearly equal, so that a guess is never far off.
  const factor = bins / (last - first);
  for (let i = 0; i < values.length; i += 1) {
    const value = Math.abs(values[i] as number);
    if (!(value >= first && value <= last)) continue;
    let bin = Math.min(((value - first) * factor) | 0, top);
    while (value < (edges[bin] as number)) bin -= 1;
    while (bin < top && value >= (edges[bin + 1] as number)) bin += 1;
    counts[bin] = (counts[bin] as number) + 1;
  }
}
