import type { CalibrationMethod, JsonLayout, TensorRange } from '../ranges.js';
import { CalibrationTable } from '../ranges.js';
import { encodeTensorData } from './json-entry.js';
import { decodePair, decodeTensorData } from './json-entry-read.js';
import type { JsonObject, JsonValue } from './json-value.js';
import { parsePythonJson } from './python-json.js';
import { writePythonJson } from './python-json-write.js';
import { decodeText, invalid } from './text.js';
import type { TableStyle } from './value.js';

const METHOD_NAMES: readonly (readonly [CalibrationMethod, string])[] = [
  ['minmax', 'CalibrationMethod.MinMax'],
  ['entropy', 'CalibrationMethod.Entropy'],
  ['percentile', 'CalibrationMethod.Percentile'],
  ['distribution', 'CalibrationMethod.Distribution'],
];

/**
 * The text of calibration.json, without a line break at its end. A range that was read from a
 * calibration.json is written as it was there; so is the outer object, unless the style asks for
 * pairs or `layout` says otherwise.
 *
 * @param table The ranges.
 * @param style `onnxruntime-1.12` writes pairs; the others write the layout of 1.20 and later.
 * @param layout Outer layout; by default that of the file the table was read from, `tensors-data`
 *   when it was pairs or no calibration.json.
 */
export function encodeJson(
  table: CalibrationTable,
  style: TableStyle = 'exact',
  layout?: JsonLayout,
): string {
  const chosen = layout ?? layoutFor(table, style);
  const data = new Map<string, JsonValue>();
  for (const [name, range] of table.ranges) {
    data.set(
      name,
      chosen === 'pairs'
        ? [range.lowest, range.highest]
        : encodeTensorData(range, table.method, style),
    );
  }
  if (chosen !== 'tensors-data') return writePythonJson(data);
  const method = METHOD_NAMES.find(([name]) => name === table.method)?.[1] as string;
  return writePythonJson(
    new Map<string, JsonValue>([
      ['CLS', 'TensorsData'],
      ['data', data],
      ['calibration_method', new Map([['CLS', 'CalibrationMethod'] as const, ['value', method]])],
      ...(table.members ?? []),
    ]),
  );
}

function layoutFor(table: CalibrationTable, style: TableStyle): JsonLayout {
  if (style === 'onnxruntime-1.12') return 'pairs';
  return table.layout === 'dict' ? 'dict' : 'tensors-data';
}

/**
 * Reads a calibration.json in any layout that ONNX Runtime ≥ 1.12 writes.
 *
 * @param bytes The file.
 * @param source Its name, for messages.
 * @throws TensorRTError `TABLE_INVALID`.
 */
export function decodeJson(bytes: Uint8Array, source = 'calibration.json'): CalibrationTable {
  const document = parsePythonJson(decodeText(bytes, source), source);
  if (!(document instanceof Map)) throw invalid(source, 'Expected an object at the top');
  const outer: JsonObject = document;
  if (outer.get('CLS') !== 'TensorsData') return decodeDict(outer, source);
  const data = outer.get('data');
  if (!(data instanceof Map)) throw invalid(source, "Expected an object for 'data'");
  const known = ['CLS', 'data', 'calibration_method'];
  const members = new Map(Array.from(outer).filter(([name]) => !known.includes(name)));
  return new CalibrationTable(decodeEntries(data, source), {
    method: decodeMethod(outer.get('calibration_method'), source),
    layout: 'tensors-data',
    ...(members.size > 0 ? { members } : {}),
    source,
  });
}

function decodeDict(outer: JsonObject, source: string): CalibrationTable {
  const [first] = outer.values();
  // An empty object is both; it comes out the same unless the style asks for more.
  const layout = first instanceof Map || first === undefined ? 'dict' : 'pairs';
  const ranges = decodeEntries(outer, source);
  const mixed = Array.from(outer).find(
    ([, value]) => value instanceof Map !== (layout === 'dict'),
  )?.[0];
  if (mixed !== undefined) {
    throw invalid(source, `${JSON.stringify(mixed)} has another form than the names before it`);
  }
  return new CalibrationTable(ranges, { layout, source });
}

function decodeEntries(data: JsonObject, source: string): [string, TensorRange][] {
  return Array.from(data, ([name, value]) => [
    name,
    value instanceof Map ? decodeTensorData(value, name, source) : decodePair(value, name, source),
  ]);
}

function decodeMethod(value: JsonValue | undefined, source: string): CalibrationMethod {
  const text = value instanceof Map ? (value as JsonObject).get('value') : value;
  const method = METHOD_NAMES.find(([, name]) => name === text)?.[0];
  if (method === undefined) {
    const names = METHOD_NAMES.map(([, name]) => name).join(', ');
    throw invalid(source, `Expected one of ${names} as the value of 'calibration_method'`);
  }
  return method;
}
