import { expected, integer, oneOf } from '../../arguments.js';
import type { Batches } from '../../calibration/index.js';
import { defined } from '../../defined.js';

/** Which of TensorRT's calibrators chooses the ranges. */
export const CALIBRATOR_ALGORITHMS = ['minmax', 'entropy'] as const;

/** One of {@link CALIBRATOR_ALGORITHMS}: `IInt8MinMaxCalibrator`, `IInt8EntropyCalibrator2`. */
export type CalibratorAlgorithm = (typeof CALIBRATOR_ALGORITHMS)[number];

/** Option `calibrator` of `buildEngine`: TensorRT's own INT8 calibrator, fed with batches. */
export interface CalibratorOptions {
  /**
   * Tensors by input name, batch after batch, all of one shape: an (async) iterable, or a function that
   * gives one. A batch is copied before the next one is asked for, so its memory may be used again. May
   * be left out when there is a cache; it is not touched when the cache is used.
   */
  batches?: Batches | (() => Batches);
  /** How ranges are chosen; `minmax` by default. */
  algorithm?: CalibratorAlgorithm;
  /**
   * TensorRT's calibration cache (`--calib` of trtexec): a file that is used when it is there and fits,
   * and written when it is not; or the bytes of one.
   */
  cache?: string | Uint8Array;
  /**
   * What the batches are, in a word of the caller's, such as a digest of recipe and file list. A cache
   * file is then used only if it was made of the same data, model and algorithm; that is written beside
   * it.
   */
  id?: string;
  /**
   * What is done with a last batch that is shorter than the first: `pad`, the default, repeats its rows,
   * which leaves minimum and maximum as they are; `drop` leaves it out.
   */
  lastBatch?: 'pad' | 'drop';
  /** How many images there are, for progress. */
  total?: number;
}

/** {@link CalibratorOptions} after the check. */
export interface CheckedCalibrator {
  batches?: Batches | (() => Batches);
  algorithm: CalibratorAlgorithm;
  cache?: string | Uint8Array;
  id?: string;
  lastBatch: 'pad' | 'drop';
  total?: number;
}

function isSource(value: unknown): boolean {
  if (typeof value === 'function') return true;
  return (
    typeof value === 'object' &&
    value !== null &&
    (Symbol.asyncIterator in value || Symbol.iterator in value)
  );
}

/**
 * Checks option `calibrator`.
 *
 * @param options The caller's.
 * @throws TypeError or RangeError that names the option, what was expected and what came.
 */
export function checkCalibrator(options: unknown): CheckedCalibrator {
  if (typeof options !== 'object' || options === null) {
    throw expected('calibrator', 'an object { batches, algorithm, cache, … }', options);
  }
  const { batches, algorithm, cache, id, lastBatch, total } = options as CalibratorOptions;
  if (batches !== undefined && !isSource(batches)) {
    throw expected('calibrator.batches', 'an (async) iterable of tensors by input name', batches);
  }
  const isPath = typeof cache === 'string' && cache !== '';
  if (cache !== undefined && !isPath && !(cache instanceof Uint8Array)) {
    throw expected('calibrator.cache', 'a path or the bytes of a cache', cache);
  }
  if (batches === undefined && cache === undefined) {
    throw expected('calibrator.batches', 'an (async) iterable of tensors by input name', batches);
  }
  if (id !== undefined && (typeof id !== 'string' || id === '')) {
    throw expected('calibrator.id', 'a string', id);
  }
  return {
    ...defined({ batches }),
    algorithm: oneOf('calibrator.algorithm', algorithm ?? 'minmax', CALIBRATOR_ALGORITHMS),
    ...defined({ cache, id }),
    lastBatch: oneOf('calibrator.lastBatch', lastBatch ?? 'pad', ['pad', 'drop']),
    ...(total === undefined ? {} : { total: integer('calibrator.total', total, 0) }),
  };
}
