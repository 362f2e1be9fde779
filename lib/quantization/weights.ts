import { TensorRTError } from '../errors.js';
import { floatToHalf, halfToFloat } from '../onnx/index.js';
import { roundHalfEven } from '../round.js';

/** Smallest range of a channel, so that its scale stays positive. */
const MIN_AMAX = 1e-9;

/** A bias is kept below this many steps of input scale times weight scale: see `biasFloor`. */
const MAX_BIAS_STEPS = 2 ** 30;

/** Int8 weights, symmetric per channel. */
export interface QuantizedWeights {
  /** Elements in [-127, 127]. */
  data: Int8Array;
  /** One positive scale a channel. */
  scales: Float32Array;
}

/** What {@link quantizeWeights} takes besides the weights. */
export interface WeightOptions {
  /** Axis of the output channels. */
  axis: number;
  /** Whether scales are rounded (up) to float16, because the model is. */
  half?: boolean;
  /** Smallest scale that each channel may have. */
  floor?: (channel: number) => number;
}

/**
 * Per output channel of a matrix, the largest magnitude that two neighbours of its inputs have
 * together. ONNX Runtime's integer product on x64 without VNNI adds such pairs in 16 bits, which hold
 * two weights of 127 steps together, not of 254: with ranges of single weights it saturates (measured
 * on a transformer of three blocks: cosine 0.989 in place of 0.9999).
 *
 * @param axis Axis of the output channels, 0 or 1.
 */
export function pairMagnitudes(
  values: ArrayLike<number>,
  [rows, columns]: readonly [number, number],
  axis: number,
): Float64Array {
  const largest = new Float64Array(axis === 0 ? rows : columns);
  // Row by row in both cases, as the elements lie in memory.
  const step = axis === 0 ? 1 : 2;
  for (let row = 0; row + step <= rows; row += step) {
    for (let column = 0; column + 3 - step <= columns; column += 3 - step) {
      const i = row * columns + column;
      const together = Math.abs(values[i]! + values[axis === 0 ? i + 1 : i + columns]!);
      const output = axis === 0 ? row : column;
      if (together > largest[output]!) largest[output] = together;
    }
  }
  return largest;
}

/**
 * Smallest weight scale with which a bias is still an int32 number of steps. ONNX Runtime turns a
 * float bias into such steps; a channel of zero weights with a bias would overflow them.
 */
export function biasFloor(
  bias: ArrayLike<number>,
  inputScale: number,
): (channel: number) => number {
  return (channel) => Math.abs(bias[channel] ?? 0) / (inputScale * MAX_BIAS_STEPS);
}

function halfUp(scale: number): number {
  const bits = floatToHalf(scale);
  const rounded = halfToFloat(bits);
  return rounded >= scale ? rounded : halfToFloat(bits + 1);
}

function finite(magnitude: number): number {
  if (Number.isFinite(magnitude)) return magnitude;
  const message = 'The model has weights that are not finite numbers';
  const remedy = 'Export a model whose training did not diverge.';
  throw new TensorRTError('MODEL_INVALID', message, { remedy });
}

/**
 * Quantizes weights: scale = max(amax, 1e-9) / 127 of each channel in float32, then round half to
 * even and clamp to ±127.
 */
export function quantizeWeights(
  values: ArrayLike<number>,
  dims: readonly number[],
  { axis, half = false, floor }: WeightOptions,
): QuantizedWeights {
  const channels = dims[axis]!;
  const inner = dims.slice(axis + 1).reduce((product, dim) => product * dim, 1);
  const rows = values.length / inner;
  const scales = new Float32Array(channels);
  for (let row = 0, i = 0; row < rows; row += 1) {
    const channel = row % channels;
    let amax = scales[channel]!;
    for (const end = i + inner; i < end; i += 1) {
      const magnitude = Math.abs(values[i]!);
      // Also true for NaN.
      if (!(magnitude <= amax)) amax = finite(magnitude);
    }
    scales[channel] = amax;
  }
  for (let c = 0; c < channels; c += 1) {
    const scale = Math.max(Math.fround(Math.max(scales[c]!, MIN_AMAX) / 127), floor?.(c) ?? 0);
    scales[c] = half ? halfUp(scale) : scale;
  }
  const data = new Int8Array(values.length);
  for (let row = 0, i = 0; row < rows; row += 1) {
    const scale = scales[row % channels]!;
    for (const end = i + inner; i < end; i += 1) {
      const step = Math.fround(values[i]! / scale);
      data[i] = Math.max(-127, Math.min(127, roundHalfEven(step)));
    }
  }
  return { data, scales };
}
