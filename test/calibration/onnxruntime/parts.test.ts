import { expect, test } from 'vitest';
import {
  collectHistogramPart,
  HistogramCalibrator,
  type HistogramMethodOptions,
  type LatticeCalibration,
  onnxRuntimeProvider,
} from '../../../lib/calibration/index.js';
import { readFileList } from '../../../lib/dataset/index.js';
import { loadModel } from '../../../lib/onnx/index.js';
import { imageBatches, resolveRecipe } from '../../../lib/preprocess/index.js';
import type { NamedTensors } from '../../../lib/tensor.js';

const DIGITS = 'examples/digits';

/** The 40 calibration images, decoded once. */
const images: Promise<NamedTensors[]> = (async () => {
  const files = await readFileList(`${DIGITS}/calib_list.txt`);
  const recipe = await resolveRecipe({ resize: { mode: 'none' } });
  const batches: NamedTensors[] = [];
  const options = { root: `${DIGITS}/images`, reuse: false };
  for await (const { tensor } of imageBatches(files, recipe, options)) {
    batches.push({ input: tensor });
  }
  return batches;
})();

/** What docs/calibration.md promises of merged histograms: how many bins a bound may lie off. */
const CASES: [options: HistogramMethodOptions, bins: number][] = [
  [{ method: 'entropy' }, 0],
  [{ method: 'entropy', numBins: 256 }, 0],
  [{ method: 'entropy', numBins: 512 }, 0],
  [{ method: 'entropy', numBins: 1024 }, 0],
  [{ method: 'percentile' }, 1],
  [{ method: 'percentile', percentile: 99 }, 1],
  [{ method: 'percentile', percentile: 90, numBins: 8192 }, 1],
  [{ method: 'percentile', percentile: 99.99, symmetric: false }, 1],
  [{ method: 'distribution' }, 0],
];

test.each(CASES)(
  '%j: eight parts give the ranges of one run, within %d bins',
  async (options, bins) => {
    const model = await loadModel(`${DIGITS}/model.onnx`);
    const provider = onnxRuntimeProvider();
    const batches = await images;
    const parts: LatticeCalibration[] = [];
    for (let index = 0; index < 8; index += 1) {
      const own = batches.filter((_, place) => place % 8 === index);
      parts.push(await collectHistogramPart(model, provider, own, options));
    }
    const [first, ...others] = parts.reverse();
    for (const other of others) first!.merge(other);
    const merged = first!.table();
    await using calibrator = await HistogramCalibrator.create(model, provider, options);
    await calibrator.collect(batches);
    const exact = calibrator.ranges();
    expect([...merged.ranges.keys()]).toEqual(exact.map(([name]) => name));
    for (const [name, range] of exact) {
      const { edges } = range.histogram!;
      const found = merged.ranges.get(name)!;
      expect(found.histogram!.edges).toEqual(edges);
      // Edges are rounded to float32, so a bin is not exactly as wide as the next.
      const width = bins * 1.01 * (edges[1]! - edges[0]!);
      expect(Math.abs(found.lowest - range.lowest), `${name} lowest`).toBeLessThanOrEqual(width);
      expect(Math.abs(found.highest - range.highest), `${name} highest`).toBeLessThanOrEqual(width);
    }
  },
);
