import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  bfloatToFloat,
  byteLength,
  createFloatTensor,
  createTensor,
  TensorProto_DataType as DataType,
  dataTypeName,
  elementCount,
  floatToBfloat,
  floatToHalf,
  halfToFloat,
  readFloats,
  readIntegers,
  readTensor,
  TensorProtoSchema,
  tensorBytes,
} from '../../lib/onnx/index.js';

describe('half precision', () => {
  // Bits from IEEE 754: one, smallest subnormal, largest, and what rounds to infinity.
  it.each([
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [65519.99, 0x7bff],
    [65520, 0x7c00],
    [2 ** -24, 0x0001],
    [2 ** -14, 0x0400],
    [0.333251953125, 0x3555],
    [1 / 3, 0x3555],
    // Half way: to the even neighbour.
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [2 ** -25, 0x0000],
    [3 * 2 ** -25, 0x0002],
    [0, 0],
    [-0, 0x8000],
    [Number.NEGATIVE_INFINITY, 0xfc00],
  ])('rounds %f to 0x%s', (value, bits) => {
    expect(floatToHalf(value)).toBe(bits);
  });

  it('reads every bit pattern back to itself', () => {
    for (let bits = 0; bits < 0x10000; bits += 1) {
      const value = halfToFloat(bits);
      if (Number.isNaN(value)) expect(floatToHalf(value) & 0x7fff).toBe(0x7e00);
      else expect(floatToHalf(value)).toBe(bits);
    }
  });

  it('converts bfloat16, rounding half to even', () => {
    expect(floatToBfloat(1)).toBe(0x3f80);
    expect(bfloatToFloat(0x4049)).toBe(3.140625);
    expect(floatToBfloat(1 + 2 ** -8)).toBe(0x3f80);
    expect(floatToBfloat(1 + 3 * 2 ** -8)).toBe(0x3f82);
    expect(bfloatToFloat(floatToBfloat(Number.NaN))).toBeNaN();
  });
});

describe('readTensor', () => {
  it.each([
    [DataType.FLOAT, { floatData: [1.5, -2] }, Float32Array.of(1.5, -2)],
    [DataType.DOUBLE, { doubleData: [0.1, 2] }, Float64Array.of(0.1, 2)],
    [DataType.INT64, { int64Data: [7n, -1n] }, BigInt64Array.of(7n, -1n)],
    [DataType.UINT64, { uint64Data: [7n, 2n ** 63n] }, BigUint64Array.of(7n, 2n ** 63n)],
    [DataType.UINT32, { uint64Data: [7n, 4294967295n] }, Uint32Array.of(7, 4294967295)],
    [DataType.INT32, { int32Data: [7, -8] }, Int32Array.of(7, -8)],
    [DataType.INT16, { int32Data: [7, -8] }, Int16Array.of(7, -8)],
    [DataType.UINT16, { int32Data: [7, 65535] }, Uint16Array.of(7, 65535)],
    [DataType.INT8, { int32Data: [127, -128] }, Int8Array.of(127, -128)],
    [DataType.UINT8, { int32Data: [0, 255] }, Uint8Array.of(0, 255)],
    [DataType.BOOL, { int32Data: [1, 0] }, Uint8Array.of(1, 0)],
    [DataType.FLOAT16, { int32Data: [0x3c00, 0xc000] }, Uint16Array.of(0x3c00, 0xc000)],
  ])('reads type %i from typed fields and from raw data', (dataType, fields, values) => {
    const typed = create(TensorProtoSchema, { dataType, dims: [2n], ...fields });
    expect(readTensor(typed)).toEqual(values);
    const raw = createTensor('x', dataType, [2], values);
    expect(readTensor(raw)).toEqual(values);
    expect(Buffer.from(tensorBytes(typed))).toEqual(Buffer.from(tensorBytes(raw)));
    // Raw data at an odd address, as it lies in a file.
    const odd = new Uint8Array(raw.rawData.byteLength + 1);
    odd.set(raw.rawData, 1);
    raw.rawData = odd.subarray(1);
    expect(readTensor(raw)).toEqual(values);
  });

  it('gives floats of every width and integers as numbers', () => {
    for (const type of [DataType.FLOAT, DataType.FLOAT16, DataType.BFLOAT16, DataType.DOUBLE]) {
      const tensor = createFloatTensor('x', type, [3], [0.5, -3, 96]);
      expect([...readFloats(tensor)]).toEqual([0.5, -3, 96]);
    }
    expect(readIntegers(createTensor('s', DataType.INT64, [2], BigInt64Array.of(-1n, 3n)))).toEqual(
      [-1, 3],
    );
  });

  it('takes a tensor without dims as a scalar, and one with a zero dim as empty', () => {
    expect([...readTensor(create(TensorProtoSchema, { dataType: 1, floatData: [4] }))]).toEqual([
      4,
    ]);
    expect(readTensor(create(TensorProtoSchema, { dataType: 1, dims: [0n] })).length).toBe(0);
  });

  it.each([
    [{ dataType: 1, dims: [3n], floatData: [1, 2] }, 'MODEL_INVALID', 'holds 2 elements'],
    [{ dataType: 1, dims: [3n], rawData: new Uint8Array(8) }, 'MODEL_INVALID', 'holds 8 bytes'],
    [{ dataType: 1, dims: [-1n], floatData: [1] }, 'MODEL_INVALID', 'holds 1 elements'],
    [{ dataType: 8, dims: [1n] }, 'MODEL_UNSUPPORTED', 'string'],
    [{ dataType: 22, dims: [1n] }, 'MODEL_UNSUPPORTED', 'int4'],
    [{ dataType: 99, dims: [1n] }, 'MODEL_UNSUPPORTED', 'type 99'],
  ])('refuses what cannot be read: case %#', (init, code, words) => {
    const tensor = create(TensorProtoSchema, init);
    expect(() => readTensor(tensor)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(words) }),
    );
  });

  it('refuses integers where floats are needed', () => {
    expect(() => readFloats(createTensor('i', DataType.INT8, [1], Int8Array.of(1)))).toThrow(
      'int8 where floats were expected',
    );
  });

  it('counts bytes of packed types', () => {
    const tensor = create(TensorProtoSchema, { dataType: DataType.INT4, dims: [3n] });
    expect(byteLength(tensor)).toBe(2);
    expect(elementCount(create(TensorProtoSchema, { dims: [2n ** 40n, 2n ** 40n] }))).toBeNaN();
    expect(dataTypeName(DataType.DOUBLE)).toBe('float64');
    expect(dataTypeName(DataType.FLOAT8E4M3FN)).toBe('float8e4m3fn');
  });
});
