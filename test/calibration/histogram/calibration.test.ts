import { describe, expect, it } from 'vitest';
import {
  distributionRange,
  emptyBounds,
  entropyRange,
  HistogramCalibration,
  HistogramCollector,
  mergeValueBounds,
  movingAverage,
  nanMean32,
  resolveHistogramOptions,
  scanBounds,
} from '../../../lib/calibration/histogram/index.js';
import {
  type CalibrationTable,
  decodeJson,
  type Histogram,
} from '../../../lib/calibration/index.js';
import { bytesOf } from '../tables/fixtures.js';

const table = (name: string): CalibrationTable =>
  decodeJson(bytesOf(`tables/model/${name}/calibration.json`));

function histogramOf(from: CalibrationTable, name: string): Histogram {
  return from.ranges.get(name)?.histogram as Histogram;
}

describe('the ranges of ONNX Runtime from its own histograms', () => {
  // The extremes of the values are those of the MinMax table of the same images.
  const minmax = table('minmax');

  it.each(['entropy_512', 'entropy_default', 'entropy_default_4calls'])('%s', (name) => {
    const reference = table(name);
    expect(reference.size).toBe(21);
    for (const [tensor, { lowest, highest }] of reference.ranges) {
      const extremes = minmax.ranges.get(tensor) as { lowest: number; highest: number };
      const collected = { ...histogramOf(reference, tensor), ...extremes };
      expect(entropyRange(collected, 128)).toMatchObject({ lowest, highest });
    }
  });

  it('distribution_512, with mean and deviation', () => {
    const reference = table('distribution_512');
    for (const [tensor, { lowest, highest, average, deviation }] of reference.ranges) {
      const collected = { ...histogramOf(reference, tensor), lowest: 0, highest: 0 };
      const range = distributionRange(collected);
      expect(range).toMatchObject({ lowest, highest, average, deviation });
    }
  });
});

describe('nanMean32 and movingAverage', () => {
  const names = Array.from(table('minmax').ranges.keys()).sort();
  const extremes = new Float32Array(bytesOf('per_image_minmax.f32').buffer);
  // [40 images][21 tensors][min, max]
  const perImage = (tensor: number, which: number, from: number, to: number) =>
    Float32Array.from({ length: to - from }, (_, i) => {
      return extremes[((from + i) * 21 + tensor) * 2 + which] as number;
    });

  it('give the table of four calls with a moving average', () => {
    const reference = table('minmax_mavg_4calls');
    names.forEach((name, tensor) => {
      const average = (which: number) => {
        let value: number | undefined;
        for (let call = 0; call < 4; call += 1) {
          const mean = nanMean32(perImage(tensor, which, 10 * call, 10 * call + 10));
          value = value === undefined ? mean : movingAverage(value, mean, 0.1);
        }
        return value;
      };
      const { lowest, highest } = reference.ranges.get(name) as { lowest: number; highest: number };
      expect([average(0), average(1)]).toEqual([lowest, highest]);
    });
  });

  it('leave NaN out', () => {
    expect(nanMean32(Float32Array.of(1, Number.NaN, 2))).toBe(1.5);
    expect(nanMean32(Float32Array.of(Number.NaN))).toBeNaN();
  });

  it('add in pairs as numpy does, which decides the last bits', () => {
    // numpy 2.4.6: np.nanmean(np.float32(0.1) * np.arange(1000, dtype=np.float32)) and the sums of the
    // first 7 and 300 of them, divided by their number.
    const values = Float32Array.from({ length: 1000 }, (_, i) => Math.fround(0.1) * i);
    expect(nanMean32(values.subarray(0, 7))).toBe(0.29999998211860657);
    expect(nanMean32(values.subarray(0, 300))).toBe(14.949999809265137);
    expect(nanMean32(values)).toBe(49.95000076293945);
  });
});

describe('bounds', () => {
  it('leave NaN out and remember that there was one', () => {
    const bounds = scanBounds(Float32Array.of(3, Number.NaN, -2, 0.5));
    expect(bounds).toEqual({ lowest: -2, highest: 3, smallest: 0.5, nan: true });
    expect(scanBounds(Float32Array.of(-0.25), bounds)).toEqual({
      lowest: -2,
      highest: 3,
      smallest: 0.25,
      nan: true,
    });
  });

  it('merge in any order', () => {
    const a = scanBounds(Float32Array.of(1, 2));
    const b = scanBounds(Float32Array.of(-3));
    const merged = { lowest: -3, highest: 2, smallest: 1, nan: false };
    expect(mergeValueBounds(a, b)).toEqual(merged);
    expect(mergeValueBounds(b, a)).toEqual(merged);
    expect(mergeValueBounds(emptyBounds(), a)).toEqual(a);
  });
});

