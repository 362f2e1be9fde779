import { describe, expect, it } from 'vitest';
import {
  benchWarnings,
  exportedAverages,
  exportedOutputs,
  exportedProfile,
  exportedTimes,
  summarize,
  Tensor,
} from '../../lib/index.js';
import type { LoopTimes } from '../../lib/session/index.js';
import { percentileOf } from '../../lib/tasks/bench/statistics.js';

describe('a distribution', () => {
  it('is summed up', () => {
    expect(summarize([4, 1, 3, 2], [50, 99.9])).toEqual({
      count: 4,
      min: 1,
      max: 4,
      mean: 2.5,
      median: 2.5,
      percentiles: { p50: 2, 'p99.9': 4 },
      // sqrt(1.25) / 2.5
      coefficientOfVariation: 44.721359549995796,
    });
    expect(summarize(Float64Array.of(7)).median).toBe(7);
    expect(Object.keys(summarize([1]).percentiles)).toEqual(['p90', 'p95', 'p99']);
  });

  it.each([
    [1, 1],
    [50, 50],
    [90, 90],
    [95, 95],
    [99, 99],
    [100, 100],
  ])('has percentile %d as trtexec counts it', (percent, expected) => {
    const sorted = Array.from({ length: 100 }, (_, index) => index + 1);
    expect(percentileOf(sorted, percent)).toBe(expected);
  });
});

describe('warnings', () => {
  const at = (median: number, spread = 0) => summarize([median - spread, median, median + spread]);
  const codes = (
    times: Partial<Record<'enqueue' | 'h2d' | 'compute' | 'd2h', number>>,
    spread = 0,
  ) => {
    const { enqueue = 0.1, h2d = 0.1, compute = 1, d2h = 0.1 } = times;
    const stages = {
      enqueue: at(enqueue),
      h2d: at(h2d),
      compute: at(compute, spread),
      d2h: at(d2h),
    };
    return benchWarnings(stages).map(({ code }) => code);
  };

  it("follow trtexec's rules", () => {
    expect(codes({})).toEqual([]);
    expect(codes({ enqueue: 0.8 })).toEqual([]);
    expect(codes({ enqueue: 0.81 })).toEqual(['enqueue-bound']);
    expect(codes({ h2d: 0.99 })).toEqual([]);
    expect(codes({ h2d: 1 })).toEqual(['upload-bound']);
    expect(codes({ d2h: 1 })).toEqual(['download-bound']);
    // The deviation of m − d, m, m + d is d · sqrt(2/3).
    expect(codes({}, 0.012)).toEqual([]);
    expect(codes({}, 0.013)).toEqual(['unstable']);
  });

  it('say what can be done', () => {
    const [warning] = benchWarnings({
      enqueue: at(2),
      h2d: at(0),
      compute: at(1),
      d2h: at(0),
    });
    expect(warning!.text).toBe(
      'Launching takes 2.000 ms beside the computation, 1.000 ms: the CPU may limit the throughput. ' +
        'CUDA graphs (--useCudaGraph) make it shorter.',
    );
  });
});

function loop(beginMs: number, starts: number[]): LoopTimes {
  const all = (value: number) => Float64Array.from(starts, () => value);
  return {
    host: all(9),
    enqueue: all(0.5),
    enqueueStart: Float64Array.from(starts),
    uploadStart: Float64Array.from(starts, (start) => start + 0.25),
    upload: all(1),
    compute: all(2),
    download: all(4),
    beginMs,
    endMs: beginMs + 100,
    graph: true,
  };
}

describe('documents in the layouts of trtexec', () => {
  it('have the iterations of all streams in the order of their launches', () => {
    const times = exportedTimes([loop(1000, [0, 10]), loop(1003, [0, 10])]);
    expect(times.map(({ startEnqMs }) => startEnqMs)).toEqual([0, 3, 10, 13]);
    expect(times[1]).toEqual({
      startEnqMs: 3,
      endEnqMs: 3.5,
      startH2dMs: 3.25,
      endH2dMs: 4.25,
      startComputeMs: 4.25,
      endComputeMs: 6.25,
      startD2hMs: 6.25,
      endD2hMs: 10.25,
      h2dMs: 1,
      computeMs: 2,
      d2hMs: 4,
      latencyMs: 7,
    });
  });

  it('have averages over whole parts alone', () => {
    expect(exportedAverages([loop(0, [0, 10, 20, 30, 40])], 2)).toEqual(
      Array(2).fill({ computeMs: 2, latencyMs: 7, enqueueMs: 0.5 }),
    );
  });

  it('have layers with their part of the whole', () => {
    const layers = [
      { name: 'a', milliseconds: Float64Array.of(1, 3, 2) },
      { name: 'b', milliseconds: Float64Array.of(4, 4, 10) },
    ];
    expect(exportedProfile(layers)).toEqual([
      { count: 3 },
      { name: 'a', timeMs: 6, averageMs: 2, medianMs: 2, percentage: 25 },
      { name: 'b', timeMs: 18, averageMs: 6, medianMs: 4, percentage: 75 },
    ]);
    expect(exportedProfile([])).toEqual([{ count: 0 }]);
  });

  it('have outputs as numbers', () => {
    const outputs = {
      scores: new Tensor('float32', Float32Array.of(0.5, -1), [1, 2]),
      index: new Tensor('int64', BigInt64Array.of(7n), [1]),
    };
    expect(exportedOutputs(outputs)).toEqual([
      { name: 'scores', dimensions: '1x2', values: [0.5, -1] },
      { name: 'index', dimensions: '1', values: [7] },
    ]);
  });
});
