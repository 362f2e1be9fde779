import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  CalibrationTable,
  decodeLattices,
  encodeJson,
  encodeLattices,
  HistogramCalibration,
  type HistogramMethodOptions,
  LatticeCalibration,
  LatticeHistogram,
  mergeFolders,
  readTable,
  scanBounds,
  writeHistogramPart,
  writeTables,
} from '../../../lib/calibration/index.js';
import { mutate, seeded } from '../tables/mutate.js';

const root = mkdtempSync(join(tmpdir(), 'shards-'));
afterAll(() => rmSync(root, { recursive: true }));

/** Eight images of two tensors: one of both signs, one as a Relu leaves it, each scaled differently. */
const images = Array.from({ length: 8 }, (_, image) => {
  const random = seeded(image + 1);
  const normal = Float32Array.from({ length: 20_000 }, () => {
    const sum = Array.from({ length: 6 }, random).reduce((a, b) => a + b, -3);
    return sum * (0.3 + image);
  });
  return { normal, relu: normal.map((value) => Math.max(value, 0)) };
});
const whole = (name: 'normal' | 'relu') =>
  Float32Array.from(images.flatMap((image) => Array.from(image[name])));

function partOf(indices: number[], options: HistogramMethodOptions): LatticeCalibration {
  const part = new LatticeCalibration(options);
  for (const index of indices) {
    part.update('normal', images[index]?.normal as Float32Array);
    part.update('relu', images[index]?.relu as Float32Array);
  }
  return part;
}

const METHODS: HistogramMethodOptions[] = [
  { method: 'percentile', percentile: 99.9 },
  { method: 'percentile', percentile: 99, symmetric: false, numBins: 1000 },
  { method: 'entropy', numBins: 512 },
  { method: 'distribution' },
];

describe('LatticeHistogram', () => {
  it('lays its bins at multiples of a power of two', () => {
    const lattice = new LatticeHistogram();
    lattice.update(Float32Array.of(0.5, -0.5, 0, -0, 1, 32767, -32768 + 1, Number.NaN));
    const occupied = Array.from(lattice.counts.entries()).filter(([, count]) => count > 0);
    expect(lattice.exponent).toBe(0);
    expect(occupied.map(([bin, count]) => [bin - 32768, count])).toEqual([
      [-32767, 1],
      [-1, 1],
      [0, 1],
      [1, 1],
      [32767, 1],
    ]);
    // Zeros, of either sign, are counted apart.
    expect(lattice.zeros).toBe(2);
    expect(lattice.bounds).toEqual({ lowest: -32767, highest: 32767, smallest: 0, nan: true });
    lattice.update(Float32Array.of(32768));
    expect(lattice.exponent).toBe(1);
    expect(lattice.counts[32768 + 16384]).toBe(1);
    expect(lattice.counts[32768 - 1]).toBe(1);
  });

  it('counts zeros where a histogram in one call does, whatever its edges round to', () => {
    // 572 bins over (-0.7, 0.7): in float32 the middle edge is 5.96e-8, so 0 belongs below it.
    const values = Float32Array.of(0.7, 0, 0, 0, -0.1);
    const exact = new HistogramCalibration({ method: 'distribution', numBins: 572 });
    exact.begin('x', scanBounds(values));
    exact.update('x', values);
    const lattice = new LatticeHistogram();
    lattice.update(values.subarray(0, 2));
    const rest = new LatticeHistogram();
    rest.update(values.subarray(2));
    lattice.merge(rest.copy());
    const { counts } = lattice.collected({ numBins: 572, absolute: false });
    expect(counts).toEqual(exact.range('x').histogram?.counts);
    expect(counts[285]).toBe(3);
    expect(lattice.zeros).toBe(3);
  });

  it('holds the smallest and the largest float32', () => {
    const lattice = new LatticeHistogram();
    lattice.update(Float32Array.of(2 ** -149));
    expect(lattice.exponent).toBe(-149);
    expect(lattice.counts[32769]).toBe(1);
    lattice.update(Float32Array.of(-3.4028234663852886e38));
    expect(lattice.exponent).toBe(113);
    expect([lattice.counts[0], lattice.counts[32768]]).toEqual([1, 1]);
    expect(() => lattice.update(Float32Array.of(Number.NEGATIVE_INFINITY))).toThrow(
      expect.objectContaining({ code: 'CALIBRATION_FAILED' }),
    );
  });
});

