import { TensorRTError } from '../../errors.js';
import type { TensorRange } from '../ranges.js';
import type { CollectedHistogram } from './collector.js';
import { f32, pairwiseSum64 } from './float32.js';

/**
 * ONNX Runtime's Percentile: the edges that leave out the given share, but not beyond the extremes.
 *
 * @param collected The histogram; of magnitudes when `symmetric`.
 * @param percentile 0 to 100.
 * @param symmetric Minus and plus one edge; otherwise half of the share is left out on each side.
 */
export function percentileRange(
  collected: CollectedHistogram,
  percentile: number,
  symmetric: boolean,
): TensorRange {
  const { counts, edges } = collected;
  const total = counts.reduce((sum, count) => sum + count, 0);
  const edgeAt = (share: number): number => {
    let cumulated = 0;
    let bin = 0;
    for (; bin < counts.length; bin += 1) {
      cumulated += (counts[bin] as number) / total;
      if (!(cumulated < share)) break;
    }
    return edges[bin] as number;
  };
  const cut = (100 - percentile) / 200;
  const highest = edgeAt(symmetric ? percentile / 100 : 1 - cut);
  const lowest = symmetric ? -highest : edgeAt(cut);
  const below = lowest < collected.lowest;
  const above = highest > collected.highest;
  return {
    lowest: below ? collected.lowest : lowest,
    highest: above ? collected.highest : highest,
    // numpy makes a scalar of a negated 0-d array and of an extreme.
    form: {
      lowest: symmetric || below ? 'scalar' : 'array0',
      highest: above ? 'scalar' : 'array0',
    },
    histogram: { counts, edges },
  };
}

/**
 * ONNX Runtime's Distribution: mean and standard deviation of the bins' centres, and the outer edges.
 *
 * @param collected The histogram, of at least 512 bins.
 * @throws TensorRTError `CALIBRATION_FAILED` for fewer bins.
 */
export function distributionRange(collected: CollectedHistogram): TensorRange {
  const { counts, edges } = collected;
  if (counts.length < 512) {
    throw new TensorRTError(
      'CALIBRATION_FAILED',
      `Distribution needs at least 512 bins but has ${counts.length}`,
      { remedy: 'Give --num-bins 512 or more.' },
    );
  }
  const first = new Float64Array(counts.length);
  const second = new Float64Array(counts.length);
  let total = 0;
  counts.forEach((count, i) => {
    const centre = f32(f32((edges[i] as number) + (edges[i + 1] as number)) * 0.5);
    first[i] = count * centre;
    second[i] = count * f32(centre * centre);
    total += count;
  });
  const average = pairwiseSum64(first) / total;
  const deviation = Math.sqrt(pairwiseSum64(second) / total - average * average);
  return {
    lowest: edges[0] as number,
    highest: edges.at(-1) as number,
    average: f32(average),
    deviation: f32(deviation),
    histogram: { counts, edges },
  };
}
