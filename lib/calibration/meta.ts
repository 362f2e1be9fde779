/** Where a calibration table comes from: the content of `calibration.meta.json`. */
export interface CalibrationMeta {
  /** Version of this layout. */
  version: 1;
  /** The model that was calibrated. */
  model?: { sha256: string; file?: string };
  /** The preprocessing recipe, as lib/preprocess wrote it. */
  recipe?: unknown;
  /** Which images were used. */
  sample?: CalibrationSample;
  /** How the ranges were computed, and with which options. */
  method?: { name: string; options?: Record<string, unknown> };
  /** What computed them: package versions by name. */
  versions?: Record<string, string>;
  /** When, ISO 8601 in UTC. */
  created?: string;
  /** Which part of the images this is, for a partial table; shards count from 1. */
  shard?: { index: number; count: number };
}

/** Which images a table was computed from. */
export interface CalibrationSample {
  /** Number of images that were used. */
  images: number;
  /** Seed of the sampling; a decimal string when it is above 2^53. */
  seed?: number | string;
  /** Fraction that was asked for. */
  fraction?: number;
  /** Count that was asked for. */
  count?: number;
  /** SHA-256, in hex, of the list of relative paths that were used, one a line, as UTF-8. */
  filesSha256?: string;
}