describe('parts of a calibration', () => {
  it.each(METHODS)('merge in any order to one table: %j', (options) => {
    const one = encodeJson(partOf([0, 1, 2, 3, 4, 5, 6, 7], options).table());
    const orders = [
      [0, 1, 2, 3, 4, 5, 6, 7],
      [7, 6, 5, 4, 3, 2, 1, 0],
      [3, 7, 0, 5, 1, 6, 2, 4],
    ];
    for (const order of orders) {
      const parts = order.map((index) => partOf([index], options));
      const merged = parts[0] as LatticeCalibration;
      for (const part of parts.slice(1)) merged.merge(part);
      expect(encodeJson(merged.table())).toBe(one);
    }
    // (a + b) + (c + d), with parts of other sizes.
    const left = partOf([7, 1], options);
    left.merge(partOf([0, 2, 3], options));
    const right = partOf([4], options);
    right.merge(partOf([5, 6], options));
    left.merge(right);
    expect(encodeJson(left.table())).toBe(one);
  });

  it.each(METHODS)('give the ranges of one exact run, within a bin: %j', (options) => {
    const exact = new HistogramCalibration(options);
    for (const name of ['normal', 'relu'] as const) {
      exact.begin(name, scanBounds(whole(name)));
      exact.update(name, whole(name));
    }
    const merged = partOf([0, 1, 2, 3, 4, 5, 6, 7], options).table();
    for (const [name, range] of exact.table().ranges) {
      const found = merged.ranges.get(name);
      const edges = range.histogram?.edges as Float32Array;
      expect(found?.histogram?.edges).toEqual(edges);
      const total = (counts?: Float64Array) => counts?.reduce((sum, count) => sum + count, 0);
      expect(total(found?.histogram?.counts)).toBe(total(range.histogram?.counts));
      const bin = (edges[1] as number) - (edges[0] as number);
      expect(Math.abs((found?.lowest as number) - range.lowest)).toBeLessThanOrEqual(1.01 * bin);
      expect(Math.abs((found?.highest as number) - range.highest)).toBeLessThanOrEqual(1.01 * bin);
    }
  });

  it('are refused when they do not belong together', () => {
    const part = partOf([0], { method: 'entropy' });
    expect(() => part.merge(partOf([1], { method: 'percentile' }))).toThrow(
      expect.objectContaining({ code: 'TABLE_MISMATCH' }),
    );
    const other = new LatticeCalibration({ method: 'entropy' });
    other.update('normal', Float32Array.of(1));
    for (const [a, b] of [
      [part, other],
      [other, part],
    ] as const) {
      expect(() => a.merge(b)).toThrow('Not every part has the tensors "relu"');
    }
    expect(() => other.update('x', Float32Array.of(Number.POSITIVE_INFINITY))).toThrow(
      'Tensor "x": Infinite values have no histogram',
    );
  });
});

describe('calibration.histograms', () => {
  const options: HistogramMethodOptions = { method: 'percentile', percentile: 99.9 };

  it('holds a part whole', () => {
    const part = partOf([2], options);
    part.update('__proto__ é', Float32Array.of(Number.NaN));
    const read = decodeLattices(encodeLattices(part));
    expect(read.options).toEqual(part.options);
    expect(Array.from(read.histograms)).toEqual(Array.from(part.histograms));
  });

  it('is refused when damaged', () => {
    const small = new LatticeCalibration(options);
    small.update('x', Float32Array.of(1, 1.001, 1.002));
    const bytes = encodeLattices(small);
    const refusal = (damaged: Uint8Array) => {
      try {
        decodeLattices(damaged, 'h');
      } catch (error) {
        expect(error).toMatchObject({ name: 'TensorRTError', code: 'TABLE_INVALID' });
        return (error as Error).message;
      }
      return 'accepted';
    };
    const patched = (from: string, to: string) =>
      refusal(
        new Uint8Array(
          Buffer.from(Buffer.from(bytes).toString('latin1').replace(from, to), 'latin1'),
        ),
      );
    expect(refusal(new Uint8Array(4))).toBe('h: Not a file of histograms');
    expect(refusal(bytes.subarray(0, 40))).toBe('h: The file is cut short');
    expect(refusal(bytes.subarray(0, -8))).toBe('h: Damaged: the counts of x are cut short');
    expect(refusal(new Uint8Array([...bytes, 0]))).toContain('the file is longer than its header');
    expect(patched('"exponent":-', '"exponent":9')).toContain(
      'a tensor in the header is malformed',
    );
    expect(patched('percentile', 'percentilo')).toContain('h: Damaged: Expected one of');
    bytes[bytes.length - 2] = 0xff;
    expect(refusal(bytes)).toBe('h: Damaged: a count of x is wrong');

    const random = seeded(7);
    for (let i = 0; i < 2000; i += 1) {
      const found = refusal(mutate(encodeLattices(small), random, [bytes]));
      expect(found === 'accepted' || found.startsWith('h: ')).toBe(true);
    }
  });
});

