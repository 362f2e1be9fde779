import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  CalibrationTable,
  convertTable,
  readTable,
  repairTable,
  tableFormat,
  writeNativeCache,
  writeTables,
} from '../../../lib/calibration/index.js';
import { binary, bytesOf, reference, textOf, writerTable } from './fixtures.js';

let root: string;
let count = 0;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'tables-'));
});
afterAll(() => rmSync(root, { recursive: true }));

/** A new folder with these files. */
function folder(files: Record<string, string | Uint8Array> = {}): string {
  count += 1;
  const path = join(root, String(count));
  mkdirSync(path);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content);
  return path;
}

const written = (path: string) => binary(readFileSync(path));
const upstream = (name: string) => bytesOf(`fixtures/writer/tricky/calibration.${name}`);
const NO_SIDECAR =
  /^No calibration.meta.json in .*: which model the table belongs to is not known$/;
const meta = { version: 1, model: { sha256: 'a'.repeat(64), file: 'm.onnx' } } as const;

describe('writeTables', () => {
  it('writes the three files, into a folder it makes', async () => {
    const out = join(folder(), 'a', 'b');
    const paths = await writeTables(writerTable('many'), out, { style: 'onnxruntime-1.20' });
    expect(paths).toEqual(
      ['json', 'flatbuffers', 'cache'].map((name) => join(out, `calibration.${name}`)),
    );
    for (const name of ['json', 'flatbuffers', 'cache']) {
      expect(written(join(out, `calibration.${name}`))).toBe(
        binary(bytesOf(`fixtures/writer/many/calibration.${name}`)),
      );
    }
    expect(readdirSync(out)).toHaveLength(3);
  });

  it('writes the provenance beside them, which readTable gives back', async () => {
    const out = folder();
    await writeTables(writerTable('one'), out, { meta });
    const table = await readTable(out);
    expect(table.meta).toMatchObject(meta);
    expect(table.warnings).toEqual([]);
    await writeTables(table, out);
    expect((await readTable(out)).meta?.model).toEqual(meta.model);
  });

  it('writes nothing when one format cannot hold a name', async () => {
    const out = folder({ 'calibration.cache': 'kept 1.0\n' });
    const table = new CalibrationTable([['\ud800', { lowest: 0, highest: 1 }]]);
    await expect(writeTables(table, out)).rejects.toMatchObject({ code: 'TABLE_INEXPRESSIBLE' });
    expect(readdirSync(out)).toEqual(['calibration.cache']);
    expect(written(join(out, 'calibration.cache'))).toBe('kept 1.0\n');
  });

  it('refuses an unknown style', async () => {
    const call = writeTables(writerTable('one'), folder(), { style: 'onnxruntime-1.31' as never });
    await expect(call).rejects.toThrow(/Expected one of "exact", "onnxruntime-1.20"/);
  });
});

