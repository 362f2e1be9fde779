import { describe, expect, it } from 'vitest';
import { countByGuess, uniformBins } from '../../../lib/calibration/histogram/bins.js';
import { baseBinding } from '../../../lib/runtime/index.js';
import { seeded } from '../tables/mutate.js';

const base = baseBinding()!;

/** Normal-like values with NaN, zeros of both signs, infinities and values on edges. */
function valuesOf(size: number, edges: Float32Array): Float32Array {
  const random = seeded(size);
  const special = [0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e-40];
  return Float32Array.from({ length: size }, (_, i) => {
    if (i % 17 === 0) return special[(i / 17) % special.length]!;
    if (i % 13 === 0) return edges[i % edges.length]!;
    return 1.1 * (random() + random() + random() - 1.5);
  });
}

describe('countBins', () => {
  it.each([
    [128, 1000, false],
    [2048, 100_000, false],
    [2048, 1_300_003, false],
    [2047, 600_001, true],
    [1, 5000, true],
    [5000, 3, false],
  ])('%d bins, %d values, magnitudes %s: as the loop in TypeScript', (bins, size, absolute) => {
    const { edges } = uniformBins(bins, absolute ? 0.01 : -1.5, 1.5, absolute);
    const values = valuesOf(size, edges);
    const expected = new Float64Array(bins);
    countByGuess(values, expected, edges, absolute);
    const counts = new Float64Array(bins);
    base.countBins(
      values,
      edges,
      counts,
      absolute,
      Number.NEGATIVE_INFINITY,
      Number.POSITIVE_INFINITY,
    );
    expect(counts).toEqual(expected);
    // Added to what is there.
    base.countBins(
      values,
      edges,
      counts,
      absolute,
      Number.NEGATIVE_INFINITY,
      Number.POSITIVE_INFINITY,
    );
    expect(counts).toEqual(expected.map((count) => 2 * count));
  });

  it('clamps before it counts, and keeps NaN out', () => {
    const edges = Float32Array.of(0, 1, 2, 3);
    const counts = new Float64Array(3);
    const values = Float32Array.of(-5, 0.5, 2.5, 7, Number.NaN);
    base.countBins(values, edges, counts, false, 0, 3);
    expect([...counts]).toEqual([2, 0, 2]);
    const bins = uniformBins(3, 0, 3, false);
    const found = new Float64Array(3);
    bins.count(values, found, { lower: 0, upper: 3 });
    expect([...found]).toEqual([2, 0, 2]);
  });

  it('counts later, one job after the other, as at once', async () => {
    const { edges } = uniformBins(2048, -1.5, 1.5, false);
    const jobs = [200_000, 3, 40_000].map((size) => valuesOf(size, edges));
    const [expected, counts] = [new Float64Array(2048), new Float64Array(2048)];
    for (const values of jobs) countByGuess(values, expected, edges, false);
    const [lower, upper] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
    const rest = { edges, counts, absolute: false, lower, upper };
    await base.countLater([{ values: jobs, ...rest }]);
    expect(counts).toEqual(expected);
    await base.countLater([]);
    expect(() => base.countLater([{ values: jobs, ...rest, counts: new Float64Array(3) }])).toThrow(
      RangeError,
    );
    expect(() => base.countLater({} as never)).toThrow(TypeError);
    expect(() => base.countLater([1] as never)).toThrow(TypeError);
  });

  it('counts edges that equal steps do not give', () => {
    const edges = Float32Array.from({ length: 101 }, (_, i) => i + (i % 3) * 0.01);
    const values = valuesOf(5000, edges).map((value) => Math.abs(value * 60));
    const [expected, counts] = [new Float64Array(100), new Float64Array(100)];
    countByGuess(values, expected, edges, false);
    base.countBins(values, edges, counts, false, -1, Number.POSITIVE_INFINITY);
    expect(counts).toEqual(expected);
  });

  it('refuses arrays that do not fit', () => {
    const edges = Float32Array.of(0, 1, 2);
    const values = Float32Array.of(1);
    const call = (counts: Float64Array, other = edges) =>
      base.countBins(values, other, counts, false, 0, 1);
    expect(() => call(new Float64Array(3))).toThrow(RangeError);
    expect(() => call(new Float64Array(0), Float32Array.of(1))).toThrow(RangeError);
    expect(() => call(new Float32Array(2) as never)).toThrow(TypeError);
    for (const wrong of [
      [1, 1],
      [2, 1],
      [1, Infinity],
      [-Infinity, 0],
      [Number.NaN, 1],
    ]) {
      expect(() => call(new Float64Array(1), Float32Array.from(wrong))).toThrow(RangeError);
    }
  });

  it('takes no address of an array that is moved while the jobs are read', async () => {
    const { edges } = uniformBins(128, -1, 1, false);
    const moved = new Float32Array(100_000);
    const job = (values: Float32Array) => {
      const [lower, upper] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
      return {
        values: [values],
        edges,
        counts: new Float64Array(128),
        absolute: false,
        lower,
        upper,
      };
    };
    const jobs = [job(moved), job(Float32Array.of(0.5))];
    Object.defineProperty(jobs[1], 'absolute', {
      get() {
        structuredClone(moved, { transfer: [moved.buffer] });
        return false;
      },
    });
    await base.countLater(jobs);
    const total = (counts: Float64Array) => counts.reduce((sum, count) => sum + count, 0);
    expect(jobs.map(({ counts }) => total(counts))).toEqual([0, 1]);
  });
});
