import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { defined } from '../../defined.js';
import { messageOf, systemCode, TensorRTError } from '../../errors.js';
import { type CalibrationMeta, decodeMeta, shardName } from '../meta.js';
import type { CalibrationTable } from '../ranges.js';
import { decodeCache } from './cache.js';
import { disagreements } from './cross-check.js';
import { decodeFlatBuffers } from './flatbuffers.js';
import { decodeJson } from './json.js';
import { decodeNativeCache, isNativeCache } from './native.js';
import { invalid, MAX_TABLE_BYTES } from './text.js';
import { sha256, TABLE_FILES } from './write.js';

/** The formats that {@link decodeTable} tells apart. */
export type TableFormat = 'json' | 'flatbuffers' | 'cache' | 'tensorrt';

/** The files of a folder, the one that knows most first. */
const PREFERENCE = [TABLE_FILES.json, TABLE_FILES.flatbuffers, TABLE_FILES.cache] as const;

/**
 * Reads a calibration table: a file of any format (told by its content), or a folder with the files
 * that ONNX Runtime writes. From a folder calibration.json is taken, because it alone has both
 * bounds; the others are compared with it, and what differs is in the table's `warnings`. So is the
 * lack of a calibration.meta.json.
 *
 * @param path File or folder.
 * @throws TensorRTError `FILE_NOT_FOUND`, `TABLE_INVALID` with what is wrong and where, or
 *   `TABLE_INCOMPLETE` for the folder of a shard that has no table.
 */
export async function readTable(path: string): Promise<CalibrationTable> {
  const isFolder = await isDirectory(path);
  const folder = isFolder ? path : dirname(path);
  const names = isFolder ? PREFERENCE : [basename(path)];
  const contents = new Map<string, Uint8Array>();
  for (const name of names) {
    const content = await readIfThere(join(folder, name));
    if (content !== undefined) contents.set(name, content);
  }
  const tables = Array.from(contents, ([name, content]) =>
    decodeTable(content, join(folder, name)),
  );
  const [table, ...others] = tables;
  if (table === undefined) {
    if (isFolder && (await isThere(join(folder, TABLE_FILES.histograms)))) {
      throw new TensorRTError(
        'TABLE_INCOMPLETE',
        `${path} holds the histograms of a shard, and no table yet`,
        { remedy: 'Join all shards first: `tensorrt-node merge DIR… --out DIR`.' },
      );
    }
    throw notFound(path, `it has none of ${PREFERENCE.join(', ')}`);
  }
  const sidecar = await readSidecar(folder, contents);
  const warnings = [
    ...tables.flatMap((one) => one.warnings),
    ...others.flatMap((other) => disagreements(table, other)),
    ...sidecar.warnings,
  ];
  const { meta } = sidecar;
  if (meta?.shard !== undefined) {
    warnings.push(`${path} is ${shardName(meta.shard)} only: join all shards with \`merge\` first`);
  }
  return table.with({ source: path, warnings, ...defined({ meta }) });
}

/**
 * Reads each calibration.flatbuffers and calibration.cache that is in a folder, without comparing
 * them.
 *
 * @param folder The folder; a file has none beside it here.
 */
export async function readRecordedFiles(folder: string): Promise<CalibrationTable[]> {
  const tables: CalibrationTable[] = [];
  if (!(await isDirectory(folder))) return tables;
  for (const name of [TABLE_FILES.flatbuffers, TABLE_FILES.cache]) {
    const content = await readIfThere(join(folder, name));
    if (content !== undefined) tables.push(decodeTable(content, join(folder, name)));
  }
  return tables;
}

/**
 * Reads a calibration table of any of the four formats from memory.
 *
 * @param bytes The content of the file.
 * @param source Its name: the extension `.json` or `.flatbuffers` decides, and messages show it.
 * @throws TensorRTError `TABLE_INVALID`.
 */
export function decodeTable(bytes: Uint8Array, source: string): CalibrationTable {
  if (bytes.length > MAX_TABLE_BYTES) {
    throw invalid(source, `Larger than any table: ${bytes.length} bytes, above ${MAX_TABLE_BYTES}`);
  }
  switch (tableFormat(bytes, source)) {
    case 'json':
      return decodeJson(bytes, source);
    case 'flatbuffers':
      return decodeFlatBuffers(bytes, source);
    case 'tensorrt':
      return decodeNativeCache(bytes, source);
    case 'cache':
      return decodeCache(bytes, source);
  }
}

/**
 * The format of a table by its content. TensorRT and ONNX Runtime both call theirs
 * `calibration.cache`; TensorRT's starts with `TRT-`.
 *
 * @param bytes The content of the file.
 * @param source Its name.
 */
export function tableFormat(bytes: Uint8Array, source: string): TableFormat {
  if (source.endsWith('.json')) return 'json';
  if (source.endsWith('.flatbuffers')) return 'flatbuffers';
  // The offset of the root table is far below 2^24; no text starts with such bytes.
  if (bytes.subarray(0, 8).includes(0)) return 'flatbuffers';
  if (isNativeCache(bytes)) return 'tensorrt';
  const text = new TextDecoder().decode(bytes.subarray(0, 256)).trimStart();
  return text.startsWith('{') && !source.endsWith('.cache') ? 'json' : 'cache';
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    throw notFound(path, messageOf(error), error);
  }
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** The content of a file; `undefined` when it is not there. */
export async function readIfThere(
  path: string,
  limit = MAX_TABLE_BYTES,
): Promise<Uint8Array | undefined> {
  try {
    const { size } = await stat(path);
    if (size > limit) {
      throw invalid(path, `Larger than any table: ${size} bytes, above ${limit}`);
    }
    return await readFile(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    if (error instanceof TensorRTError) throw error;
    throw notFound(path, messageOf(error), error);
  }
}

function notFound(path: string, why: string, cause?: unknown): TensorRTError {
  return new TensorRTError('FILE_NOT_FOUND', `No calibration table at ${path}: ${why}`, {
    remedy: 'Give a calibration file, or the folder that `calibrate --out` wrote.',
    ...defined({ cause }),
  });
}

/** The provenance beside the tables, unless it was written for other files than these. */
export async function readSidecar(
  folder: string,
  contents: ReadonlyMap<string, Uint8Array>,
): Promise<{ meta?: CalibrationMeta; warnings: string[] }> {
  const path = join(folder, TABLE_FILES.meta);
  const content = await readIfThere(path);
  if (content === undefined) {
    const warning = `No ${TABLE_FILES.meta} in ${folder}: which model the table belongs to is not known`;
    return { warnings: [warning] };
  }
  const meta = decodeMeta(content, path);
  for (const [name, bytes] of contents) {
    const digest =
      meta.files !== undefined && Object.hasOwn(meta.files, name) ? meta.files[name] : undefined;
    if (meta.files !== undefined && digest !== sha256(bytes)) {
      const warning = `${path} was written for another ${name} and is left out of account`;
      return { warnings: [warning] };
    }
  }
  return { meta, warnings: [] };
}
