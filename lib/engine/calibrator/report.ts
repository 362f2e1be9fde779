import type { CalibratorAlgorithm } from './options.js';

/** What TensorRT's calibrator did in a build. */
export interface CalibrationReport {
  /** The calibrator that was used. */
  algorithm: CalibratorAlgorithm;
  /** TensorRT's calibration cache, as it wrote it: `decodeTable` reads it. */
  cache: Uint8Array<ArrayBuffer>;
  /** The cache file that was read or written. */
  cacheFile?: string;
  /** Whether the ranges come from the cache that was given; no batch was used then. */
  fromCache: boolean;
  /** Why the cache that was given was not used. */
  cacheRefused?: string;
  /** Batches that TensorRT took. */
  batches: number;
  /** Rows of these batches, without the repeated ones. */
  images: number;
  /** Rows that were repeated to fill the last batch. */
  paddedRows: number;
  /** Rows of a last batch that was left out. */
  droppedRows: number;
  /** Shape of each input in every batch; empty when there was none. */
  shapes: Readonly<Record<string, readonly number[]>>;
  /** Milliseconds that TensorRT waited for batches. */
  waitMs: number;
  /** Milliseconds from the first batch that TensorRT asked for to the hand-over of the cache. */
  calibrationMs: number;
}
