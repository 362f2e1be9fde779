import { stat } from 'node:fs/promises';
import { basename, dirname, extname } from 'node:path';
import { TensorRTError } from '../../errors.js';
import type { CalibrationTable } from '../ranges.js';
import { listNames } from './names.js';
import { readRecordedFiles, readTable } from './read.js';
import { recordedValue } from './value.js';
import { TABLE_FILES, writeTables } from './write.js';

/** A tensor whose recorded number was too small. */
export interface RepairedTensor {
  /** Name of the tensor. */
  name: string;
  /** Lower bound. */
  lowest: number;
  /** Upper bound. */
  highest: number;
  /** The number that was recorded: max(highest, lowest). */
  recorded: number;
  /** The number that is right: max(|lowest|, |highest|). */
  amax: number;
}

/** What {@link repairTable} did. */
export interface RepairResult {
  /** The table with its bounds. */
  table: CalibrationTable;
  /** The tensors that were wrong, in the table's order; empty when none was. */
  repaired: RepairedTensor[];
  /** The files that were written. */
  files: string[];
  /** What else the reader should know. */
  warnings: readonly string[];
}

/**
 * Repairs a table that ONNX Runtime ≥ 1.20 wrote without the absolute value: from the bounds in its
 * calibration.json the three files are written again in style `exact`.
 *
 * @param path The folder of the table, or any one of its files.
 * @param folder Where to write the repaired table.
 * @returns Which tensors were wrong, and the files.
 * @throws TensorRTError `TABLE_INCOMPLETE` when there is no calibration.json, which alone has both
 *   bounds; what {@link readTable} throws; `WRITE_FAILED`.
 */
export async function repairTable(path: string, folder: string): Promise<RepairResult> {
  const place = await folderOf(path);
  const table = await readTable(place);
  const blind = Array.from(table.ranges).filter(([, range]) => range.recorded !== undefined);
  if (blind.length > 0) {
    const names = listNames(blind.map(([name]) => name));
    throw new TensorRTError(
      'TABLE_INCOMPLETE',
      `${path} cannot be repaired: there is no calibration.json with both bounds of ${names}`,
      { remedy: 'Put the calibration.json of the same run beside it, or calibrate again.' },
    );
  }
  const others = await readRecordedFiles(place);
  const repaired: RepairedTensor[] = [];
  for (const [name, range] of table.ranges) {
    const recorded = recordedValue(range, 'onnxruntime-1.20');
    const amax = recordedValue(range, 'exact');
    if (recorded >= amax || Number.isNaN(amax)) continue;
    const found = others.map((other) => other.ranges.get(name)?.recorded);
    const wrong = found.length === 0 || found.some((value) => value !== undefined && value < amax);
    if (wrong)
      repaired.push({ name, lowest: range.lowest, highest: range.highest, recorded, amax });
  }
  const files = await writeTables(table, folder, { style: 'exact' });
  return { table, repaired, files, warnings: table.warnings };
}

async function folderOf(path: string): Promise<string> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  // A JSON file of another name stands for itself; the usual three belong together.
  const alone = extname(path) === '.json' && basename(path) !== TABLE_FILES.json;
  return isFolder || alone ? path : dirname(path);
}
