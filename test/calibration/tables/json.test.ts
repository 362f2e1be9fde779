import { describe, expect, it } from 'vitest';
import {
  CalibrationTable,
  decodeJson,
  encodeJson,
  symmetricRange,
  type TensorRange,
} from '../../../lib/calibration/index.js';
import { bytesOf } from './fixtures.js';

const decode = (text: string) => decodeJson(new TextEncoder().encode(text), 'c.json');

describe('decodeJson', () => {
  it('takes histograms and statistics', () => {
    const entropy = decodeJson(bytesOf('tables/model/entropy_512/calibration.json'));
    const output = entropy.ranges.get('output');
    expect(entropy.method).toBe('entropy');
    expect(output?.histogram?.counts.length).toBe(512);
    expect(output?.histogram?.edges.length).toBe(513);
    expect(output?.histogram?.counts.reduce((a, b) => a + b, 0)).toBe(400);

    const distribution = decodeJson(bytesOf('tables/model/distribution_512/calibration.json'));
    expect(distribution.method).toBe('distribution');
    expect(distribution.ranges.get('output')).toMatchObject({
      average: -1.2521321773529053,
      deviation: 1.9630892276763916,
    });
    // Upstream writes two lone counts there, which are no histogram.
    const percentile = decodeJson(bytesOf('tables/model/percentile_default/calibration.json'));
    expect(percentile.method).toBe('percentile');
    expect(percentile.ranges.get('output')).not.toHaveProperty('histogram');
  });

  it('takes ranges of channels, and leaves NaN out of the range over them', () => {
    const array = (data: string) => `{"data": ${data}, "dtype": "float32", "CLS": "numpy.array"}`;
    const text = `{"x": {"lowest": ${array('[-1.0, NaN, -3.0]')}, "highest": ${array('[[1.0], [2.0], [NaN]]')}, "CLS": "TensorData"}}`;
    const table = decode(text);
    expect(table.ranges.get('x')).toMatchObject({
      lowest: -3,
      highest: 2,
      channels: {
        lowest: Float64Array.of(-1, Number.NaN, -3),
        highest: Float64Array.of(1, 2, Number.NaN),
      },
    });
    expect(encodeJson(table)).toBe(text);
  });

  it('counts a tensor without bounds as 0, as upstream does', () => {
    const text = '{"x": {"CLS": "TensorData"}}';
    expect(decode(text).ranges.get('x')).toMatchObject({ lowest: 0, highest: 0 });
    expect(encodeJson(decode(text))).toBe(text);
  });

  it.each([
    ['[]', 'Expected an object at the top'],
    ['{"CLS": "TensorsData", "data": 1}', "Expected an object for 'data'"],
    ['{"CLS": "TensorsData", "data": {}}', "as the value of 'calibration_method'"],
    [
      '{"CLS": "TensorsData", "data": {}, "calibration_method": {"value": "toString"}}',
      "as the value of 'calibration_method'",
    ],
    ['{"x": 1}', 'Expected an object or two numbers for the tensor "x"'],
    ['{"x": [1.0]}', 'Expected an object or two numbers for the tensor "x"'],
    ['{"x": [1.0, 2.0, 3.0]}', 'Expected an object or two numbers for the tensor "x"'],
    ['{"x": [1.0, "2"]}', 'Expected an object or two numbers for the tensor "x"'],
    ['{"x": {}}', 'Expected "CLS": "TensorData" in the tensor "x"'],
    [
      '{"x": {"lowest": "1", "CLS": "TensorData"}}',
      'Expected a number or a numpy.array for lowest',
    ],
    ['{"x": {"lowest": {"data": []}, "CLS": "TensorData"}}', 'for lowest of the tensor "x"'],
    ['{"x": {"lowest": {}, "CLS": "TensorData"}}', 'for lowest of the tensor "x"'],
    [
      '{"x": {"lowest": {"data": [1.0, 2.0]}, "highest": 3.0, "CLS": "TensorData"}}',
      'lowest and highest of the tensor "x" differ in length',
    ],
    [
      '{"x": {"hist": {"data": [1]}, "bins": {"data": [1.0]}, "CLS": "TensorData"}}',
      'Expected one more edge than counts in the histogram of the tensor "x"',
    ],
    ['{"x": [0.0, 1.0], "y": {"CLS": "TensorData"}}', '"y" has another form than the names before'],
  ])('refuses %s', (text, message) => {
    expect(() => decode(text)).toThrow(
      expect.objectContaining({
        code: 'TABLE_INVALID',
        message: expect.stringContaining(message),
      }),
    );
  });
});

describe('encodeJson', () => {
  const range: TensorRange = {
    lowest: -1,
    highest: 2,
    average: 0.5,
    deviation: 0.25,
    histogram: { counts: Float64Array.of(7, 3), edges: Float32Array.of(-2, 0, 2) },
  };
  const array = (data: string, dtype = 'float32') =>
    `{"data": ${data}, "dtype": "${dtype}", "CLS": "numpy.array"}`;
  const encode = (method: 'entropy' | 'percentile' | 'distribution', style?: 'onnxruntime-1.20') =>
    encodeJson(new CalibrationTable([['x', range]], { method }), style, 'dict');

  it('writes the members that each method has upstream', () => {
    const hist = `${array('[7, 3]', 'int64')}`;
    const edges = array('[-2.0, 0.0, 2.0]');
    expect(encode('entropy')).toBe(
      `{"x": {"lowest": -1.0, "highest": 2.0, "hist": ${hist}, "bins": ${edges}, "CLS": "TensorData"}}`,
    );
    expect(encode('distribution')).toBe(
      `{"x": {"avg": ${array('0.5')}, "std": ${array('0.25')}, "hist": ${hist}, "hist_edges": ${edges}, "lowest": -1.0, "highest": 2.0, "CLS": "TensorData"}}`,
    );
  });

  it("writes Percentile's histogram whole, and upstream's two counts on request", () => {
    const bounds = `"lowest": ${array('[-1.0]')}, "highest": ${array('[2.0]')}`;
    expect(encode('percentile')).toContain(`"hist": ${array('[7, 3]', 'int64')}, "bins": `);
    expect(encode('percentile', 'onnxruntime-1.20')).toBe(
      `{"x": {${bounds}, "hist": 7, "bins": 3, "CLS": "TensorData"}}`,
    );
  });

  it('does not keep the spelling of a range that was changed', () => {
    const table = decode('{"x": {"lowest": -3.0, "highest": 1.0, "CLS": "TensorData"}}');
    const changed = symmetricRange(table.ranges.get('x') as TensorRange);
    expect(encodeJson(new CalibrationTable([['x', changed]]), 'exact', 'pairs')).toBe(
      '{"x": [-3.0, 3.0]}',
    );
    expect(changed).toEqual({ lowest: -3, highest: 3 });
  });
});
