import { Builder } from 'flatbuffers';
import { describe, expect, it } from 'vitest';
import { decodeFlatBuffers } from '../../../lib/calibration/index.js';
import { bytesOf } from './fixtures.js';

const scalarKinds = () => bytesOf('fixtures/writer/scalar_kinds/calibration.flatbuffers');

function patched(position: number, value: number): Uint8Array {
  const bytes = scalarKinds();
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(position, value, true);
  return bytes;
}

/** A table as another FlatBuffers writer could make it, every string shared. */
function shared(count: number, key: string, value: string | undefined): Uint8Array {
  const builder = new Builder(16);
  const keyOffset = builder.createString(key);
  const valueOffset = value === undefined ? 0 : builder.createString(value);
  builder.startObject(2);
  builder.addFieldOffset(0, keyOffset, 0);
  builder.addFieldOffset(1, valueOffset, 0);
  return finished(builder, new Array(count).fill(builder.endObject()));
}

function finished(builder: Builder, entries: readonly number[]): Uint8Array {
  builder.startVector(4, entries.length, 4);
  for (const entry of entries) builder.addOffset(entry);
  const dict = builder.endVector();
  builder.startObject(1);
  builder.addFieldOffset(0, dict, 0);
  builder.finish(builder.endObject());
  return builder.asUint8Array();
}

function refusal(bytes: Uint8Array): string {
  try {
    decodeFlatBuffers(bytes, 'c.flatbuffers');
  } catch (error) {
    expect(error).toMatchObject({ name: 'TensorRTError', code: 'TABLE_INVALID' });
    return (error as Error).message;
  }
  return 'accepted';
}

describe('decodeFlatBuffers', () => {
  it('gives names in order of their code points', () => {
    expect(Array.from(decodeFlatBuffers(scalarKinds()).ranges)).toEqual([
      [
        'arr0',
        { lowest: -2.200000047683716, highest: 2.200000047683716, recorded: 2.200000047683716 },
      ],
      [
        'arr1',
        { lowest: -2.200000047683716, highest: 2.200000047683716, recorded: 2.200000047683716 },
      ],
      ['half', { lowest: -2.19921875, highest: 2.19921875, recorded: 2.19921875 }],
      [
        'np_scalar',
        { lowest: -2.200000047683716, highest: 2.200000047683716, recorded: 2.200000047683716 },
      ],
    ]);
  });

  it.each([
    ['the root offset', 0, 'it needs 4 bytes at 1000000, of 236'],
    ['the length of the vector', 20, 'it needs 4000000 bytes at 24, of 236'],
    ['an entry', 24, 'it needs 4 bytes at 1000024, of 236'],
    ['the length of a string', 52, 'it needs 1000000 bytes at 56, of 236'],
    ['the reference to a vtable', 12, 'it needs 4 bytes at -999988, of 236'],
  ])('refuses a file where %s leads out of it', (_, position, message) => {
    expect(refusal(patched(position, 1_000_000))).toBe(
      `c.flatbuffers: Not a calibration FlatBuffer: ${message}`,
    );
  });

  it.each([0, 1, 3, 11, 12, 20, 23])('refuses the first %d bytes alone', (length) => {
    expect(refusal(scalarKinds().subarray(0, length))).toContain('Not a calibration FlatBuffer');
  });

  it('refuses an entry that lacks its value, and a value that is no number', () => {
    expect(refusal(shared(1, 'a', undefined))).toContain('lacks its value');
    expect(refusal(shared(1, 'a', 'one'))).toBe('c.flatbuffers: The value of "a" is not a number');
    expect(refusal(shared(2, 'a', '1.0'))).toBe('c.flatbuffers: The name "a" occurs twice');
  });

  it('takes a table without its vector as empty', () => {
    const bytes = bytesOf('fixtures/writer/empty/calibration.flatbuffers');
    bytes[10] = 0;
    expect(decodeFlatBuffers(bytes).size).toBe(0);
  });

  it('does not read one long string once for each of many entries', () => {
    const builder = new Builder(1024);
    const long = builder.createString(`${'0'.repeat(100_000)}1.0`);
    const entries = Array.from({ length: 50 }, (_, i) => {
      const key = builder.createString(`t${i}`);
      builder.startObject(2);
      builder.addFieldOffset(0, key, 0);
      builder.addFieldOffset(1, long, 0);
      return builder.endObject();
    });
    expect(refusal(finished(builder, entries))).toBe(
      'c.flatbuffers: Its strings add up to more than the file could hold',
    );
  });
});