describe('mergeFolders', () => {
  const model = { sha256: 'a'.repeat(64), file: 'm.onnx' };
  const meta = (index: number, count: number) =>
    ({ version: 1, model, sample: { images: 1 }, shard: { index, count } }) as const;
  const options: HistogramMethodOptions = { method: 'entropy', numBins: 256 };
  const written = (async () => {
    const folders = images.map((_, index) => join(root, `part${index}`));
    for (const [index, folder] of folders.entries()) {
      await writeHistogramPart(partOf([index], options), folder, meta(index + 1, 8));
    }
    return folders;
  })();

  it('joins eight shards in any order', async () => {
    const folders = await written;
    const table = await mergeFolders(folders);
    expect(table.method).toBe('entropy');
    expect(table.meta).toEqual({ version: 1, model, sample: { images: 8 } });
    expect(encodeJson(table)).toBe(encodeJson(partOf([0, 1, 2, 3, 4, 5, 6, 7], options).table()));
    const shuffled = [5, 2, 7, 0, 1, 6, 4, 3].map((index) => folders[index] as string);
    expect(encodeJson(await mergeFolders(shuffled))).toBe(encodeJson(table));
    const out = join(root, 'merged');
    await writeTables(table, out);
    expect((await readTable(out)).meta?.sample).toEqual({ images: 8 });
  });

  it('joins MinMax tables', async () => {
    const folders = [join(root, 'a'), join(root, 'b')];
    const ranges = [
      [-1, 2],
      [-3, 1],
    ] as const;
    for (const [index, [lowest, highest]] of ranges.entries()) {
      const table = new CalibrationTable([['x', { lowest, highest }]], { method: 'minmax' });
      await writeTables(table, folders[index] as string, { meta: meta(index + 1, 2) });
    }
    expect((await mergeFolders(folders)).ranges.get('x')).toEqual({ lowest: -3, highest: 2 });
    const mixed = [(await written)[0] as string, folders[1] as string];
    await expect(mergeFolders(mixed)).rejects.toMatchObject({ code: 'TABLE_MISMATCH' });
  });

  it('names a missing and a repeated shard', async () => {
    const folders = await written;
    await expect(mergeFolders(folders.slice(1))).rejects.toMatchObject({
      code: 'TABLE_INCOMPLETE',
      message: 'Shard 1/8 is missing',
    });
    await expect(mergeFolders([...folders, folders[3] as string])).rejects.toMatchObject({
      code: 'TABLE_MISMATCH',
      message: `Shard 4/8 is there twice: ${folders[3]} and ${folders[3]}`,
    });
    await expect(mergeFolders([])).rejects.toThrow(RangeError);
    await expect(mergeFolders([join(root, 'none')])).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
  });

  it('takes parts of unknown origin, and leaves out provenance of another file', async () => {
    const folder = join(root, 'plain');
    await writeHistogramPart(partOf([0], options), folder);
    expect((await mergeFolders([folder])).meta).toBeUndefined();
    const changed = join(root, 'changed');
    await writeHistogramPart(partOf([1], options), changed, meta(1, 1));
    writeFileSync(
      join(changed, 'calibration.histograms'),
      readFileSync(join(folder, 'calibration.histograms')),
    );
    expect((await mergeFolders([changed])).meta).toBeUndefined();
  });
});
