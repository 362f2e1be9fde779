import { f32, pairwiseSum32 } from './float32.js';

/**
 * numpy's `nanmean` of float32: NaN is left out, the sum is pairwise in float32; NaN when nothing is
 * left.
 *
 * @param values Per-batch minima or maxima of one `collect_data` call.
 */
export function nanMean32(values: Float32Array): number {
  let count = 0;
  const kept = values.map((value) => {
    if (Number.isNaN(value)) return 0;
    count += 1;
    return value;
  });
  return count === 0 ? Number.NaN : f32(pairwiseSum32(kept) / count);
}

/**
 * One step of ONNX Runtime's moving average between `collect_data` calls: old + c · (new − old), each
 * step rounded to float32.
 *
 * @param old The average so far.
 * @param next The mean of the new call.
 * @param constant The averaging constant, 0 to 1; 0.01 upstream.
 */
export function movingAverage(old: number, next: number, constant: number): number {
  return f32(old + f32(f32(constant) * f32(next - old)));
}
