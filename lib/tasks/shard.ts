import { integer } from '../arguments.js';
import { shardName } from '../calibration/index.js';
import { TensorRTError } from '../errors.js';
import type { ImageSource } from './image-source.js';

/** A part of a list of images. */
export interface Shard {
  /** Which part; they count from 1. */
  index: number;
  /** Number of parts, at most 100,000. */
  count: number;
}

/**
 * Checks a shard.
 *
 * @throws TypeError or RangeError that names `shard.index` or `shard.count`.
 */
export function checkShard({ index, count }: Shard): void {
  integer('shard.count', count, 1, 100_000);
  integer('shard.index', index, 1, count);
}

/**
 * The images of a shard: of the batches that a run over all would make, every `count`-th. So the model
 * sees the same batches, and its results are the same bit for bit.
 *
 * @param paths All images, in the same order for every shard.
 * @param shard Which part.
 * @param batch Images in a batch.
 * @throws TensorRTError `IMAGES_NOT_FOUND` when there are fewer batches than shards: for every shard,
 *   not for the empty ones alone, because their results could never be joined.
 */
export function shardPaths(paths: readonly string[], shard: Shard, batch: number): string[] {
  const batches = Math.ceil(paths.length / batch);
  if (batches < shard.count) {
    const sets = batch === 1 ? '' : ` in ${batches} batches of ${batch}`;
    throw new TensorRTError(
      'IMAGES_NOT_FOUND',
      `${paths.length} images${sets} are too few for ${shard.count} shards`,
      { remedy: `Use at most ${batches} shards, or take more images.` },
    );
  }
  return paths.filter((_, place) => Math.floor(place / batch) % shard.count === shard.index - 1);
}

/** {@link shardPaths} of images that were listed. */
export function shardOf(source: ImageSource, shard: Shard, batch: number): ImageSource {
  return { ...source, paths: shardPaths(source.paths, shard, batch) };
}

/**
 * Refuses a folder that holds another shard: parts that overwrite each other are noticed too late.
 *
 * @param folder The folder.
 * @param other The shard whose results it holds, when it holds any.
 * @param shard The shard to be written.
 * @throws TensorRTError `WRITE_FAILED`.
 */
export function checkOwnFolder(folder: string, other: Shard | undefined, shard: Shard): void {
  if (other === undefined || other.index === shard.index) return;
  throw new TensorRTError('WRITE_FAILED', `${folder} holds ${shardName(other)} already`, {
    remedy: 'Give each shard a folder of its own, such as --out parts/3.',
  });
}
