import { describe, expect, it } from 'vitest';
import {
  CalibrationTable,
  type CalibrationTableOptions,
  decodeJson,
  diffTables,
  inspectTable,
  mergeBounds,
  mergeHistograms,
  mergeTables,
  type TensorRange,
} from '../../../lib/calibration/index.js';
import { bytesOf } from './fixtures.js';

const table = (
  ranges: Record<string, readonly [number, number] | TensorRange>,
  options?: CalibrationTableOptions,
) =>
  new CalibrationTable(
    Object.entries(ranges).map(([name, range]) => [
      name,
      'lowest' in range ? range : { lowest: range[0], highest: range[1] },
    ]),
    options,
  );

describe('inspectTable', () => {
  it('lists what is suspicious', () => {
    const { tensors, findings, method } = inspectTable(
      table({
        fine: [-1, 2],
        fine2: [0, 1],
        fine3: [0, 3],
        zero: [0, 0],
        negative: { lowest: -2, highest: 2, recorded: -2 },
        infinite: [0, Number.POSITIVE_INFINITY],
        nan: [Number.NaN, 1],
        inverted: [2, 1],
        tiny: [0, 1e-7],
        outlier: [-5000, 1],
      }),
    );
    expect(method).toBeUndefined();
    expect(findings).toEqual({
      zero: ['zero'],
      negative: ['negative'],
      infinite: ['infinite'],
      nan: ['nan'],
      inverted: ['inverted'],
      tiny: ['tiny'],
      outlier: ['outlier'],
    });
    expect(tensors[0]).toEqual({
      name: 'fine',
      lowest: -1,
      highest: 2,
      amax: 2,
      boundsKnown: true,
      findings: [],
    });
    expect(tensors[4]).toMatchObject({ name: 'negative', amax: 2, boundsKnown: false });
  });

  it('summarises histograms', () => {
    const entropy = decodeJson(bytesOf('tables/model/entropy_512/calibration.json'));
    const { tensors, method } = inspectTable(entropy);
    expect(method).toBe('entropy');
    expect(tensors[0]?.histogram).toMatchObject({
      bins: 512,
      values: 400,
      highest: 4.897755146026611,
    });
  });

  it('has nothing to say about an empty table', () => {
    const native = table({}, { nativeHeader: 'TRT-8601-MinMaxCalibration', method: 'minmax' });
    expect(inspectTable(native)).toEqual({
      method: 'minmax',
      nativeHeader: 'TRT-8601-MinMaxCalibration',
      tensors: [],
      findings: {},
      warnings: [],
    });
  });
});

describe('diffTables', () => {
  it('lists what differs, the largest change first', () => {
    const a = table({ same: [-1, 1], half: [-4, 4], low: [-3, 4], zero: [0, 0], gone: [0, 1] });
    const b = table({ same: [-1, 1], half: [-2, 2], low: [-2, 4], zero: [0, 0.1], fresh: [0, 1] });
    const difference = diffTables(a, b);
    expect(difference).toMatchObject({ onlyA: ['gone'], onlyB: ['fresh'], same: 1 });
    expect(difference.changed.map(({ name, ratio }) => [name, ratio])).toEqual([
      ['zero', Number.POSITIVE_INFINITY],
      ['half', 0.5],
      ['low', 1],
    ]);
    expect(difference.changed[1]).toMatchObject({
      a: { lowest: -4, highest: 4, amax: 4 },
      b: { lowest: -2, highest: 2, amax: 2 },
    });
  });

  it('compares magnitudes where one table has no more', () => {
    const a = table({ x: [-1, 4], nan: [0, Number.NaN] });
    const b = table({
      x: { lowest: -4, highest: 4, recorded: 4 },
      nan: { lowest: Number.NaN, highest: Number.NaN, recorded: Number.NaN },
    });
    expect(diffTables(a, b)).toEqual({ onlyA: [], onlyB: [], changed: [], same: 2 });
  });

  it('takes a tolerance relative to amax', () => {
    const a = table({ x: [-1, 100] });
    const b = table({ x: [-1.5, 100.9] });
    expect(diffTables(a, b, { tolerance: 0.01 }).same).toBe(1);
    expect(diffTables(a, b, { tolerance: 0.001 }).same).toBe(0);
    expect(() => diffTables(a, b, { tolerance: -1 })).toThrow(RangeError);
  });
});

