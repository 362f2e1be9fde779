import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import {
  type Batches,
  HistogramCalibrator,
  type HistogramMethodOptions,
  MinMaxCalibrator,
  onnxRuntimeProvider,
  type TensorRange,
} from '../../../lib/calibration/index.js';
import { readFileList } from '../../../lib/dataset/index.js';
import { loadModel } from '../../../lib/onnx/index.js';
import { imageBatches, resolveRecipe } from '../../../lib/preprocess/index.js';

const FIXTURES = 'test/fixtures/ort-calibration';
const DIGITS = 'examples/digits';

/** The 40 calibration images in `parts` equal calls. */
async function calls(parts: number): Promise<(() => Batches)[]> {
  const files = await readFileList(`${DIGITS}/calib_list.txt`);
  const recipe = await resolveRecipe({ resize: { mode: 'none' } });
  const size = files.length / parts;
  return Array.from(
    { length: parts },
    (_, part) =>
      async function* () {
        const some = files.slice(part * size, (part + 1) * size);
        for await (const { tensor } of imageBatches(some, recipe, { root: `${DIGITS}/images` })) {
          yield { input: tensor };
        }
      },
  );
}

async function expectRanges(config: string, ranges: readonly [string, TensorRange][]) {
  const file = `${FIXTURES}/tables/model/${config}/ranges.json`;
  const reference: Record<string, [number, number]> = JSON.parse(await readFile(file, 'utf8'));
  expect(ranges.map(([name]) => name).sort()).toEqual(Object.keys(reference).sort());
  for (const [name, { lowest, highest }] of ranges) {
    const [low, high] = reference[name]!;
    const tolerance = 1e-5 * Math.max(Math.abs(low), Math.abs(high));
    expect(Math.abs(lowest - low), `${name} lowest`).toBeLessThanOrEqual(tolerance);
    expect(Math.abs(highest - high), `${name} highest`).toBeLessThanOrEqual(tolerance);
  }
}

const CONFIGS: [config: string, parts: number, options: HistogramMethodOptions][] = [
  ['entropy_default', 1, { method: 'entropy' }],
  ['entropy_512', 1, { method: 'entropy', numBins: 512 }],
  ['entropy_default_4calls', 4, { method: 'entropy' }],
  ['percentile_default', 1, { method: 'percentile' }],
  ['percentile_999_asym', 1, { method: 'percentile', percentile: 99.9, symmetric: false }],
  ['percentile_99_4calls', 4, { method: 'percentile', percentile: 99 }],
  ['distribution_512', 1, { method: 'distribution', numBins: 512 }],
];

test.each(CONFIGS)('%s in %d calls: the ranges of ONNX Runtime', async (config, parts, options) => {
  const model = await loadModel(`${DIGITS}/model.onnx`);
  await using calibrator = await HistogramCalibrator.create(model, onnxRuntimeProvider(), options);
  for (const call of await calls(parts)) await calibrator.collect(call);
  expect(calibrator.inputs).toBe(40);
  await expectRanges(config, calibrator.ranges());
});

test('minmax_mavg_4calls: the moving average of ONNX Runtime', async () => {
  const model = await loadModel(`${DIGITS}/model.onnx`);
  await using calibrator = await MinMaxCalibrator.create(model, onnxRuntimeProvider(), {
    movingAverage: 0.1,
  });
  for (const call of await calls(4)) await calibrator.collect(call());
  await expectRanges('minmax_mavg_4calls', calibrator.ranges());
});
