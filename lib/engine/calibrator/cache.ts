import { readFile } from 'node:fs/promises';
import { decodeNativeCache, isNativeCache, trtVersionNumber } from '../../calibration/index.js';
import { defined } from '../../defined.js';
import { messageOf, systemCode } from '../../errors.js';
import { writeFiles } from '../../files.js';
import type { CalibratorAlgorithm, CheckedCalibrator } from './options.js';
import type { CalibrationReport } from './report.js';

/** What a cache was made of; written beside it as `<cache>.json`. */
export interface CacheOrigin {
  /** SHA-256 of the .onnx file, in hex. */
  modelSha256: string;
  /** The calibrator. */
  algorithm: CalibratorAlgorithm;
  /** The caller's word for the data. */
  id?: string;
  /** Batches and images that were used. */
  batches: number;
  images: number;
}

/** A cache that can be used, or why there is none. */
export interface FoundCache {
  bytes?: Uint8Array;
  refused?: string;
}

const CALIBRATORS = { minmax: 'MinMaxCalibration', entropy: 'EntropyCalibration2' } as const;

/** Where it stands what a cache was made of. */
export function cacheOriginPath(path: string): string {
  return `${path}.json`;
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  return readFile(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  });
}

/** Why TensorRT would not take the cache, or take it for another calibrator's. */
function misfit(bytes: Uint8Array, algorithm: CalibratorAlgorithm, version: string) {
  if (!isNativeCache(bytes)) return "it is not one of TensorRT's calibration caches";
  const wanted = `TRT-${trtVersionNumber(version)}-${CALIBRATORS[algorithm]}`;
  try {
    const { nativeHeader, size } = decodeNativeCache(bytes);
    if (nativeHeader !== wanted) return `it is of ${nativeHeader}, not of ${wanted}`;
    return size === 0 ? 'it has no tensor' : undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Why a cache file is of other data; undefined when it is not, or when nobody knows. */
async function otherOrigin(
  path: string,
  id: string | undefined,
  modelSha256: string,
): Promise<string | undefined> {
  const file = cacheOriginPath(path);
  const text = await readIfThere(file);
  if (text === undefined) {
    return id === undefined ? undefined : `${file}, which says what it was made of, is missing`;
  }
  let origin: Partial<CacheOrigin>;
  try {
    origin = JSON.parse(new TextDecoder().decode(text)) ?? {};
  } catch {
    return `${file} is not JSON`;
  }
  if (origin.modelSha256 !== modelSha256) return 'it was made of another model';
  if (id !== undefined && origin.id !== id) return 'it was made of other data';
  return undefined;
}

/**
 * The cache that a build may use.
 *
 * @param calibrator The options.
 * @param version TensorRT's version, which the cache must be of: `8.6.1`.
 * @param modelSha256 SHA-256 of the model.
 */
export async function findCache(
  { cache, id, algorithm }: CheckedCalibrator,
  version: string,
  modelSha256: string,
): Promise<FoundCache> {
  if (cache === undefined) return {};
  if (typeof cache !== 'string') {
    const refused = misfit(cache, algorithm, version);
    return refused === undefined ? { bytes: cache } : { refused };
  }
  let bytes: Uint8Array | undefined;
  try {
    bytes = await readIfThere(cache);
  } catch (error) {
    return { refused: messageOf(error) };
  }
  if (bytes === undefined) return {};
  const refused = misfit(bytes, algorithm, version) ?? (await otherOrigin(cache, id, modelSha256));
  return refused === undefined ? { bytes } : { refused };
}

/**
 * Writes a cache, and what it was made of beside it.
 *
 * @param path Where.
 * @param bytes The cache as TensorRT gave it.
 * @param origin What it was made of.
 * @throws TensorRTError `WRITE_FAILED`.
 */
export async function writeCache(
  path: string,
  bytes: Uint8Array,
  origin: CacheOrigin,
): Promise<void> {
  const text = `${JSON.stringify(origin, null, 2)}\n`;
  await writeFiles([
    [path, bytes],
    [cacheOriginPath(path), text],
  ]);
}

/**
 * The report of a calibration whose engine came from the engine cache: its cache file is the caller's,
 * which is written when it is not there.
 *
 * @param calibrator The caller's options.
 * @param report What the build that is used again reported.
 * @param modelSha256 SHA-256 of the model.
 * @throws TensorRTError `WRITE_FAILED`.
 */
export async function restoreCache(
  { cache, id }: CheckedCalibrator,
  report: CalibrationReport,
  modelSha256: string,
): Promise<CalibrationReport> {
  const { cacheFile: _other, cacheRefused: _refused, ...rest } = report;
  if (typeof cache !== 'string') return rest;
  if ((await readIfThere(cache)) === undefined) {
    const { algorithm, batches, images } = report;
    const origin = { modelSha256, algorithm, ...defined({ id }) };
    await writeCache(cache, report.cache, { ...origin, batches, images });
  }
  return { ...rest, cacheFile: cache };
}
