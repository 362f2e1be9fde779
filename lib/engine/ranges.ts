import { basename } from 'node:path';
import { expected } from '../arguments.js';
import { CalibrationTable, checkModel, readTable } from '../calibration/index.js';
import { TensorRTError } from '../errors.js';
import type { OnnxModel } from '../onnx/index.js';
import type { NativeRangeReport } from '../runtime/index.js';

/** Which tensors of a network have a range. Tensors that hold no floating-point numbers need none. */
export interface RangeCoverage {
  /** Tensors whose range is the table's. */
  covered: string[];
  /** Tensors whose range follows from a constant's values or from a neighbour's range. */
  derived: string[];
  /** Tensors without a range: TensorRT computes what touches them in floating point. */
  missing: string[];
  /** Names of the table that no tensor of the network has. */
  unused: string[];
  /** Entries of the table that are no range, because they are zero, infinite or no number. */
  unusable: string[];
}

/** A table as the native module takes it. */
export interface TableRanges {
  /** Magnitudes by tensor name. */
  ranges: { name: string; amax: number }[];
  /** Names of the entries that are no range. */
  unusable: string[];
  /** What a user should know of the table. */
  warnings: string[];
}

/** The smallest float32 that is not denormal: less is lost on the way to a scale. */
const SMALLEST = 2 ** -126;

/**
 * The ranges of a calibration table for a build.
 *
 * @param calibration Path of a table of any format or of a folder of tables, or a table.
 * @param model The model it is for.
 * @throws TypeError; TensorRTError `FILE_NOT_FOUND`, `TABLE_INVALID`, and `TABLE_MISMATCH` for a table
 *   of another model.
 */
export async function tableRanges(
  calibration: string | CalibrationTable,
  model: OnnxModel,
): Promise<TableRanges> {
  if (typeof calibration !== 'string' && !(calibration instanceof CalibrationTable)) {
    throw expected('calibration', 'a path or a CalibrationTable', calibration);
  }
  const table = typeof calibration === 'string' ? await readTable(calibration) : calibration;
  const { path, sha256 } = model;
  const unknown = checkModel(table, {
    sha256,
    ...(path === undefined ? {} : { file: basename(path) }),
  });
  const result = usableRanges(table);
  if (unknown !== undefined) result.warnings.push(unknown);
  return result;
}

/**
 * The ranges of a table that are some.
 *
 * @param table The table.
 */
export function usableRanges(table: CalibrationTable): TableRanges {
  const result: TableRanges = { ranges: [], unusable: [], warnings: [...table.warnings] };
  for (const name of table.ranges.keys()) {
    const amax = Math.fround(table.amax(name)!);
    if (amax >= SMALLEST && Number.isFinite(amax)) result.ranges.push({ name, amax });
    else result.unusable.push(name);
  }
  return result;
}

/** How many names a message lists before it only counts. */
const NAMED = 5;

function listed(names: readonly string[]): string {
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : '';
  return names.slice(0, NAMED).join(', ') + more;
}

/**
 * What the network made of a table.
 *
 * @param report The native module's.
 * @param table What the module was given.
 */
export function coverageOf(report: NativeRangeReport, table: TableRanges): RangeCoverage {
  return { ...report, unusable: table.unusable };
}

/**
 * The error for a build that stopped because tensors lack a range.
 *
 * @param coverage Who has one.
 */
export function incomplete({ missing, unusable }: RangeCoverage): TensorRTError {
  const also = unusable.length === 0 ? '' : `; no range are the entries ${listed(unusable)}`;
  return new TensorRTError(
    'TABLE_INCOMPLETE',
    `The calibration table lacks the range of ${missing.length} tensors: ${listed(missing)}${also}`,
    {
      detail: missing,
      remedy:
        'Calibrate with this model, or leave strict out: what has no range stays in floating point.',
    },
  );
}

/**
 * Warnings for a coverage with holes.
 *
 * @param coverage Who has a range.
 */
export function coverageWarnings({ covered, missing, unusable }: RangeCoverage): string[] {
  const warnings: string[] = [];
  if (covered.length === 0) {
    warnings.push('No tensor of the network stands in the calibration table: nothing becomes INT8');
  } else if (missing.length > 0) {
    warnings.push(
      `${missing.length} tensors have no range and stay in floating point: ${listed(missing)}`,
    );
  }
  if (unusable.length > 0) {
    warnings.push(
      `${unusable.length} entries of the calibration table are no range: ${listed(unusable)}`,
    );
  }
  return warnings;
}