describe('merging', () => {
  it('joins bounds in any order, NaN left out', () => {
    expect(mergeBounds({ lowest: -0, highest: 0 }, { lowest: 0, highest: -0 })).toEqual({
      lowest: -0,
      highest: 0,
    });
    expect(mergeBounds({ lowest: 0, highest: -0 }, { lowest: -0, highest: 0 })).toEqual({
      lowest: -0,
      highest: 0,
    });
    const nan = { lowest: Number.NaN, highest: 1 };
    expect(mergeBounds(nan, { lowest: 2, highest: Number.NaN })).toEqual({ lowest: 2, highest: 1 });
  });

  it('adds histograms over the same edges alone', () => {
    const edges = Float32Array.of(0, 1, 2);
    const a = { counts: Float64Array.of(1, 2), edges };
    const b = { counts: Float64Array.of(10, 20), edges: edges.slice() };
    expect(mergeHistograms(a, b)).toEqual({ counts: Float64Array.of(11, 22), edges });
    const other = { counts: b.counts, edges: Float32Array.of(0, 1, 3) };
    expect(() => mergeHistograms(a, other)).toThrow(
      expect.objectContaining({ code: 'TABLE_MISMATCH' }),
    );
  });

  const model = { sha256: 'a'.repeat(64), file: 'm.onnx' };
  const shard = (index: number, ranges: Record<string, readonly [number, number]>, more = {}) =>
    table(ranges, {
      method: 'minmax',
      source: `part${index}`,
      meta: {
        version: 1,
        model,
        sample: { images: 10 * index, seed: 7, filesSha256: 'f' },
        shard: { index, count: 3 },
        files: { 'calibration.json': 'x' },
        ...more,
      },
    });
  const parts = () => [
    shard(1, { b: [-1, 5], a: [0, Number.NaN] }),
    shard(2, { b: [-3, 4], a: [1, 2] }),
    shard(3, { b: [-2, 6], a: [Number.NaN, 1] }),
  ];

  it('joins parts in any order to the same table', () => {
    for (const order of [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ]) {
      const merged = mergeTables(order.map((index) => parts()[index] as CalibrationTable));
      expect(Array.from(merged.ranges)).toEqual([
        ['b', { lowest: -3, highest: 6 }],
        ['a', { lowest: 0, highest: 2 }],
      ]);
      expect(merged.meta).toEqual({
        version: 1,
        model,
        sample: { images: 60, seed: 7, filesSha256: 'f' },
      });
    }
  });

  it('joins tables of unknown origin', () => {
    const merged = mergeTables([
      table({ x: { lowest: -1, highest: 0, dtype: 'float16' } }),
      table({ x: [0, 1] }),
    ]);
    expect(merged.ranges.get('x')).toEqual({ lowest: -1, highest: 1, dtype: 'float16' });
    expect(merged.meta).toBeUndefined();
    expect(() => mergeTables([])).toThrow(RangeError);
  });

  it.each<[string, () => CalibrationTable[], string, string]>([
    ['a missing shard', () => parts().slice(0, 2), 'TABLE_INCOMPLETE', 'Shard 3/3 is missing'],
    ['missing shards', () => parts().slice(2), 'TABLE_INCOMPLETE', 'Shards 1/3, 2/3 are missing'],
    [
      'a repeated shard',
      () => [...parts(), shard(2, { b: [0, 0], a: [0, 0] })],
      'TABLE_MISMATCH',
      'Shard 2/3 is there twice: part2 and part2',
    ],
    [
      'a shard of another count',
      () => [...parts().slice(0, 2), shard(3, { b: [0, 0] }, { shard: { index: 3, count: 4 } })],
      'TABLE_MISMATCH',
      'part3 is a shard of 4, where others are shards of 3',
    ],
    [
      'a table that is no shard',
      () => [...parts(), table({ b: [0, 0], a: [0, 0] })],
      'TABLE_MISMATCH',
      'a table is no shard, where others are shards of 3',
    ],
    [
      'a table of the same model that is no shard',
      () => [
        ...parts(),
        table(
          { b: [0, 0], a: [0, 0] },
          { source: 'whole', meta: { ...parts()[0]!.meta!, shard: undefined } as never },
        ),
      ],
      'TABLE_MISMATCH',
      'whole is no shard, where others are shards of 3',
    ],
    [
      'a table that lacks a tensor',
      () => [table({ a: [0, 1], b: [0, 1] }), table({ a: [0, 1] }, { source: 's' })],
      'TABLE_INCOMPLETE',
      's lacks tensors that another table has: "b"',
    ],
    [
      'a table that has a tensor more',
      () => [table({ a: [0, 1] }, { source: 's' }), table({ a: [0, 1], b: [0, 1] })],
      'TABLE_INCOMPLETE',
      's lacks tensors that another table has: "b"',
    ],
    [
      'another model',
      () => [parts()[0] as CalibrationTable, shard(2, {}, { model: { sha256: 'b'.repeat(64) } })],
      'TABLE_MISMATCH',
      'part1 and part2 were made with different models',
    ],
    [
      'another recipe',
      () => [parts()[0] as CalibrationTable, shard(2, {}, { recipe: { size: 288 } })],
      'TABLE_MISMATCH',
      'part1 and part2 were made with different recipes',
    ],
    [
      'a moving average',
      () => [shard(1, {}, { method: { name: 'minmax', options: { movingAverage: 0.01 } } })],
      'TABLE_MISMATCH',
      'part1 cannot be merged: a moving average depends on the order of the images',
    ],
    [
      'another method',
      () => [table({}, { method: 'entropy', source: 'e' })],
      'TABLE_MISMATCH',
      'e cannot be merged: its method is entropy',
    ],
    [
      'magnitudes alone',
      () => [table({ x: { lowest: -1, highest: 1, recorded: 1 } }, { source: 'c' })],
      'TABLE_MISMATCH',
      'c cannot be merged: it has magnitudes alone, without the bounds of calibration.json',
    ],
  ])('refuses %s and names it', (_, tables, code, message) => {
    expect(() => mergeTables(tables())).toThrow(expect.objectContaining({ code, message }));
  });
});
