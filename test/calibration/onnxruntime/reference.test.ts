import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { calibrate } from '../../../lib/calibration/calibrate.js';
import { readFileList } from '../../../lib/dataset/index.js';
import { imageBatches, resolveRecipe } from '../../../lib/preprocess/index.js';
import type { NamedTensors } from '../../../lib/tensor.js';

const FIXTURES = 'test/fixtures/ort-calibration';
const DIGITS = 'examples/digits';
const MODELS = { model: `${DIGITS}/model.onnx`, model_bn: `${FIXTURES}/model_bn.onnx` };

async function* calibrationImages(batch = 1): AsyncGenerator<NamedTensors> {
  const files = await readFileList(`${DIGITS}/calib_list.txt`);
  const recipe = await resolveRecipe({ resize: { mode: 'none' } });
  for await (const { tensor } of imageBatches(files, recipe, { root: `${DIGITS}/images`, batch })) {
    yield { input: tensor };
  }
}

async function reference(model: string, config: string): Promise<Record<string, [number, number]>> {
  return JSON.parse(await readFile(`${FIXTURES}/tables/${model}/${config}/ranges.json`, 'utf8'));
}

test.each([
  ['model', 'minmax', 1],
  ['model', 'minmax_sym', 1],
  ['model_bn', 'minmax', 1],
  ['model_bn', 'minmax_sym', 1],
  ['model', 'minmax', 7],
] as const)('%s %s, batch %d: the ranges of ONNX Runtime', async (model, config, batch) => {
  const table = await calibrate(MODELS[model], calibrationImages(batch), {
    symmetric: config === 'minmax_sym',
  });
  const expected = await reference(model, config);
  expect([...table.ranges.keys()].sort()).toEqual(Object.keys(expected).sort());
  for (const [name, { lowest, highest }] of table.ranges) {
    const [low, high] = expected[name]!;
    const tolerance = 1e-5 * Math.max(Math.abs(low), Math.abs(high));
    expect(Math.abs(lowest - low), `${name} lowest`).toBeLessThanOrEqual(tolerance);
    expect(Math.abs(highest - high), `${name} highest`).toBeLessThanOrEqual(tolerance);
  }
  expect(table.method).toBe('minmax');
  expect(table.warnings).toEqual([]);
});
