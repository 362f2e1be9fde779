import type { BoundForm, CalibrationMethod, TensorRange } from '../ranges.js';
import type { JsonObject, JsonValue } from './json-value.js';
import type { TableStyle } from './value.js';

/**
 * The object that calibration.json holds for a tensor since ONNX Runtime 1.20. Members come in the
 * order in which upstream's calibrators give them.
 *
 * @param range The tensor's range; its own `attributes` are used as they are when it has them.
 * @param method The table's method, which decides the members.
 * @param style In `onnxruntime-1.20` Percentile's `hist` and `bins` are the first two counts, as
 *   upstream writes by mistake.
 */
export function encodeTensorData(
  range: TensorRange,
  method: CalibrationMethod,
  style: TableStyle,
): JsonObject {
  if (range.attributes !== undefined) return range.attributes;
  const dtype = range.dtype ?? 'float32';
  const histogram = range.histogram;
  const scalars = method === 'entropy' || method === 'distribution';
  const form = range.form ?? {
    lowest: scalars ? 'scalar' : 'array',
    highest: scalars ? 'scalar' : 'array',
  };
  const { lowest, highest } = range.channels ?? {};
  const bounds: [string, JsonValue][] = [
    ['lowest', lowest ? numpyArray(lowest, dtype) : bound(range.lowest, form.lowest, dtype)],
    ['highest', highest ? numpyArray(highest, dtype) : bound(range.highest, form.highest, dtype)],
  ];
  const end: [string, JsonValue] = ['CLS', 'TensorData'];
  if (histogram === undefined) return new Map([...bounds, end]);

  const counts = numpyArray(BigInt64Array.from(histogram.counts, BigInt), 'int64');
  const edges = numpyArray(Float64Array.from(histogram.edges), 'float32');
  if (method === 'distribution') {
    return new Map<string, JsonValue>([
      ['avg', bound(range.average ?? Number.NaN, 'array0', 'float32')],
      ['std', bound(range.deviation ?? Number.NaN, 'array0', 'float32')],
      ['hist', counts],
      ['hist_edges', edges],
      ...bounds,
      end,
    ]);
  }
  if (method === 'percentile' && style !== 'exact') {
    const [first = 0, second = 0] = histogram.counts;
    return new Map([...bounds, ['hist', BigInt(first)], ['bins', BigInt(second)], end]);
  }
  return new Map([...bounds, ['hist', counts], ['bins', edges], end]);
}

function bound(value: number, form: BoundForm, dtype: string): JsonValue {
  if (form === 'scalar') return value;
  return numpyArray(form === 'array0' ? value : [value], dtype);
}

function numpyArray(data: JsonValue, dtype: string): JsonObject {
  return new Map<string, JsonValue>([
    ['data', data],
    ['dtype', dtype],
    ['CLS', 'numpy.array'],
  ]);
}