describe('HistogramCollector', () => {
  const values = Float32Array.from({ length: 5000 }, (_, i) => Math.sin(i) * (1 + i / 1000));

  it.each([true, false])(
    'does not depend on how a call is portioned (magnitudes: %s)',
    (absolute) => {
      const whole = new HistogramCollector({ numBins: 200, absolute });
      whole.collect(values);
      const streamed = new HistogramCollector({ numBins: 200, absolute });
      streamed.begin(scanBounds(values));
      for (let i = 0; i < values.length; i += 37) streamed.update(values.subarray(i, i + 37));
      expect(streamed.result()).toEqual(whole.result());
      expect(whole.result().counts.reduce((sum, count) => sum + count, 0)).toBe(5000);
    },
  );

  it('takes a call without values', () => {
    const signed = new HistogramCollector({ numBins: 4, absolute: false });
    signed.collect();
    expect(signed.result()).toEqual({
      counts: new Float64Array(4),
      edges: Float32Array.of(-0.5, -0.25, 0, 0.25, 0.5),
      lowest: 0,
      highest: 0,
    });
    const absolute = new HistogramCollector({ numBins: 4, absolute: true });
    absolute.collect(new Float32Array(0));
    expect(Array.from(absolute.result().edges)).toEqual([0, 0.25, 0.5, 0.75, 1]);
  });

  it('counts as numpy does where bins are as narrow as the spacing of float32', () => {
    // np.histogram(np.float32([1000, 1000.0001, 1000.0002, 1000.00037, 1000.0005]), 8)
    const narrow = Float32Array.of(1000, 1000.0001, 1000.0002, 1000.00037, 1000.0005);
    const collector = new HistogramCollector({ numBins: 8, absolute: true });
    collector.collect(narrow);
    expect(Array.from(collector.result().counts)).toEqual([1, 0, 1, 1, 0, 0, 1, 1]);
    expect(Array.from(collector.result().edges)).toEqual([
      1000.0, 1000.0000610351562, 1000.0001220703125, 1000.0001831054688, 1000.000244140625,
      1000.0003051757812, 1000.0003662109375, 1000.0004272460938, 1000.00048828125,
    ]);
  });

  it('lays out denormal ranges as numpy does', () => {
    // np.histogram(np.float32([0, 1e-44, 3e-44]), 4)
    const tiny = Float32Array.of(0, 1e-44, 3e-44);
    const collector = new HistogramCollector({ numBins: 4, absolute: true });
    collector.collect(tiny);
    expect(Array.from(collector.result().counts)).toEqual([1, 1, 0, 1]);
    expect(Array.from(collector.result().edges)).toEqual([
      0.0, 7.006492321624085e-45, 1.401298464324817e-44, 2.1019476964872256e-44,
      2.942726775082116e-44,
    ]);
  });

  it.each<[string, boolean, number, number[][], string]>([
    [
      'infinity',
      false,
      128,
      [[1, Number.POSITIVE_INFINITY]],
      'The range [-inf, inf] is not finite',
    ],
    [
      'infinity among magnitudes',
      true,
      128,
      [[1, Number.NEGATIVE_INFINITY]],
      'The range [1.0, inf]',
    ],
    ['NaN alone', false, 128, [[Number.NaN]], 'The range [nan, nan] is not finite'],
    ['NaN alone later', false, 128, [[1], [Number.NaN]], 'The range [nan, nan] is not finite'],
    ['infinity later', false, 128, [[1], [Number.POSITIVE_INFINITY]], 'The range [-inf, inf]'],
    [
      'too narrow a range',
      true,
      2048,
      [[1e8, 1e8 + 64]],
      'is too narrow or too wide for 2048 bins',
    ],
    ['too wide a range', false, 128, [[3e38]], 'is too narrow or too wide for 128 bins'],
    ['growth without end', false, 128, [[1e-9], [1]], 'would need '],
    [
      'growth of magnitudes without end',
      true,
      128,
      [[0, 1e-9], [1]],
      'A magnitude of 1 would need',
    ],
    [
      'infinity in later magnitudes',
      true,
      8,
      [[0, 1], [Number.POSITIVE_INFINITY]],
      'Infinity more',
    ],
  ])('refuses %s', (_, absolute, numBins, calls, message) => {
    const collector = new HistogramCollector({ numBins, absolute });
    expect(() => {
      for (const call of calls) collector.collect(Float32Array.from(call));
    }).toThrow(
      expect.objectContaining({
        code: 'CALIBRATION_FAILED',
        message: expect.stringContaining(message),
      }),
    );
  });

  it('wants a call first', () => {
    const collector = new HistogramCollector({ numBins: 8, absolute: true });
    expect(() => collector.update(values)).toThrow('begin() comes before update()');
    expect(() => collector.result()).toThrow('No values were collected');
  });
});

