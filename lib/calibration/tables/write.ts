import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { oneOf } from '../../arguments.js';
import { writeFiles } from '../../files.js';
import { type CalibrationMeta, encodeMeta } from '../meta.js';
import type { CalibrationTable, JsonLayout } from '../ranges.js';
import { encodeCache } from './cache.js';
import { encodeFlatBuffers } from './flatbuffers.js';
import { encodeJson } from './json.js';
import { encodeNativeCache, type NativeCacheOptions } from './native.js';
import { TABLE_STYLES, type TableStyle } from './value.js';

/** The names of the files that make up a table in a folder. */
export const TABLE_FILES = {
  json: 'calibration.json',
  flatbuffers: 'calibration.flatbuffers',
  cache: 'calibration.cache',
  meta: 'calibration.meta.json',
  /** What a shard of a histogram method writes in place of the three. */
  histograms: 'calibration.histograms',
} as const;

/** How to write a table. */
export interface WriteTablesOptions {
  /** Whose rules; `exact` by default. */
  style?: TableStyle;
  /** Outer layout of calibration.json; by default as it was read, else the style's. */
  layout?: JsonLayout;
  /** Provenance for calibration.meta.json; that of the table by default. */
  meta?: CalibrationMeta;
}

/**
 * Writes a table as ONNX Runtime's three files, and its provenance beside them when there is one. All
 * files appear together or none does.
 *
 * @param table The ranges.
 * @param folder Where; it is made when it is not there.
 * @param options Style and provenance.
 * @returns The paths that were written.
 * @throws TensorRTError `TABLE_INEXPRESSIBLE` when a format cannot hold a name, `WRITE_FAILED`.
 * @throws TypeError or RangeError for a wrong option.
 */
export async function writeTables(
  table: CalibrationTable,
  folder: string,
  options: WriteTablesOptions = {},
): Promise<string[]> {
  const style = oneOf('style', options.style ?? 'exact', TABLE_STYLES);
  return writeAll(folder, options.meta ?? table.meta, [
    [TABLE_FILES.json, encodeJson(table, style, options.layout)],
    [TABLE_FILES.flatbuffers, encodeFlatBuffers(table, style)],
    [TABLE_FILES.cache, encodeCache(table, style)],
  ]);
}

/**
 * Writes a table as TensorRT's own `calibration.cache`, and its provenance beside it when there is one.
 *
 * @param table The ranges.
 * @param folder Where; it is made when it is not there.
 * @param options Version and calibrator for the first line, and provenance.
 * @returns The paths that were written.
 * @throws TensorRTError `TABLE_INEXPRESSIBLE` when a name holds a colon, `WRITE_FAILED`.
 */
export async function writeNativeCache(
  table: CalibrationTable,
  folder: string,
  options: NativeCacheOptions & { meta?: CalibrationMeta } = {},
): Promise<string[]> {
  return writeAll(folder, options.meta ?? table.meta, [
    [TABLE_FILES.cache, encodeNativeCache(table, options)],
  ]);
}

/** Writes files and, when there is provenance, the sidecar with their digests: all or none. */
export async function writeAll(
  folder: string,
  meta: CalibrationMeta | undefined,
  files: [name: string, content: Uint8Array | string][],
): Promise<string[]> {
  if (meta !== undefined) {
    const digests = files.map(([name, content]) => [name, sha256(content)] as const);
    files.push([TABLE_FILES.meta, encodeMeta({ ...meta, files: Object.fromEntries(digests) })]);
  }
  const paths = files.map(([name, content]) => [join(folder, name), content] as const);
  await writeFiles(paths);
  return paths.map(([path]) => path);
}

/** SHA-256 of a file's content, in hex. */
export function sha256(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex');
}
