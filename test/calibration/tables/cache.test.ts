import { describe, expect, it } from 'vitest';
import {
  CalibrationTable,
  decodeCache,
  encodeCache,
  encodeFlatBuffers,
  encodeJson,
} from '../../../lib/calibration/index.js';
import { binary } from './fixtures.js';

const bytes = (text: string) => new TextEncoder().encode(text);
const table = (...ranges: [string, number, number][]) =>
  new CalibrationTable(ranges.map(([name, lowest, highest]) => [name, { lowest, highest }]));

describe('calibration.cache', () => {
  it('holds the right value by default, and what upstream wrote on request', () => {
    const one = table(['b c', -4.07, 3.03], ['a', -3.5, -1.25]);
    expect(binary(encodeCache(one))).toBe('a 3.5\nb c 4.07\n');
    expect(binary(encodeCache(one, 'onnxruntime-1.20'))).toBe('a -1.25\nb c 3.03\n');
    expect(binary(encodeCache(one, 'onnxruntime-1.12'))).toBe('a 3.5\nb c 4.07\n');
  });

  it('compares as Python does where a bound is not a number', () => {
    const one = table(['x', Number.NaN, 1], ['y', 0, Number.NaN], ['z', 0, -0]);
    expect(binary(encodeCache(one, 'onnxruntime-1.20'))).toBe('x 1.0\ny nan\nz -0.0\n');
    expect(binary(encodeCache(one, 'onnxruntime-1.12'))).toBe('x nan\ny 0.0\nz 0.0\n');
    expect(binary(encodeCache(one))).toBe('x nan\ny nan\nz 0.0\n');
  });

  it('splits at the last space, and takes the line ends of Windows', () => {
    const read = decodeCache(bytes('__proto__ 2.5\r\n 1.0\r\na b: c -1.25\r\n126 1e-05'));
    expect(Array.from(read.ranges)).toEqual([
      ['__proto__', { lowest: -2.5, highest: 2.5, recorded: 2.5 }],
      ['', { lowest: -1, highest: 1, recorded: 1 }],
      ['a b: c', { lowest: -1.25, highest: 1.25, recorded: -1.25 }],
      ['126', { lowest: -0.00001, highest: 0.00001, recorded: 0.00001 }],
    ]);
    expect(read.methodKnown).toBe(false);
    expect(read.amax('a b: c')).toBe(1.25);
    expect(read.amax('toString')).toBeUndefined();
    expect(read.amaxes().get('126')).toBe(0.00001);
  });

  it.each([
    ['a 1.0\nb\n', 'x.cache: Expected a name, a space and a number in line 2: "b"'],
    ['a 1.0\n\n', 'in line 2: ""'],
    ['a one\n', 'in line 1: "a one"'],
    ['a 1.0\na 2.0\n', 'The name "a" occurs again in line 2'],
    [`${'n'.repeat(100)}\n`, '…'],
  ])('refuses %j', (text, message) => {
    expect(() => decodeCache(bytes(text), 'x.cache')).toThrow(
      expect.objectContaining({
        code: 'TABLE_INVALID',
        message: expect.stringContaining(message),
      }),
    );
  });

  it('refuses bytes that are not UTF-8', () => {
    expect(() => decodeCache(Uint8Array.of(0xe9, 0x20, 0x31))).toThrow('The text is not UTF-8');
  });

  it('refuses names it cannot hold, and lists them', () => {
    const broken = table(['ok', 0, 1], ['a\nb', 0, 1], ['\ud800', 0, 1]);
    expect(() => encodeCache(broken)).toThrow(
      expect.objectContaining({ code: 'TABLE_INEXPRESSIBLE', detail: ['a\nb', '\ud800'] }),
    );
    expect(() => encodeFlatBuffers(broken)).toThrow(
      expect.objectContaining({ code: 'TABLE_INEXPRESSIBLE', detail: ['\ud800'] }),
    );
    expect(encodeJson(broken, 'onnxruntime-1.12')).toContain('"\\ud800": [0.0, 1.0]');
    const upstream = encodeCache(table(['a\nb', 0, 1]), 'onnxruntime-1.20');
    expect(binary(upstream)).toBe('a\nb 1.0\n');
  });

  it('shortens a long list of refused names', () => {
    const many = table(
      ...Array.from({ length: 12 }, (_, i): [string, number, number] => [`\n${i}`, 0, 1]),
    );
    expect(() => encodeCache(many)).toThrow('"\\n9" and 2 more: it has one line');
  });

  it('takes ranges of channels together, where upstream cannot write them', () => {
    const channels = { lowest: Float64Array.of(-1, -5), highest: Float64Array.of(2, 3) };
    const one = new CalibrationTable([['x', { lowest: -5, highest: 3, channels }]]);
    expect(binary(encodeCache(one))).toBe('x 5.0\n');
    expect(() => encodeCache(one, 'onnxruntime-1.20')).toThrow(
      expect.objectContaining({ code: 'TABLE_INEXPRESSIBLE' }),
    );
  });
});

describe('CalibrationTable', () => {
  it('refuses what is no table', () => {
    expect(() => table(['a', 0, 1], ['a', 0, 1])).toThrow(RangeError);
    expect(() => new CalibrationTable([[1 as never, { lowest: 0, highest: 1 }]])).toThrow(
      'Expected a string for name',
    );
    expect(() => new CalibrationTable([['a', { lowest: 0 } as never]])).toThrow(
      'Expected an object with two bounds for range of "a"',
    );
    expect(() => new CalibrationTable([], { method: 'kl' as never })).toThrow(RangeError);
  });

  it('keeps what with() does not replace', () => {
    const one = new CalibrationTable([['a', { lowest: 0, highest: 1 }]], {
      method: 'entropy',
      layout: 'dict',
      members: new Map([['smooth_quant', false]]),
      source: 'here',
      nativeHeader: 'TRT-8601-EntropyCalibration2',
      warnings: ['w'],
    });
    const other = one.with({ source: 'there' });
    expect(other).toEqual({ ...one, source: 'there' });
    expect(other.size).toBe(1);
    expect(table().with({ meta: { version: 1 } }).methodKnown).toBe(false);
  });
});
