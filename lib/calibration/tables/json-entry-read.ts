import { defined } from '../../defined.js';
import type { Histogram, TensorRange } from '../ranges.js';
import type { JsonObject, JsonValue } from './json-value.js';
import { invalid } from './text.js';

/**
 * The range in the object of a tensor. Upstream counts a tensor without bounds as 0, and so does
 * this. Members that are not known stay in `attributes`.
 *
 * @throws TensorRTError `TABLE_INVALID`.
 */
export function decodeTensorData(value: JsonObject, name: string, source: string): TensorRange {
  const where = `the tensor ${JSON.stringify(name)}`;
  if (value.get('CLS') !== 'TensorData') {
    throw invalid(source, `Expected "CLS": "TensorData" in ${where}`);
  }
  const lowest = boundOf(value, 'lowest', where, source);
  const highest = boundOf(value, 'highest', where, source);
  if (lowest.length !== highest.length) {
    throw invalid(source, `lowest and highest of ${where} differ in length`);
  }
  const average = statistic(value.get('avg'));
  const deviation = statistic(value.get('std'));
  const dtype = dtypeOf(value.get('lowest'));
  const histogram = histogramOf(value, where, source);
  return {
    lowest: fold(lowest, (a, b) => b < a),
    highest: fold(highest, (a, b) => b > a),
    ...(lowest.length > 1 ? { channels: { lowest, highest } } : {}),
    ...defined({ histogram, average, deviation }),
    ...(dtype === 'float16' || dtype === 'float64' ? { dtype } : {}),
    attributes: value,
  };
}

/** The range in a pair `[lowest, highest]`, as ONNX Runtime 1.12 to 1.19 writes it. */
export function decodePair(value: JsonValue, name: string, source: string): TensorRange {
  const [lowest, highest, ...more] = numbersOf(value) ?? [];
  if (lowest === undefined || highest === undefined || more.length > 0) {
    const where = `the tensor ${JSON.stringify(name)}`;
    throw invalid(source, `Expected an object or two numbers for ${where}`);
  }
  return { lowest, highest };
}

function boundOf(value: JsonObject, member: string, where: string, source: string): Float64Array {
  const attribute = value.get(member);
  if (attribute === undefined) return Float64Array.of(0);
  const numbers = attributeNumbers(attribute);
  if (numbers === undefined || numbers.length === 0) {
    throw invalid(source, `Expected a number or a numpy.array for ${member} of ${where}`);
  }
  return numbers;
}

/** A histogram, unless the members are the two lone counts that upstream writes for Percentile. */
function histogramOf(value: JsonObject, where: string, source: string): Histogram | undefined {
  const hist = value.get('hist');
  const bins = value.get('bins') ?? value.get('hist_edges');
  if (!(hist instanceof Map) || !(bins instanceof Map)) return undefined;
  const counts = attributeNumbers(hist);
  const edges = attributeNumbers(bins);
  if (counts === undefined || edges === undefined || edges.length !== counts.length + 1) {
    throw invalid(source, `Expected one more edge than counts in the histogram of ${where}`);
  }
  return { counts, edges: Float32Array.from(edges) };
}

function statistic(value: JsonValue | undefined): number | undefined {
  return value === undefined ? undefined : attributeNumbers(value)?.[0];
}

function dtypeOf(value: JsonValue | undefined): JsonValue | undefined {
  return value instanceof Map ? (value as JsonObject).get('dtype') : undefined;
}

/** The numbers of `{"data": …, "dtype": …, "CLS": "numpy.array"}`, flat, or of a bare number. */
function attributeNumbers(value: JsonValue): Float64Array | undefined {
  if (!(value instanceof Map)) return numbersOf(value);
  const data = (value as JsonObject).get('data');
  return data === undefined ? undefined : numbersOf(data);
}

function numbersOf(value: JsonValue): Float64Array | undefined {
  if (typeof value === 'number' || typeof value === 'bigint') return Float64Array.of(Number(value));
  if (value instanceof Float64Array) return value;
  if (value instanceof BigInt64Array) return Float64Array.from(value, Number);
  if (!Array.isArray(value)) return undefined;
  const numbers: number[] = [];
  for (const element of value as readonly JsonValue[]) {
    const nested = numbersOf(element);
    if (nested === undefined) return undefined;
    for (const number of nested) numbers.push(number);
  }
  return Float64Array.from(numbers);
}

/** The extreme of the numbers, NaN left out as numpy's nanmin does, unless all are NaN. */
function fold(numbers: Float64Array, better: (best: number, next: number) => boolean): number {
  let best = Number.NaN;
  for (const number of numbers) {
    if (Number.isNaN(best) || better(best, number)) best = number;
  }
  return best;
}
