import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type CalibrationTable,
  decodeCache,
  decodeFlatBuffers,
  decodeJson,
  encodeCache,
  encodeFlatBuffers,
  encodeJson,
} from '../../../lib/calibration/index.js';
import { binary, bytesOf, reference, textOf, writerTable } from './fixtures.js';

const SETS = readdirSync(reference('fixtures/writer'));
const LEGACY = 'legacy_1.12-1.19';

describe.each(SETS)('the files ONNX Runtime wrote for %s', (set) => {
  const folder = `fixtures/writer/${set}`;
  const table = writerTable(set);
  const newest = decodeJson(bytesOf(`${folder}/calibration.json`));
  const dict = decodeJson(bytesOf(`${folder}/calibration.dict.json`));
  const legacy = decodeJson(bytesOf(`${folder}/${LEGACY}/calibration.json`));
  const sources: [string, CalibrationTable][] = [
    ['the ranges', table],
    ['calibration.json', newest],
    ['calibration.dict.json', dict],
    ['the pairs', legacy],
  ];

  it.each(sources)('come out of %s byte for byte in style onnxruntime-1.20', (_, source) => {
    const style = 'onnxruntime-1.20';
    expect(binary(encodeCache(source, style))).toBe(binary(bytesOf(`${folder}/calibration.cache`)));
    expect(binary(encodeFlatBuffers(source, style))).toBe(
      binary(bytesOf(`${folder}/calibration.flatbuffers`)),
    );
  });

  it.each(sources)('come out of %s byte for byte in style onnxruntime-1.12', (_, source) => {
    const style = 'onnxruntime-1.12';
    expect(binary(encodeCache(source, style))).toBe(
      binary(bytesOf(`${folder}/${LEGACY}/calibration.cache`)),
    );
    expect(binary(encodeFlatBuffers(source, style))).toBe(
      binary(bytesOf(`${folder}/${LEGACY}/calibration.flatbuffers`)),
    );
    expect(encodeJson(source, style)).toBe(textOf(`${folder}/${LEGACY}/calibration.json`));
  });

  it('come out as JSON byte for byte, from the ranges and from what was read', () => {
    const whole = textOf(`${folder}/calibration.json`);
    const bare = textOf(`${folder}/calibration.dict.json`);
    expect(encodeJson(table)).toBe(whole);
    expect(encodeJson(table, 'onnxruntime-1.20')).toBe(whole);
    expect(encodeJson(table, 'exact', 'dict')).toBe(bare);
    expect(encodeJson(newest)).toBe(whole);
    expect(encodeJson(dict)).toBe(bare);
  });

  it('read back as the values that were written', () => {
    const names = Array.from(table.ranges.keys());
    const cache = decodeCache(bytesOf(`${folder}/calibration.cache`));
    const flat = decodeFlatBuffers(bytesOf(`${folder}/calibration.flatbuffers`));
    expect(new Set(cache.ranges.keys())).toEqual(new Set(names));
    expect(Array.from(flat.ranges)).toEqual(Array.from(cache.ranges));
    expect(Array.from(newest.ranges.keys())).toEqual(names);
    for (const [name, { lowest, highest }] of table.ranges) {
      expect(newest.ranges.get(name)).toMatchObject({ lowest, highest });
      expect(dict.ranges.get(name)).toMatchObject({ lowest, highest });
      expect(legacy.ranges.get(name)).toEqual({ lowest, highest });
    }
    expect(binary(encodeCache(cache, 'onnxruntime-1.20'))).toBe(
      binary(bytesOf(`${folder}/calibration.cache`)),
    );
  });
});

const TABLES = ['model', 'model_bn'].flatMap((model) =>
  readdirSync(reference(`tables/${model}`), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => `tables/${model}/${entry.name}`),
);

describe.each(TABLES)('%s', (folder) => {
  const table = decodeJson(bytesOf(`${folder}/calibration.json`));
  const style = folder.includes('legacy') ? 'onnxruntime-1.12' : 'onnxruntime-1.20';

  it('is written again byte for byte from its calibration.json', () => {
    expect(encodeJson(table, style)).toBe(textOf(`${folder}/calibration.json`));
    expect(binary(encodeCache(table, style))).toBe(binary(bytesOf(`${folder}/calibration.cache`)));
    expect(binary(encodeFlatBuffers(table, style))).toBe(
      binary(bytesOf(`${folder}/calibration.flatbuffers`)),
    );
  });

  it('has the ranges that its calibrator computed', () => {
    const made = folder.replace('_legacy_1.12-1.19', '');
    const ranges = JSON.parse(textOf(`${made}/ranges.json`)) as Record<string, [number, number]>;
    expect(table.size).toBe(Object.keys(ranges).length);
    for (const [name, [lowest, highest]] of Object.entries(ranges)) {
      expect(table.ranges.get(name)).toMatchObject({ lowest, highest });
    }
  });
});

describe('tensors_data.json', () => {
  it('keeps its further members', () => {
    const path = 'tables/model/minmax/tensors_data.json';
    expect(encodeJson(decodeJson(bytesOf(path)))).toBe(textOf(path));
  });
});
