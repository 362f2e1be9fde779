import { describe, expect, it } from 'vitest';
import {
  CalibrationTable,
  decodeNativeCache,
  encodeNativeCache,
  isNativeCache,
  onnxRuntimeDynamicRange,
  trtVersionNumber,
} from '../../../lib/calibration/index.js';
import { binary, bytesOf, textOf } from './fixtures.js';

const bytes = (text: string) => new TextEncoder().encode(text);
const cache = () => bytesOf('fixtures/native_trt/trt_native.cache');
const expectedRanges = JSON.parse(textOf('fixtures/native_trt/expected.json')) as Record<
  string,
  { amax: number; hex: string; ort_dynamic_range: string }
>;
const one = (name: string, amax: number, method?: 'entropy' | 'percentile') =>
  new CalibrationTable([[name, { lowest: -amax, highest: amax }]], method ? { method } : {});

describe("TensorRT's calibration cache", () => {
  it('is read with its scales, and written back byte for byte', () => {
    const table = decodeNativeCache(cache());
    expect(table.method).toBe('minmax');
    expect(table.nativeHeader).toBe('TRT-8601-MinMaxCalibration');
    expect(Array.from(table.ranges.keys())).toEqual(Object.keys(expectedRanges));
    for (const [name, { amax, hex }] of Object.entries(expectedRanges)) {
      const range = table.ranges.get(name);
      expect(range?.scaleBits?.toString(16).padStart(8, '0')).toBe(hex);
      const tolerance = Math.max(Math.abs(amax) * 2 ** -23, 2 ** -142);
      expect(Math.abs((range?.recorded as number) - amax)).toBeLessThanOrEqual(tolerance);
    }
    expect(binary(encodeNativeCache(table))).toBe(binary(cache()));
  });

  it('is written from magnitudes byte for byte', () => {
    const ranges = Object.entries(expectedRanges).map(([name, { amax }]) => {
      const magnitude = Math.abs(amax);
      return [name, { lowest: -magnitude, highest: magnitude, recorded: amax }] as const;
    });
    expect(binary(encodeNativeCache(new CalibrationTable(ranges)))).toBe(binary(cache()));
  });

  it('is decoded as ONNX Runtime decodes it, its mistakes with 0 and denormals included', () => {
    for (const { hex, ort_dynamic_range } of Object.values(expectedRanges)) {
      expect(onnxRuntimeDynamicRange(Number.parseInt(hex, 16))).toBe(Number(ort_dynamic_range));
    }
    expect(onnxRuntimeDynamicRange(0x7fc00000)).toBe(Number.POSITIVE_INFINITY);
    expect(onnxRuntimeDynamicRange(0xff800000)).toBe(Number.NEGATIVE_INFINITY);
  });

  it('takes the larger magnitude of both bounds', () => {
    const table = new CalibrationTable([['x', { lowest: -127, highest: 1 }]]);
    expect(binary(encodeNativeCache(table))).toBe('TRT-8601-MinMaxCalibration\nx: 3f800000\n');
  });

  it('names the calibrator of the method and the version asked for', () => {
    const first = (table: CalibrationTable, options = {}) =>
      binary(encodeNativeCache(table, options)).split('\n')[0];
    expect(first(one('x', 1, 'entropy'))).toBe('TRT-8601-EntropyCalibration2');
    expect(first(one('x', 1, 'percentile'))).toBe('TRT-8601-MinMaxCalibration');
    expect(first(one('x', 1), { trtVersion: '10.3.0' })).toBe('TRT-100300-MinMaxCalibration');
    expect(first(one('x', 1), { algorithm: 'EntropyCalibration2' })).toBe(
      'TRT-8601-EntropyCalibration2',
    );
    const read = decodeNativeCache(bytes('TRT-100300-EntropyCalibration2\nx: 3c010204\n'));
    expect(read.method).toBe('entropy');
    expect(first(read)).toBe('TRT-100300-EntropyCalibration2');
    expect(first(read, { trtVersion: 8601 })).toBe('TRT-8601-EntropyCalibration2');
    expect(decodeNativeCache(bytes('TRT-8601-LegacyCalibration\n')).methodKnown).toBe(false);
  });

  it('cannot hold names with a colon, and lists them', () => {
    const table = new CalibrationTable(
      ['ok', 'conv:0', 'a\nb'].map((name) => [name, { lowest: 0, highest: 1 }]),
    );
    expect(() => encodeNativeCache(table)).toThrow(
      expect.objectContaining({ code: 'TABLE_INEXPRESSIBLE', detail: ['conv:0', 'a\nb'] }),
    );
  });

  it('is read where TensorRT wrote such names, and says so', () => {
    const text =
      'TRT-8601-MinMaxCalibration\r\nconv:0: 3c010204\r\ny: 3f800000\r\ny:0x40000000 \r\n';
    const table = decodeNativeCache(bytes(text), 'c');
    expect(Array.from(table.amaxes())).toEqual([
      ['conv:0', 1],
      ['y', 254],
    ]);
    expect(table.warnings).toEqual([
      'c has 1 repeated names, the first "y": the last value counts',
      'c has 1 names with a colon, which ONNX Runtime misreads, the first "conv:0"',
    ]);
  });

  it.each([
    ['', 'Expected a first line such as TRT-8601-MinMaxCalibration'],
    ['TRT-8601-MinMaxCalibration\nx 3c010204\n', 'in line 2: "x 3c010204"'],
    ['TRT-8601-MinMaxCalibration\nx: 3c01020\n\n', 'in line 3: ""'],
    ['TRT-8601-MinMaxCalibration\nx: 3c0102045\n', 'eight hexadecimal digits in line 2'],
    [`TRT-8601-MinMaxCalibration\n${'x'.repeat(99)}\n`, '…'],
  ])('is refused when damaged: %j', (text, message) => {
    expect(() => decodeNativeCache(bytes(text))).toThrow(
      expect.objectContaining({ code: 'TABLE_INVALID', message: expect.stringContaining(message) }),
    );
  });

  it('is told from the file of ONNX Runtime by its first line', () => {
    expect(isNativeCache(cache())).toBe(true);
    expect(isNativeCache(bytes('TRT-8601-MinMaxCalibration'))).toBe(true);
    expect(isNativeCache(bytes('TRT-8601-MinMaxCalibration 1.0\n'))).toBe(false);
    expect(isNativeCache(bytes('TRT-layer 1.0\n'))).toBe(false);
    expect(isNativeCache(bytes(''))).toBe(false);
  });
});

describe('trtVersionNumber', () => {
  it.each([
    [8601, 8601],
    ['8601', 8601],
    ['8.6.1', 8601],
    ['8.6', 8600],
    [100300, 100300],
    ['10.3.0', 100300],
    ['10.15.1', 101501],
  ])('reads %s', (version, number) => {
    expect(trtVersionNumber(version)).toBe(number);
  });

  it('refuses what is no version', () => {
    expect(() => trtVersionNumber('newest')).toThrow(RangeError);
    expect(() => trtVersionNumber(8.6)).toThrow(RangeError);
    expect(() => trtVersionNumber(-8601)).toThrow(RangeError);
    expect(() => trtVersionNumber(null as never)).toThrow(TypeError);
  });
});