describe('HistogramCalibration', () => {
  it("has ONNX Runtime's defaults", () => {
    expect(resolveHistogramOptions({ method: 'entropy' })).toEqual({
      method: 'entropy',
      numBins: 128,
      numQuantizedBins: 128,
      percentile: 99.999,
      symmetric: false,
    });
    expect(resolveHistogramOptions({ method: 'percentile' })).toMatchObject({
      numBins: 2048,
      symmetric: true,
    });
    expect(resolveHistogramOptions({ method: 'distribution' }).numBins).toBe(2048);
  });

  it.each<[Parameters<typeof resolveHistogramOptions>[0], string]>([
    [{ method: 'minmax' as never }, 'Expected one of "entropy", "percentile", "distribution"'],
    [{ method: 'percentile', percentile: 101 }, 'Expected a number from 0 to 100 for percentile'],
    [{ method: 'percentile', numBins: 0 }, 'Expected an integer from 1 to 1048576 for numBins'],
    [{ method: 'distribution', numBins: 511 }, 'Expected an integer from 512 to 1048576'],
    [{ method: 'entropy', numQuantizedBins: 1.5 }, 'for numQuantizedBins but received 1.5'],
  ])('refuses %j', (options, message) => {
    expect(() => new HistogramCalibration(options)).toThrow(message);
  });

  it('makes a table of every tensor', () => {
    const calibration = new HistogramCalibration({
      method: 'percentile',
      numBins: 100,
      percentile: 90,
    });
    const ramp = Float32Array.from({ length: 1001 }, (_, i) => i / 10);
    for (const name of ['b', 'a']) {
      calibration.begin(name, scanBounds(ramp));
      calibration.update(name, ramp);
    }
    const made = calibration.table();
    expect(made.method).toBe('percentile');
    expect(Array.from(made.amaxes())).toEqual([
      ['b', 90],
      ['a', 90],
    ]);
    expect(Array.from(calibration.table(['a']).ranges.keys())).toEqual(['a']);
    expect(() => calibration.update('c', ramp)).toThrow('begin() comes before the values of c');
  });

  it('names the tensor that cannot be done', () => {
    const entropy = new HistogramCalibration({ method: 'entropy', numBins: 64 });
    entropy.begin('x', scanBounds(Float32Array.of(1)));
    expect(() => entropy.range('x')).toThrow(
      expect.objectContaining({
        code: 'CALIBRATION_FAILED',
        message:
          'Tensor "x": Entropy needs at least as many bins as quantized bins, 128, but has 64',
      }),
    );
    expect(() => entropy.begin('y', scanBounds(Float32Array.of(Number.NaN)))).toThrow(
      'Tensor "y": The range [nan, nan] is not finite',
    );
    const few = {
      counts: new Float64Array(511),
      edges: new Float32Array(512),
      lowest: 0,
      highest: 0,
    };
    expect(() => distributionRange(few)).toThrow('at least 512 bins but has 511');
  });

  it('refuses a histogram too sparse to smooth, as upstream does', () => {
    const counts = new Float64Array(40_001);
    counts[20_000] = 1;
    const edges = Float32Array.from({ length: 40_002 }, (_, i) => i - 20_000);
    expect(() => entropyRange({ counts, edges, lowest: -1, highest: 1 }, 40_000)).toThrow(
      'Entropy cannot smooth a histogram with 1 occupied bins of 40001',
    );
  });
});