describe('readTable', () => {
  it('takes the JSON of a folder, whose other files agree', async () => {
    const table = await readTable(reference('fixtures/writer/many'));
    expect(table.layout).toBe('tensors-data');
    expect(table.source).toBe(reference('fixtures/writer/many'));
    expect(table.size).toBe(writerTable('many').size);
  });

  it('says which values lack the absolute value', async () => {
    const path = folder({
      'calibration.json': upstream('json'),
      'calibration.cache': upstream('cache'),
    });
    const { warnings } = await readTable(path);
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toBe(
      `${join(path, 'calibration.cache')} has 6 values without the absolute value, as ONNX Runtime ≥ 1.20 writes them: "ab", "abc", "abcd", "A", "tab\\tq\\"uote\\\\", "9"`,
    );
    expect(warnings[1]).toMatch(NO_SIDECAR);
  });

  it('says what else differs between the files', async () => {
    const path = folder({
      'calibration.json': '{"a": [-1.0, 2.0], "b": [0.0, 3.0], "n": [0.0, NaN]}',
      'calibration.cache': 'a 2.5\nc 1.0\nn nan\n',
      'calibration.flatbuffers': bytesOf('fixtures/writer/one/calibration.flatbuffers'),
    });
    const { warnings } = await readTable(path);
    expect(warnings).toEqual([
      `${join(path, 'calibration.flatbuffers')} lacks 2 of the 3 tensors: "b", "n"`,
      `${join(path, 'calibration.cache')} lacks 1 of the 3 tensors: "b"`,
      `${join(path, 'calibration.cache')} has 1 tensors more: "c"`,
      `${join(path, 'calibration.cache')} has other values than ${join(path, 'calibration.json')} for 1 tensors: "a"`,
      expect.stringMatching(NO_SIDECAR),
    ]);
  });

  it('compares a TensorRT cache, whose scales are rounded', async () => {
    const table = new CalibrationTable([['x', { lowest: -8.483948707580566, highest: 3 }]]);
    const path = folder();
    await writeTables(table, path);
    await writeNativeCache(table, path);
    expect((await readTable(path)).warnings).toEqual([expect.stringMatching(NO_SIDECAR)]);
  });

  it('takes what a folder without JSON has', async () => {
    const flat = await readTable(folder({ 'calibration.flatbuffers': upstream('flatbuffers') }));
    const cache = await readTable(folder({ 'calibration.cache': upstream('cache') }));
    expect(Array.from(flat.ranges)).toEqual(Array.from(cache.ranges));
    expect(flat.ranges.get('ab')).toEqual({ lowest: -1.25, highest: 1.25, recorded: -1.25 });
  });

  it('takes single files of any name by their content', async () => {
    const path = folder({
      'my table': upstream('cache'),
      b: upstream('flatbuffers'),
      c: upstream('json'),
      'native.cache': bytesOf('fixtures/native_trt/trt_native.cache'),
      'empty.cache': '',
      'brace.cache': '{x} 1.0\n',
    });
    const sizes = await Promise.all(
      readdirSync(path)
        .sort()
        .map(async (name) => [name, (await readTable(join(path, name))).size]),
    );
    expect(Object.fromEntries(sizes)).toEqual({
      'my table': 17,
      b: 17,
      c: 17,
      'native.cache': 27,
      'empty.cache': 0,
      'brace.cache': 1,
    });
    expect(tableFormat(new Uint8Array(), 'x.json')).toBe('json');
    expect(tableFormat(new Uint8Array(), 'x.flatbuffers')).toBe('flatbuffers');
  });

  it('leaves out provenance that was written for other files', async () => {
    const path = folder();
    await writeTables(writerTable('one'), path, { meta });
    writeFileSync(join(path, 'calibration.cache'), 'a 2.0\n\n'.trimEnd());
    const table = await readTable(path);
    expect(table.meta).toBeUndefined();
    expect(table.warnings).toEqual([
      `${join(path, 'calibration.meta.json')} was written for another calibration.cache and is left out of account`,
    ]);
  });

  it('names what is not there, not a table, or too large', async () => {
    const missing = join(root, 'missing');
    await expect(readTable(missing)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await expect(readTable(folder())).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
      message: expect.stringContaining('it has none of calibration.json, calibration.flatbuffers'),
    });
    const nested = folder();
    mkdirSync(join(nested, 'calibration.json'));
    await expect(readTable(nested)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    const broken = folder({ 'calibration.json': '{', 'calibration.cache': 'a 1.0\n' });
    await expect(readTable(broken)).rejects.toMatchObject({ code: 'TABLE_INVALID' });
    const large = folder({ 'calibration.cache': new Uint8Array(64 * 1024 * 1024 + 1) });
    await expect(readTable(large)).rejects.toMatchObject({
      code: 'TABLE_INVALID',
      message: expect.stringContaining('Larger than any table: 67108865 bytes'),
    });
  });
});

