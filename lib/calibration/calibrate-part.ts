import { expected } from '../arguments.js';
import {
  type CalibrateOptions,
  calibrate,
  loadForCalibration,
  type ModelToCalibrate,
  providerOf,
} from './calibrate.js';
import type { LatticeCalibration } from './histogram/lattice-calibration.js';
import { writeHistogramPart } from './histogram/shards.js';
import type { CalibrationMeta } from './meta.js';
import { checkMethodOptions, histogramOptionsOf } from './method-options.js';
import type { Batches } from './minmax/batches.js';
import type { CalibrationTable } from './ranges.js';
import { type WriteTablesOptions, writeTables } from './tables/write.js';
import { collectHistogramPart } from './values/part.js';

/** What one part of the images gives. */
export interface CalibratedPart {
  /** Ranges for MinMax, histograms for the other methods. */
  content: CalibrationTable | LatticeCalibration;
  /** Where it comes from. */
  meta: CalibrationMeta;
}

/**
 * Measures one part of the images, to be joined with the others by {@link mergeFolders}. Whatever the
 * method, the batches are gone through once.
 *
 * @param model Path of the .onnx file, its bytes, or what `loadModel` gave.
 * @param batches The batches of this part.
 * @param options As for {@link calibrate}.
 * @throws TypeError or RangeError for a wrong option; for a moving average, which is no sum of parts.
 * @throws TensorRTError as {@link calibrate}.
 */
export async function calibratePart(
  model: ModelToCalibrate,
  batches: Batches,
  options: CalibrateOptions = {},
): Promise<CalibratedPart> {
  checkMethodOptions(options);
  checkPartable(options);
  const histogram = histogramOptionsOf(options);
  if (histogram === undefined) {
    const content = await calibrate(model, batches, options);
    return { content, meta: content.meta! };
  }
  const provider = providerOf(options);
  const { loaded, identity } = await loadForCalibration(model, options);
  const versions = await provider.versions();
  const content = await collectHistogramPart(loaded, provider, batches, {
    ...options,
    ...histogram,
  });
  const { method, ...used } = content.options;
  return {
    content,
    meta: { version: 1, model: identity, method: { name: method, options: used }, versions },
  };
}

/**
 * Refuses what cannot be computed in parts.
 *
 * @throws RangeError for a moving average.
 */
export function checkPartable({ movingAverage }: Pick<CalibrateOptions, 'movingAverage'>): void {
  if (movingAverage === undefined) return;
  const why = 'no value for a shard, because an average depends on the order of all images,';
  throw expected('movingAverage', why, movingAverage, 'range');
}

/**
 * Writes a part: for MinMax the three files of a table, which are for merging only; for the other
 * methods calibration.histograms. The provenance stands beside it.
 *
 * @param part The part; its `meta` says which shard it is.
 * @param folder Where; it is made when it is not there.
 * @param options Style of a table's files.
 * @returns The paths that were written.
 * @throws TensorRTError `WRITE_FAILED`, `TABLE_INEXPRESSIBLE`.
 */
export async function writePart(
  { content, meta }: CalibratedPart,
  folder: string,
  options: Pick<WriteTablesOptions, 'style'> = {},
): Promise<string[]> {
  if ('histograms' in content) return writeHistogramPart(content, folder, meta);
  return writeTables(content, folder, { ...options, meta });
}
