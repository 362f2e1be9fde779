import { describe, expect, it } from 'vitest';
import {
  type CalibrationMeta,
  CalibrationTable,
  checkModel,
  decodeMeta,
  encodeMeta,
  filesDigest,
} from '../../lib/calibration/index.js';

const sha256 = '0123456789abcdef'.repeat(4);
const meta: CalibrationMeta = {
  version: 1,
  model: { sha256, file: 'model.onnx' },
  recipe: { size: 288 },
  sample: { images: 40, seed: 1234, fraction: 0.05, filesSha256: filesDigest(['a/1.png']) },
  method: { name: 'minmax', options: { symmetric: true } },
  versions: { 'onnxruntime-node': '1.30.0' },
  created: '2025-01-01T00:00:00.000Z',
  shard: { index: 3, count: 16 },
};
const decode = (value: unknown) =>
  decodeMeta(new TextEncoder().encode(JSON.stringify(value)), 'm.json');

describe('calibration.meta.json', () => {
  it('comes back as it was written, members of later versions included', () => {
    const more = { ...meta, note: 'mine' };
    expect(decodeMeta(new TextEncoder().encode(encodeMeta(more)))).toEqual(more);
    expect(encodeMeta({ version: 1 })).toBe('{\n  "version": 1\n}\n');
  });

  it.each([
    ['text', 'Expected an object at the top'],
    [null, 'Expected an object at the top'],
    [[], 'Expected an object at the top'],
    [{}, 'Expected version 1 but found undefined'],
    [{ version: 2 }, 'Expected version 1 but found 2'],
    [{ version: 1, model: 'x' }, 'Expected an object for model'],
    [{ version: 1, files: [] }, 'Expected an object for files'],
    [{ version: 1, model: {} }, 'Expected 64 lower-case hexadecimal digits for model.sha256'],
    [{ version: 1, shard: { index: 0, count: 4 } }, 'Expected a shard from 1 to its count'],
    [{ version: 1, shard: { index: 1, count: 1e12 } }, 'Expected a shard from 1 to its count'],
    [
      { version: 1, shard: { index: 1, count: 2, batch: 0.5 } },
      'Expected a shard from 1 to its count',
    ],
    [{ version: 1, shard: { index: '1', count: '2' } }, 'Expected a shard from 1 to its count'],
  ])('is refused when it is %j', (value, message) => {
    expect(() => decode(value)).toThrow(
      expect.objectContaining({
        code: 'TABLE_INVALID',
        message: expect.stringContaining(`m.json: ${message}`),
      }),
    );
  });

  it('is refused when it is no JSON', () => {
    expect(() => decodeMeta(Uint8Array.of(0xff))).toThrow(/calibration.meta.json: Not JSON: /);
  });
});

describe('filesDigest', () => {
  it('is the SHA-256 of the list', () => {
    // printf 'a/1.png\nb é.png\n' | sha256sum
    expect(filesDigest(['a/1.png', 'b é.png'])).toBe(
      '68cece6a3469f4dceede177f0ac92150f855bff9a779bd3e61af87f0fe311aa6',
    );
  });
});

describe('checkModel', () => {
  const { shard: _, ...whole } = meta;
  const table = new CalibrationTable([], { meta: whole, source: 'out' });

  it('accepts the model the table was made for', () => {
    expect(checkModel(table, { sha256 })).toBeUndefined();
  });

  it('names both models when it is another', () => {
    const other = { sha256: 'f'.repeat(64), file: 'other.onnx' };
    expect(() => checkModel(table, other)).toThrow(
      expect.objectContaining({
        code: 'TABLE_MISMATCH',
        message:
          'out was made for model.onnx (SHA-256 0123456789ab…), not for other.onnx (SHA-256 ffffffffffff…)',
      }),
    );
    expect(() => checkModel(table, { sha256: 'f'.repeat(64) })).toThrow(
      'not for a model (SHA-256 f',
    );
  });

  it('refuses a part of a calibration', () => {
    const part = new CalibrationTable([], { meta, source: 'out' });
    expect(() => checkModel(part, { sha256 })).toThrow(
      expect.objectContaining({ code: 'TABLE_INCOMPLETE', message: 'out is shard 3/16 only' }),
    );
  });

  it('says that a table does not tell', () => {
    expect(checkModel(new CalibrationTable([]), { sha256 })).toBe(
      'Nothing says which model the calibration table was made for; it is used as it is',
    );
  });
});