describe('convertTable', () => {
  it('goes from the three files to a TensorRT cache and back', async () => {
    const source = folder({ 'calibration.json': '{"a": [-127.0, 1.0], "b": [0.0, 254.0]}' });
    const native = folder();
    const there = await convertTable(source, native, { to: 'tensorrt', trtVersion: '10.3.0' });
    expect(there.files).toEqual([join(native, 'calibration.cache')]);
    expect(written(join(native, 'calibration.cache'))).toBe(
      'TRT-100300-MinMaxCalibration\na: 3f800000\nb: 40000000\n',
    );
    const back = folder();
    const { warnings } = await convertTable(native, back);
    expect(warnings).toContain(
      'The source has magnitudes alone: calibration.json gets minus and plus these',
    );
    expect(written(join(back, 'calibration.cache'))).toBe('a 127.0\nb 254.0\n');
  });

  it('goes from the newest style to the oldest', async () => {
    const out = folder();
    const style = 'onnxruntime-1.12';
    await convertTable(reference('fixtures/writer/tricky'), out, { style });
    for (const name of ['json', 'flatbuffers', 'cache']) {
      expect(written(join(out, `calibration.${name}`))).toBe(
        binary(bytesOf(`fixtures/writer/tricky/legacy_1.12-1.19/calibration.${name}`)),
      );
    }
  });

  it('says what TensorRT will not take', async () => {
    const source = folder({ 'x.cache': 'a inf\nb -2.0\nc nan\n' });
    const { warnings } = await convertTable(join(source, 'x.cache'), folder(), { to: 'tensorrt' });
    expect(warnings.slice(1)).toEqual([
      'TensorRT refuses ranges that are not finite: "a", "c"',
      'Recorded below 0, so the true magnitude is not known: "b"',
    ]);
  });

  it('refuses an unknown target', async () => {
    await expect(convertTable('x', 'y', { to: 'torch' as never })).rejects.toThrow(RangeError);
  });
});

describe('repairTable', () => {
  const wrong = ['ab', 'abc', 'abcd', 'A', 'tab\tq"uote\\', '9'];

  it.each(['', 'calibration.cache', 'calibration.json'])(
    'writes the right values from the bounds, given the folder or %j',
    async (name) => {
      const source = folder({
        'calibration.json': upstream('json'),
        'calibration.flatbuffers': upstream('flatbuffers'),
        'calibration.cache': upstream('cache'),
      });
      const out = folder();
      const { repaired, files } = await repairTable(join(source, name), out);
      expect(repaired.map((tensor) => tensor.name)).toEqual(wrong);
      expect(repaired[0]).toEqual({
        name: 'ab',
        lowest: -3.5,
        highest: -1.25,
        recorded: -1.25,
        amax: 3.5,
      });
      expect(files).toHaveLength(3);
      // For finite values the old style wrote the right ones.
      expect(written(join(out, 'calibration.cache'))).toBe(
        binary(bytesOf('fixtures/writer/tricky/legacy_1.12-1.19/calibration.cache')),
      );
      expect(written(join(out, 'calibration.json'))).toBe(binary(upstream('json')));
    },
  );

  it('finds nothing wrong in files that are right', async () => {
    const source = folder();
    await writeTables(writerTable('tricky'), source);
    expect((await repairTable(source, folder())).repaired).toEqual([]);
  });

  it('tells from a JSON of another name what upstream would have written', async () => {
    const source = folder({ 'mine.json': textOf('fixtures/writer/tricky/calibration.json') });
    const { repaired } = await repairTable(join(source, 'mine.json'), folder());
    expect(repaired.map((tensor) => tensor.name)).toEqual(wrong);
  });

  it('says that without the bounds nothing can be recovered', async () => {
    const source = folder({ 'calibration.cache': 'a -1.0\nb 2.0\n' });
    await expect(repairTable(source, folder())).rejects.toMatchObject({
      code: 'TABLE_INCOMPLETE',
      message: `${source} cannot be repaired: there is no calibration.json with both bounds of "a", "b"`,
    });
    await expect(repairTable(join(root, 'none', 'x'), folder())).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
  });
});
