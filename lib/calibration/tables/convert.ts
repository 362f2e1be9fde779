import { oneOf } from '../../arguments.js';
import type { CalibrationTable } from '../ranges.js';
import { inspectTable } from './inspect.js';
import { listNames } from './names.js';
import { type NativeCacheOptions, nativeHeader } from './native.js';
import { readTable } from './read.js';
import { type WriteTablesOptions, writeNativeCache, writeTables } from './write.js';

/** What to convert a table to. */
export interface ConvertTableOptions
  extends NativeCacheOptions,
    Pick<WriteTablesOptions, 'style' | 'layout'> {
  /** `onnxruntime` (default): its three files. `tensorrt`: TensorRT's own calibration.cache. */
  to?: 'onnxruntime' | 'tensorrt';
}

/** What {@link convertTable} did. */
export interface ConvertResult {
  /** The table as it was read. */
  table: CalibrationTable;
  /** The files that were written. */
  files: string[];
  /** First line of TensorRT's cache, when that is what was written. */
  header?: string;
  /** What the conversion could not carry over, and the table's own warnings. */
  warnings: string[];
}

/**
 * Reads a table of any format and writes it in another.
 *
 * @param input File or folder.
 * @param folder Where to write.
 * @param options Target format, and its style or version.
 * @throws TensorRTError `TABLE_INVALID`, `FILE_NOT_FOUND`, `TABLE_INEXPRESSIBLE`, `WRITE_FAILED`.
 * @throws TypeError or RangeError for a wrong option.
 */
export async function convertTable(
  input: string,
  folder: string,
  options: ConvertTableOptions = {},
): Promise<ConvertResult> {
  const to = oneOf('to', options.to ?? 'onnxruntime', ['onnxruntime', 'tensorrt']);
  const table = await readTable(input);
  const warnings = [...table.warnings, ...losses(table, to)];
  if (to === 'onnxruntime') {
    return { table, files: await writeTables(table, folder, options), warnings };
  }
  const files = await writeNativeCache(table, folder, options);
  return { table, files, header: nativeHeader(table, options), warnings };
}

function losses(table: CalibrationTable, to: 'onnxruntime' | 'tensorrt'): string[] {
  const { findings } = inspectTable(table);
  const warnings: string[] = [];
  const blind = Array.from(table.ranges.values()).some((range) => range.recorded !== undefined);
  if (to === 'onnxruntime' && blind) {
    warnings.push('The source has magnitudes alone: calibration.json gets minus and plus these');
  }
  const unusable = [...(findings.infinite ?? []), ...(findings.nan ?? [])];
  if (unusable.length > 0) {
    warnings.push(`TensorRT refuses ranges that are not finite: ${listNames(unusable)}`);
  }
  if (findings.negative !== undefined) {
    const what = 'Recorded below 0, so the true magnitude is not known';
    warnings.push(`${what}: ${listNames(findings.negative)}`);
  }
  return warnings;
}
