import { createHash } from 'node:crypto';
import { defined } from '../defined.js';
import { messageOf, TensorRTError } from '../errors.js';
import type { CalibrationTable } from './ranges.js';

/** More parts than any cluster has; a larger number in a file is damage. */
const MAX_SHARDS = 100_000;

/** Members that are objects when they are there. */
const MEMBERS = ['model', 'sample', 'method', 'selection', 'versions', 'shard', 'files'];

/** Where a calibration table comes from: the content of `calibration.meta.json`. */
export interface CalibrationMeta {
  /** Version of this layout: 1. */
  version: 1;
  /** The model that was calibrated: SHA-256 of its .onnx file in hex, and the file's name. */
  model?: ModelIdentity;
  /** The preprocessing recipe, as lib/preprocess wrote it. */
  recipe?: unknown;
  /** Which images were used. */
  sample?: CalibrationSample;
  /** How the ranges were computed, and with which options. */
  method?: { name: string; options?: Record<string, unknown> };
  /** How the method was chosen, when it was: the scores of all that were tried, on images held back. */
  selection?: Record<string, unknown>;
  /** What computed them: version by package name. */
  versions?: Record<string, string>;
  /** When, ISO 8601 in UTC. */
  created?: string;
  /** Which part of the images this is, for a partial table. */
  shard?: CalibrationShard;
  /** SHA-256 of the table's files by name, so that a file replaced later is noticed. */
  files?: Record<string, string>;
}

/** A part of the images, measured apart from the others. */
export interface CalibrationShard {
  /** Which part; they count from 1. */
  index: number;
  /** Number of parts. */
  count: number;
  /** Images that were dealt out together; parts of one calibration have the same. */
  batch?: number;
}

/** A model as a table knows it. */
export interface ModelIdentity {
  /** SHA-256 of the .onnx file, in hex. */
  sha256: string;
  /** Name of the file, for messages. */
  file?: string;
}

/** Which images a table was computed from. */
export interface CalibrationSample {
  /** Number of images that were used. */
  images: number;
  /** Number of images of the whole sample, where these are a part of it. */
  total?: number;
  /** Seed of the sampling; a decimal string when it is above 2^53. */
  seed?: number | string;
  /** Fraction that was asked for. */
  fraction?: number;
  /** Count that was asked for. */
  count?: number;
  /** {@link filesDigest} of the paths that were used; of the whole sample where these are a part. */
  filesSha256?: string;
}

/** SHA-256, in hex, of relative paths in their order, one a line, as UTF-8. */
export function filesDigest(paths: Iterable<string>): string {
  const hash = createHash('sha256');
  for (const path of paths) hash.update(`${path}\n`);
  return hash.digest('hex');
}

/** The text of calibration.meta.json. */
export function encodeMeta(meta: CalibrationMeta): string {
  return `${JSON.stringify(meta, null, 2)}\n`;
}

/**
 * Reads a calibration.meta.json. Members it does not know are kept.
 *
 * @param bytes The file.
 * @param source Its name, for messages.
 * @throws TensorRTError `TABLE_INVALID`.
 */
export function decodeMeta(bytes: Uint8Array, source = 'calibration.meta.json'): CalibrationMeta {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw metaInvalid(source, `Not JSON: ${messageOf(error)}`, error);
  }
  if (!isRecord(value)) throw metaInvalid(source, 'Expected an object at the top');
  if (value.version !== 1) {
    throw metaInvalid(source, `Expected version 1 but found ${JSON.stringify(value.version)}`);
  }
  for (const member of MEMBERS) {
    if (value[member] !== undefined && !isRecord(value[member])) {
      throw metaInvalid(source, `Expected an object for ${member}`);
    }
  }
  const model = value.model as Partial<ModelIdentity> | undefined;
  if (model !== undefined && !/^[0-9a-f]{64}$/.test(String(model.sha256))) {
    throw metaInvalid(source, 'Expected 64 lower-case hexadecimal digits for model.sha256');
  }
  const shard = value.shard as Partial<CalibrationShard> | undefined;
  if (shard !== undefined && !isShard(shard)) {
    throw metaInvalid(source, `Expected a shard from 1 to its count, at most ${MAX_SHARDS}`);
  }
  return value as unknown as CalibrationMeta;
}

function isShard({ index, count, batch }: Partial<CalibrationShard>): boolean {
  if (batch !== undefined && !(Number.isSafeInteger(batch) && batch >= 1)) return false;
  const whole = Number.isSafeInteger(index) && Number.isSafeInteger(count);
  return (
    whole && Number(index) >= 1 && Number(index) <= Number(count) && Number(count) <= MAX_SHARDS
  );
}

/**
 * Holds a table against the model it is to be used with.
 *
 * @param table The table; its `meta` says which model it was made for.
 * @param model The model at hand.
 * @returns A sentence for the user when the table does not say; `undefined` when it is the model.
 * @throws TensorRTError `TABLE_MISMATCH` that names both models; `TABLE_INCOMPLETE` for a part of a
 *   calibration, whose ranges are too narrow.
 */
export function checkModel(table: CalibrationTable, model: ModelIdentity): string | undefined {
  const made = table.meta?.model;
  const source = table.source ?? 'the calibration table';
  if (table.meta?.shard !== undefined) {
    throw new TensorRTError(
      'TABLE_INCOMPLETE',
      `${source} is ${shardName(table.meta.shard)} only`,
      {
        remedy: 'Join all shards first: `tensorrt-node merge DIR… --out DIR`.',
      },
    );
  }
  if (made === undefined) {
    return `Nothing says which model ${source} was made for; it is used as it is`;
  }
  if (made.sha256 === model.sha256) return undefined;
  throw new TensorRTError(
    'TABLE_MISMATCH',
    `${source} was made for ${modelName(made)}, not for ${modelName(model)}`,
    { remedy: 'Calibrate this model, or give the table that belongs to it.' },
  );
}

/** A shard for messages: `shard 3/16`. */
export function shardName({ index, count }: CalibrationShard): string {
  return `shard ${index}/${count}`;
}

function modelName({ file, sha256 }: ModelIdentity): string {
  return `${file ?? 'a model'} (SHA-256 ${sha256.slice(0, 12)}…)`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function metaInvalid(source: string, what: string, cause?: unknown): TensorRTError {
  return new TensorRTError('TABLE_INVALID', `${source}: ${what}`, {
    remedy: 'Delete the file to use the table without it, or calibrate again.',
    ...defined({ cause }),
  });
}
