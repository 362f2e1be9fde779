import { Builder } from 'flatbuffers';
import { compareCodePoints } from '../../code-points.js';
import { CalibrationTable, type TensorRange } from '../ranges.js';
import { recordedRange } from './cache.js';
import { CheckedBuffer } from './flatbuffers-checked.js';
import { isUtf8, refuseNames } from './names.js';
import { parseFloatText, pythonFloat } from './python-float.js';
import { invalid } from './text.js';
import { recordedValues, type TableStyle } from './value.js';

/** Field numbers of `KeyValue { key: string; value: string }` and `TrtTable { dict: [KeyValue] }`. */
const KEY = 0;
const VALUE = 1;
const DICT = 0;

/**
 * The bytes of ONNX Runtime's calibration.flatbuffers: the numbers of calibration.cache as text in a
 * `TrtTable`. Objects are made in upstream's order, which decides every byte.
 *
 * @param table The ranges.
 * @param style Whose value; see {@link TableStyle}.
 * @throws TensorRTError `TABLE_INEXPRESSIBLE` for a name with a lone surrogate.
 */
export function encodeFlatBuffers(
  table: CalibrationTable,
  style: TableStyle = 'exact',
): Uint8Array {
  refuseNames(table.ranges.keys(), isUtf8, 'calibration.flatbuffers', 'it holds UTF-8');
  const builder = new Builder(1024);
  const entries = recordedValues(table, style, compareCodePoints).map(([name, number]) => {
    const key = builder.createString(name);
    const value = builder.createString(pythonFloat(number));
    builder.startObject(2);
    builder.addFieldOffset(KEY, key, 0);
    builder.addFieldOffset(VALUE, value, 0);
    return builder.endObject();
  });
  builder.startVector(4, entries.length, 4);
  for (const entry of entries) builder.addOffset(entry);
  const dict = builder.endVector();
  builder.startObject(1);
  builder.addFieldOffset(DICT, dict, 0);
  builder.finish(builder.endObject());
  return builder.asUint8Array().slice();
}

/**
 * Reads a calibration.flatbuffers. As with calibration.cache, only magnitudes are known.
 *
 * @param bytes The file.
 * @param source Its name, for messages.
 * @throws TensorRTError `TABLE_INVALID` when an offset leads out of the file, a field is missing or a
 *   value is not a number.
 */
export function decodeFlatBuffers(
  bytes: Uint8Array,
  source = 'calibration.flatbuffers',
): CalibrationTable {
  const buffer = new CheckedBuffer(bytes, source);
  const dict = buffer.field(buffer.root(), DICT);
  const ranges: [string, TensorRange][] = [];
  const seen = new Set<string>();
  for (const entry of dict === undefined ? [] : buffer.vector(dict)) {
    const key = buffer.field(entry, KEY);
    const text = buffer.field(entry, VALUE);
    if (key === undefined || text === undefined) {
      throw invalid(source, `An entry at byte ${entry} lacks its ${key ? 'value' : 'key'}`);
    }
    const name = buffer.string(key);
    const value = parseFloatText(buffer.string(text));
    if (value === undefined) {
      throw invalid(source, `The value of ${JSON.stringify(name)} is not a number`);
    }
    if (seen.has(name)) throw invalid(source, `The name ${JSON.stringify(name)} occurs twice`);
    seen.add(name);
    ranges.push([name, recordedRange(value)]);
  }
  // Upstream stores the entries from the last name to the first.
  return new CalibrationTable(ranges.reverse(), { source });
}
