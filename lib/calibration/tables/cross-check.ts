import type { CalibrationTable } from '../ranges.js';
import { listNames } from './names.js';
import { recordedValue } from './value.js';

/**
 * Compares a table with one of the files beside it and says what differs, one sentence each. Values
 * as any ONNX Runtime writes them agree, but those that lack the absolute value are said.
 *
 * @param table The table that has both bounds.
 * @param other The table from another file, with one number a tensor.
 */
export function disagreements(table: CalibrationTable, other: CalibrationTable): string[] {
  const missing = Array.from(table.ranges.keys()).filter((name) => !other.ranges.has(name));
  const extra = Array.from(other.ranges.keys()).filter((name) => !table.ranges.has(name));
  const unsigned: string[] = [];
  const different: string[] = [];
  for (const [name, range] of table.ranges) {
    const found = other.ranges.get(name)?.recorded;
    if (found === undefined) continue;
    const exact = recordedValue(range, 'exact');
    if (agree(found, exact) || agree(found, recordedValue(range, 'onnxruntime-1.12'))) continue;
    if (agree(found, recordedValue(range, 'onnxruntime-1.20'))) unsigned.push(name);
    else different.push(name);
  }
  const file = other.source ?? 'another file';
  const say = (names: string[], what: string) =>
    names.length === 0 ? [] : [`${file} ${what}: ${listNames(names)}`];
  return [
    ...say(missing, `lacks ${missing.length} of the ${table.size} tensors`),
    ...say(extra, `has ${extra.length} tensors more`),
    ...say(
      unsigned,
      `has ${unsigned.length} values without the absolute value, as ONNX Runtime ≥ 1.20 writes them`,
    ),
    ...say(different, `has other values than ${table.source} for ${different.length} tensors`),
  ];
}

/** Equal up to float32: TensorRT's cache holds a rounded scale. */
function agree(a: number, b: number): boolean {
  if (Math.abs(a) === Math.abs(b)) return Math.sign(a) === Math.sign(b);
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) && Number.isNaN(b);
  return Math.abs(a - b) <= 2 ** -23 * Math.abs(b);
}
