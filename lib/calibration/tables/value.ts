import { TensorRTError } from '../../errors.js';
import { amaxOf, type CalibrationTable, type TensorRange } from '../ranges.js';
import { listNames } from './names.js';

/**
 * Which files to write. `exact`: the right value, max(|lowest|, |highest|), and the newest layout of
 * calibration.json. `onnxruntime-1.20` (to 1.32 at least): max(highest, lowest) without the absolute
 * value, as upstream writes it. `onnxruntime-1.12` (to 1.19): the right value, and bare pairs.
 */
export type TableStyle = 'exact' | 'onnxruntime-1.20' | 'onnxruntime-1.12';

/** Every {@link TableStyle}. */
export const TABLE_STYLES = ['exact', 'onnxruntime-1.20', 'onnxruntime-1.12'] as const;

/**
 * The one number that calibration.cache and calibration.flatbuffers hold for a tensor.
 *
 * @param range The tensor's range.
 * @param style Whose rule.
 */
export function recordedValue(range: TensorRange, style: TableStyle): number {
  const { lowest, highest } = range;
  switch (style) {
    case 'exact':
      return amaxOf(range);
    case 'onnxruntime-1.20':
      return range.recorded ?? pythonMax(highest, lowest);
    case 'onnxruntime-1.12':
      return pythonMax(Math.abs(lowest), Math.abs(highest));
  }
}

/** Python's `max` keeps the first on ties and whenever a NaN is compared; `Math.max` does not. */
function pythonMax(first: number, second: number): number {
  if (second > first) return second;
  return first;
}

/** Names and numbers in the order of calibration.cache, by code point of the name. */
export function recordedValues(
  table: CalibrationTable,
  style: TableStyle,
  compare: (a: string, b: string) => number,
): [name: string, value: number][] {
  const channels = Array.from(table.ranges).filter(([, range]) => range.channels !== undefined);
  if (style !== 'exact' && channels.length > 0) {
    throw new TensorRTError(
      'TABLE_INEXPRESSIBLE',
      `ONNX Runtime cannot write ranges of channels: ${listNames(channels.map(([name]) => name))}`,
      { remedy: "Use the style 'exact', which writes the range over all channels." },
    );
  }
  return Array.from(table.ranges, ([name, range]): [string, number] => [
    name,
    recordedValue(range, style),
  ]).sort(([a], [b]) => compare(a, b));
}
