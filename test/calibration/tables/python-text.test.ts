import { describe, expect, it } from 'vitest';
import { parseFloatText, pythonFloat } from '../../../lib/calibration/tables/python-float.js';
import { parsePythonJson } from '../../../lib/calibration/tables/python-json.js';
import { writePythonJson } from '../../../lib/calibration/tables/python-json-write.js';
import { compareCodePoints } from '../../../lib/code-points.js';
import { TensorRTError } from '../../../lib/errors.js';

describe('pythonFloat', () => {
  it.each([
    [0, '0.0'],
    [-0, '-0.0'],
    [1, '1.0'],
    [-1.5, '-1.5'],
    [8.483948707580566, '8.483948707580566'],
    [123456, '123456.0'],
    [0.0001, '0.0001'],
    [0.00012345, '0.00012345'],
    [0.00001, '1e-05'],
    [1.0000000116860974e-7, '1.0000000116860974e-07'],
    [9999999999999998, '9999999999999998.0'],
    [1e16, '1e+16'],
    [1.2e16, '1.2e+16'],
    [3.4028234663852886e38, '3.4028234663852886e+38'],
    [5e-324, '5e-324'],
    [1.7976931348623157e308, '1.7976931348623157e+308'],
    [Number.POSITIVE_INFINITY, 'inf'],
    [Number.NEGATIVE_INFINITY, '-inf'],
    [Number.NaN, 'nan'],
  ])('spells %d as Python does', (value, text) => {
    expect(pythonFloat(value)).toBe(text);
  });
});

describe('parseFloatText', () => {
  it.each([
    ['0.0', 0],
    ['-1.25', -1.25],
    ['1e-05', 0.00001],
    ['+3', 3],
    ['.5', 0.5],
    ['7.', 7],
    ['inf', Number.POSITIVE_INFINITY],
    ['-Infinity', Number.NEGATIVE_INFINITY],
    ['nan', Number.NaN],
    ['-NaN', Number.NaN],
  ])('reads %s', (text, value) => {
    expect(parseFloatText(text)).toBe(value);
  });

  it.each(['', '-', '.', '1e', '0x10', '1_000', '1,5', 'infinite', '1 2', '１'])(
    'refuses %j',
    (text) => {
      expect(parseFloatText(text)).toBeUndefined();
    },
  );
});

describe('parsePythonJson', () => {
  it('keeps order, kinds of number, and every name', () => {
    const text = '{"126": 1, "9": 1.0, "__proto__": [true, false, null], "": {"a": NaN}}';
    const value = parsePythonJson(text, 'x.json') as Map<string, unknown>;
    expect(Array.from(value.keys())).toEqual(['126', '9', '__proto__', '']);
    expect(value.get('126')).toBe(1n);
    expect(value.get('9')).toBe(1);
    expect(value.get('__proto__')).toEqual([true, false, null]);
    expect(writePythonJson(value as never)).toBe(text);
  });

  it('reads the literals and escapes of Python', () => {
    const text =
      '[-Infinity, Infinity, -0.0, 1e999, "\\ud83d\\ude00\\n\\/\\u00e9é", 12345678901234567890]';
    expect(parsePythonJson(text, 'x.json')).toEqual([
      Number.NEGATIVE_INFINITY,
      Number.POSITIVE_INFINITY,
      -0,
      Number.POSITIVE_INFINITY,
      '😀\n/éé',
      12345678901234567890n,
    ]);
  });

  it('holds long arrays of one kind compactly and writes them alike', () => {
    const integers = `[${Array.from({ length: 40 }, (_, i) => i).join(', ')}]`;
    const floats = `[${Array.from({ length: 40 }, (_, i) => `${i}.5`).join(', ')}]`;
    const mixed = integers.replace('39', '39.0');
    const wide = integers.replace('39', '9223372036854775808');
    expect(parsePythonJson(integers, 'x')).toBeInstanceOf(BigInt64Array);
    expect(parsePythonJson(floats, 'x')).toBeInstanceOf(Float64Array);
    expect(parsePythonJson(wide, 'x')).toBeInstanceOf(Array);
    for (const text of [integers, floats, mixed, wide]) {
      expect(writePythonJson(parsePythonJson(text, 'x'))).toBe(text);
    }
  });

  it.each([
    ['', 'Expected a value, at line 1, column 1: the end of the file'],
    ['{"a": 1,}', 'Expected a name in double quotes, at line 1, column 9: "}"'],
    ['{"a" 1}', 'Expected \':\' after a name, at line 1, column 6: "1}"'],
    ['{"a": 1 "b": 2}', "Expected ',' or '}', at line 1, column 9"],
    ['[1 2]', "Expected ',' or ']', at line 1, column 4"],
    ['{\n "a": 1,\n "a": 2}', 'The name "a" occurs twice in one object, at line 3, column 2'],
    ['[1] x', 'Expected the end of the document, at line 1, column 5: "x"'],
    ['"abc', 'A string without its end, at line 1, column 1'],
    ['"a\tb"', 'A control character in a string, at line 1, column 3'],
    ['"\\x"', 'An unknown escape, at line 1, column 2'],
    ['"\\toString', 'A string without its end'],
    ['"\\u12g4"', 'Expected four hexadecimal digits, at line 1, column 4'],
    ['nul', 'Expected a value, at line 1, column 1'],
    ['-NaN', 'Expected a value, at line 1, column 1'],
    ['01', 'Expected the end of the document, at line 1, column 2'],
    ['\ufeff{}', 'Expected a value, at line 1, column 1'],
    ['9'.repeat(5000), 'An integer of more than 4300 digits'],
    ['['.repeat(100_000), 'Nested more than 32 levels deep'],
    [`[${'0,'.repeat(2 ** 20)}0]`, 'An array has more than 1048576 elements'],
  ])('says what is wrong with %.20j and where', (text, message) => {
    const call = () => parsePythonJson(text, 'x.json');
    expect(call).toThrow(TensorRTError);
    expect(call).toThrow(`x.json: ${message}`);
  });
});

describe('writePythonJson', () => {
  it('escapes as json.dumps does', () => {
    expect(writePythonJson('é\u007f\u0080\ud83d\ude00\ud800\u2028"\\\b\f\n\r\t\u0001/')).toBe(
      '"\\u00e9\\u007f\\u0080\\ud83d\\ude00\\ud800\\u2028\\"\\\\\\b\\f\\n\\r\\t\\u0001/"',
    );
  });

  it('writes empty containers', () => {
    expect(writePythonJson([new Map(), []])).toBe('[{}, []]');
  });
});

describe('compareCodePoints', () => {
  it('orders as Python sorts', () => {
    const names = ['\u{1f600}x', '\ue000y', 'é', 'a', 'ab', '', 'Z', '\uffff', '\u{10000}'];
    const sorted = ['', 'Z', 'a', 'ab', 'é', '\ue000y', '\uffff', '\u{10000}', '\u{1f600}x'];
    expect(names.sort(compareCodePoints)).toEqual(sorted);
  });
});
