import { join } from 'node:path';
import { defined } from '../../defined.js';
import { TensorRTError } from '../../errors.js';
import { type CalibrationMeta, decodeMeta } from '../meta.js';
import type { CalibrationTable } from '../ranges.js';
import { mergeTables } from '../tables/merge.js';
import {
  type CalibrationPart,
  checkParts,
  mergeMetas,
  nameOf,
  partWarnings,
} from '../tables/parts.js';
import { readIfThere, readSidecar, readTable } from '../tables/read.js';
import { TABLE_FILES, writeAll } from '../tables/write.js';
import type { LatticeCalibration } from './lattice-calibration.js';
import { decodeLattices, encodeLattices, LATTICE_FILE } from './lattice-file.js';

/** Far above what the tensors of any model need at 512 KiB each. */
const MAX_LATTICE_BYTES = 1024 * 1024 * 1024;

/**
 * Writes the histograms of one part of the images, `calibration.histograms`, and the provenance beside
 * it. There is no table yet: {@link mergeFolders} makes it of all parts.
 *
 * @param part The histograms.
 * @param folder Where; it is made when it is not there.
 * @param meta Provenance, with the `shard`.
 * @returns The paths that were written.
 * @throws TensorRTError `WRITE_FAILED`.
 */
export async function writeHistogramPart(
  part: LatticeCalibration,
  folder: string,
  meta?: CalibrationMeta,
): Promise<string[]> {
  return writeAll(folder, meta, [[LATTICE_FILE, encodeLattices(part)]]);
}

/**
 * Joins the parts of a calibration, in any order, into its table. MinMax parts are tables and give bit
 * for bit the table of one run. Histogram parts are what {@link writeHistogramPart} wrote; whatever
 * their number and order they give the same table, whose ranges differ from those of one run without
 * parts by a bin of the histogram at most, unless Entropy has more bins than levels to choose from
 * (docs/calibration.md).
 *
 * @param folders The folders of the parts.
 * @returns The table, with the provenance of all parts.
 * @throws TensorRTError `TABLE_INCOMPLETE` when a shard is missing, `TABLE_MISMATCH` when one is there
 *   twice, or when models, recipes, methods, options or samples differ; `TABLE_INVALID`,
 *   `FILE_NOT_FOUND`.
 */
export async function mergeFolders(folders: readonly string[]): Promise<CalibrationTable> {
  if (folders.length === 0) {
    throw new RangeError('Expected at least one folder but received none');
  }
  const parts: CalibrationPart[] = [];
  const tables: CalibrationTable[] = [];
  let merged: LatticeCalibration | undefined;
  for (const folder of await inOrder(folders)) {
    // One part is in memory at a time: each holds a histogram for every tensor.
    const content = await readIfThere(join(folder, LATTICE_FILE), MAX_LATTICE_BYTES);
    if (content === undefined) {
      tables.push(await readTable(folder));
      continue;
    }
    const { meta } = await readSidecar(folder, new Map([[LATTICE_FILE, content]]));
    parts.push({ meta, source: folder });
    const part = decodeLattices(content, join(folder, LATTICE_FILE));
    if (merged === undefined) merged = part;
    else merged.merge(part);
  }
  if (merged === undefined) return mergeTables(tables);
  if (tables.length > 0) {
    throw new TensorRTError(
      'TABLE_MISMATCH',
      `${nameOf(parts[0])} holds histograms, but ${nameOf(tables[0])} a finished table`,
      { remedy: 'Merge only the parts of one calibration.' },
    );
  }
  // Once more, because a sidecar that was written for other files does not count.
  checkParts(parts);
  const meta = mergeMetas(parts);
  return merged.table().with({ warnings: partWarnings(parts), ...defined({ meta }) });
}

/** The folders by shard, after a look at what they say of themselves: it costs less than reading them. */
async function inOrder(folders: readonly string[]): Promise<readonly string[]> {
  const parts: CalibrationPart[] = [];
  for (const source of folders) {
    const path = join(source, TABLE_FILES.meta);
    const content = await readIfThere(path);
    parts.push({ source, meta: content === undefined ? undefined : decodeMeta(content, path) });
  }
  // Parts of which nothing is known are judged by what they hold.
  if (parts.every(({ meta }) => meta !== undefined)) checkParts(parts);
  const place = ({ meta }: CalibrationPart) => meta?.shard?.index ?? 0;
  return [...parts].sort((a, b) => place(a) - place(b)).map(({ source }) => source!);
}
