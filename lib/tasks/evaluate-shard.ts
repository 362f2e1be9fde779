import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { filesDigest } from '../calibration/index.js';
import { DEFAULT_SEED, findModel } from '../dataset/index.js';
import { defined } from '../defined.js';
import { writeFile } from '../files.js';
import type { ModelSource } from './classifier.js';
import { type EvaluateOptions, type EvaluateResult, evaluateImages } from './evaluate.js';
import {
  EVALUATION_PART,
  type EvaluationPart,
  encodeEvaluationPart,
  readEvaluationPart,
} from './evaluation-part.js';
import { checkWritable } from './output.js';
import { checkOwnFolder, checkShard, type Shard } from './shard.js';

/** Options of {@link evaluateShard}. */
export interface EvaluateShardOptions extends EvaluateOptions {
  /** Which part of the images. */
  shard: Shard;
  /** Folder for the part; each shard has its own. */
  out: string;
}

/** Result of {@link evaluateShard}. */
export interface EvaluateShardResult extends EvaluateResult {
  /** Files that were written. */
  files: string[];
  /** Which part of the images was evaluated. */
  shard: Shard;
  /** Images of all shards. */
  total: number;
}

/** SHA-256 of a model's file; a session has none. */
async function digestOf(source: ModelSource): Promise<string | undefined> {
  const hash = createHash('sha256');
  if (source instanceof Uint8Array) return hash.update(source).digest('hex');
  if (typeof source !== 'string') return undefined;
  const info = await stat(source).catch(() => undefined);
  const path = info?.isDirectory() === true ? await findModel(source) : source;
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/**
 * Evaluates one part of the images that {@link evaluate} would take with the same options, to be joined
 * with the other parts by {@link mergeEvaluations}.
 *
 * @param model As for {@link evaluate}.
 * @param options As for {@link evaluate}, and which shard; the same for all shards.
 * @returns The figures of this shard, and what was written.
 * @throws TensorRTError as {@link evaluate}; `IMAGES_NOT_FOUND` for more shards than batches,
 *   `WRITE_FAILED`, also for the folder of another shard.
 */
export async function evaluateShard(
  model: ModelSource,
  options: EvaluateShardOptions,
): Promise<EvaluateShardResult> {
  const { shard, out, against, seed = DEFAULT_SEED, batch = 1 } = options;
  checkShard(shard);
  await checkWritable(out);
  checkOwnFolder(out, (await readEvaluationPart(out))?.meta.shard, shard);
  const { result, whole, comparison } = await evaluateImages(model, options, shard);
  const [sha256, other] = await Promise.all([
    digestOf(model),
    against === undefined ? undefined : digestOf(against),
  ]);
  const place = new Map(whole.paths.map((path, index) => [path, index]));
  const named = [...result.broken, ...(comparison?.disagreements ?? [])];
  const part: EvaluationPart = {
    meta: {
      version: 1,
      ...(sha256 === undefined ? {} : { model: { sha256, file: result.model.model } }),
      recipe: result.recipe,
      method: {
        name: 'evaluate',
        options: {
          against: other ?? (against !== undefined && true),
          classes: filesDigest(result.model.accuracy?.classes.map(({ label }) => label) ?? []),
          ...defined({ output: options.output }),
        },
      },
      sample: {
        images: result.images,
        total: whole.paths.length,
        seed: typeof seed === 'bigint' ? String(seed) : seed,
        filesSha256: filesDigest(whole.paths),
      },
      shard: { index: shard.index, count: shard.count, batch },
      created: new Date().toISOString(),
    },
    result,
    ...defined({ comparison }),
    places: Object.fromEntries(named.map(({ source }) => [source, place.get(source) ?? 0])),
  };
  options.signal?.throwIfAborted();
  const file = join(out, EVALUATION_PART);
  await writeFile(file, encodeEvaluationPart(part));
  return { ...result, files: [file], shard, total: whole.paths.length };
}
