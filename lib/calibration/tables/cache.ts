import { compareCodePoints } from '../../code-points.js';
import { CalibrationTable, type TensorRange } from '../ranges.js';
import { isUtf8, refuseNames } from './names.js';
import { parseFloatText, pythonFloat } from './python-float.js';
import { decodeText, invalid } from './text.js';
import { recordedValues, type TableStyle } from './value.js';

/**
 * The bytes of ONNX Runtime's calibration.cache: a line `name value` for each tensor, by code point
 * of the name.
 *
 * @param table The ranges.
 * @param style Whose value; see {@link TableStyle}.
 * @throws TensorRTError `TABLE_INEXPRESSIBLE` for a name with a lone surrogate, or, in style `exact`,
 *   with a line break: no reader could find its end.
 */
export function encodeCache(table: CalibrationTable, style: TableStyle = 'exact'): Uint8Array {
  const names = table.ranges.keys();
  const fits = (name: string) => isUtf8(name) && (style !== 'exact' || !name.includes('\n'));
  refuseNames(names, fits, 'calibration.cache', 'it has one line of UTF-8 for each');
  const lines = recordedValues(table, style, compareCodePoints).map(
    ([name, value]) => `${name} ${pythonFloat(value)}\n`,
  );
  return new TextEncoder().encode(lines.join(''));
}

/**
 * Reads a calibration.cache. It holds one number a tensor, so the bounds are minus and plus its
 * magnitude, and {@link TensorRange.recorded} has it as written.
 *
 * @param bytes The file.
 * @param source Its name, for messages.
 * @throws TensorRTError `TABLE_INVALID` with the line.
 */
export function decodeCache(bytes: Uint8Array, source = 'calibration.cache'): CalibrationTable {
  const lines = decodeText(bytes, source).split('\n');
  if (lines.at(-1) === '') lines.pop();
  const ranges = new Map<string, TensorRange>();
  lines.forEach((line, index) => {
    // Names may hold spaces, numbers cannot; Windows ends lines with a carriage return.
    const text = line.endsWith('\r') ? line.slice(0, -1) : line;
    const space = text.lastIndexOf(' ');
    const value = space < 0 ? undefined : parseFloatText(text.slice(space + 1));
    if (value === undefined) {
      const shown = JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
      throw invalid(source, `Expected a name, a space and a number in line ${index + 1}: ${shown}`);
    }
    const name = text.slice(0, space);
    if (ranges.has(name)) {
      throw invalid(source, `The name ${JSON.stringify(name)} occurs again in line ${index + 1}`);
    }
    ranges.set(name, recordedRange(value));
  });
  return new CalibrationTable(ranges, { source });
}

/** The range of a tensor of which a file holds one number. */
export function recordedRange(recorded: number): TensorRange {
  const amax = Math.abs(recorded);
  return { lowest: -amax, highest: amax, recorded };
}
