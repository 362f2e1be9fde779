import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type CalibrationMeta,
  calibratePart,
  checkMethodOptions,
  checkPartable,
  decodeMeta,
  TABLE_FILES,
  writePart,
} from '../calibration/index.js';
import { defined } from '../defined.js';
import type { BrokenImage } from './batches.js';
import type { CalibrateFolderOptions, CalibrateFolderResult } from './calibrate-folder.js';
import {
  calibrationFeeds,
  callOptions,
  prepareCalibration,
  sampleMeta,
  withoutBroken,
} from './calibration-input.js';
import { batchSize } from './image-input.js';
import { checkOwnFolder, checkShard, type Shard, shardPaths } from './shard.js';

/** Options of {@link calibrateShard}. */
export interface CalibrateShardOptions extends CalibrateFolderOptions {
  /** Which part of the sample. */
  shard: Shard;
  /** Folder for the part; each shard has its own. */
  out: string;
}

/** Result of {@link calibrateShard}. */
export interface CalibrateShardResult extends Omit<CalibrateFolderResult, 'table'> {
  /** Number of tensors. */
  tensors: number;
  /** Images of the whole sample; `images` counts those of this shard. */
  total: number;
  /** Provenance of the part. */
  meta: CalibrationMeta;
  /** What a user should know of the ranges. */
  warnings: readonly string[];
}

/** The shard that a folder holds. */
async function shardIn(folder: string): Promise<Shard | undefined> {
  const path = join(folder, TABLE_FILES.meta);
  const content = await readFile(path).catch(() => undefined);
  return content === undefined ? undefined : decodeMeta(content, path).shard;
}

/**
 * Calibrates on one part of the sample that {@link calibrateFolder} would take with the same options, to
 * be joined with the other parts by {@link mergeFolders}. Every shard draws the same sample and takes
 * its own part of it; it need know nothing of the others.
 *
 * @param model Path of an ONNX model, or of a folder that holds one.
 * @param options As for {@link calibrateFolder}, and which shard; the same for all shards.
 * @returns What was written. Without {@link mergeFolders} it is no calibration.
 * @throws RangeError for a moving average, which is no sum of parts.
 * @throws TensorRTError as {@link calibrateFolder}; `IMAGES_NOT_FOUND` for more shards than batches;
 *   `WRITE_FAILED` for the folder of another shard.
 */
export async function calibrateShard(
  model: string,
  options: CalibrateShardOptions,
): Promise<CalibrateShardResult> {
  const { signal, out, style, shard } = options;
  checkMethodOptions(options);
  checkPartable(options);
  checkShard(shard);
  checkOwnFolder(out, await shardIn(out), shard);
  const prepared = await prepareCalibration(model, options);
  const { model: loaded, recipe, file, input, source, runner } = prepared;
  const batch = batchSize([input], runner.batch ?? options.batch, 1);
  const paths = shardPaths(source.paths, shard, batch);
  const broken: BrokenImage[] = [];
  const feeds = calibrationFeeds(paths, prepared, options, broken);
  const start = performance.now();
  const part = await calibratePart(loaded, feeds, callOptions(options, runner, paths.length));
  const elapsedMs = performance.now() - start;
  const images = withoutBroken(paths, broken).length;
  const meta: CalibrationMeta = {
    ...part.meta,
    recipe,
    sample: {
      ...sampleMeta(options, source, source.paths),
      images,
      total: source.paths.length,
    },
    shard: { index: shard.index, count: shard.count, batch },
    created: new Date().toISOString(),
  };
  signal?.throwIfAborted();
  const { content } = part;
  const files = await writePart({ content, meta }, out, defined({ style }));
  return {
    files,
    tensors: 'histograms' in content ? content.histograms.size : content.size,
    images,
    total: source.paths.length,
    available: source.available,
    broken,
    recipe,
    ...defined({ recipeFile: file }),
    provider: runner.name,
    elapsedMs,
    meta,
    warnings: 'histograms' in content ? [] : content.warnings,
  };
}
