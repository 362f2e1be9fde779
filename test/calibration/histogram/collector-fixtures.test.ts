import { describe, expect, it } from 'vitest';
import { HistogramCollector } from '../../../lib/calibration/histogram/collector.js';
import { entropyRange } from '../../../lib/calibration/histogram/entropy.js';
import { percentileRange } from '../../../lib/calibration/histogram/thresholds.js';
import { bytesOf, textOf } from '../tables/fixtures.js';

interface Case {
  method: 'entropy' | 'percentile';
  symmetric: boolean;
  num_bins: number;
  num_quantized_bins: number;
  percentile: number;
  ok: boolean;
  bins: number;
  bin_offset: number;
  min: number;
  max: number;
  lowest: number;
  highest: number;
}

interface Input {
  file: string;
  call_sizes: number[];
  cases: Case[];
}

const inputs = JSON.parse(textOf('fixtures/collector/expected.json')) as Record<string, Input>;
const expectedBins = bytesOf('fixtures/collector/expected.bin');
const cases = Object.values(inputs).flatMap((input) =>
  input.cases.map((one): [string, Input, Case] => [
    `${input.file} ${one.method} ${one.num_bins}/${one.num_quantized_bins ?? one.percentile} ${one.symmetric ? 'symmetric' : ''}`,
    input,
    one,
  ]),
);

function floats(bytes: Uint8Array): Float32Array {
  return new Float32Array(bytes.slice().buffer);
}

/** Feeds every call in chunks of odd sizes, as a stream would. */
function collect(input: Input, one: Case): HistogramCollector {
  const values = floats(bytesOf(`fixtures/collector/${input.file}`));
  const absolute = one.method === 'percentile' && one.symmetric;
  const collector = new HistogramCollector({ numBins: one.num_bins, absolute });
  let start = 0;
  for (const size of input.call_sizes) {
    const call = values.subarray(start, start + size);
    const third = Math.floor(size / 3);
    collector.collect(
      call.subarray(0, third),
      call.subarray(third, third + 1),
      call.subarray(third + 1),
    );
    start += size;
  }
  return collector;
}

describe("ONNX Runtime's histogram calibrators", () => {
  it.each(cases.filter(([, , one]) => one.ok))(
    '%s: bins and thresholds are equal',
    (_, input, one) => {
      const collected = collect(input, one).result();
      const { bins, bin_offset: offset } = one;
      const hist = new Int32Array(expectedBins.slice(offset, offset + 4 * bins).buffer);
      const edges = floats(expectedBins.slice(offset + 4 * bins, offset + 8 * bins + 4));
      expect(Array.from(collected.counts)).toEqual(Array.from(hist));
      expect(Array.from(collected.edges)).toEqual(Array.from(edges));
      expect([collected.lowest, collected.highest]).toEqual([one.min, one.max]);
      const range =
        one.method === 'entropy'
          ? entropyRange(collected, one.num_quantized_bins)
          : percentileRange(collected, one.percentile, one.symmetric);
      expect([range.lowest, range.highest]).toEqual([one.lowest, one.highest]);
    },
  );

  it.each(cases.filter(([, , one]) => !one.ok))('%s: is refused', (_, input, one) => {
    expect(() => collect(input, one)).toThrow(
      expect.objectContaining({
        code: 'CALIBRATION_FAILED',
        message: 'The range [nan, nan] is not finite',
      }),
    );
  });

  it('are all there', () => {
    expect(cases.length).toBe(84);
  });
});
