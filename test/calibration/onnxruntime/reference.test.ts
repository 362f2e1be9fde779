import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { calibrate } from '../../../lib/calibration/calibrate.js';
import { readFileList } from '../../../lib/dataset/index.js';
import { imageBatches, resolveRecipe } from '../../../lib/preprocess/index.js';
import { openOnnxRuntimeSession } from '../../../lib/session/index.js';
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

test.each(['model', 'model_bn'] as const)(
  '%s: logits of ONNX Runtime within 1e-4',
  async (name) => {
    const bytes = await readFile(`${FIXTURES}/${name}_logits_fp32.f32`);
    const expected = new Float32Array(Uint8Array.from(bytes).buffer);
    await using session = await openOnnxRuntimeSession(MODELS[name]);
    const files = await readFileList(`${DIGITS}/test_list.txt`);
    const recipe = await resolveRecipe({ resize: { mode: 'none' } });
    let row = 0;
    let worst = 0;
    for await (const { tensor } of imageBatches(files, recipe, { root: `${DIGITS}/images` })) {
      const { data } = (await session.run({ [session.inputs[0]!.name]: tensor }))[
        session.outputs[0]!.name
      ]!;
      for (let i = 0; i < 10; i++) {
        worst = Math.max(worst, Math.abs(Number(data[i]) - expected[row * 10 + i]!));
      }
      row++;
    }
    expect(row).toBe(100);
    expect(worst).toBeLessThanOrEqual(1e-4);
  },
);

/** Smallest and largest value of each of 21 tensors for each of 40 images. */
test('one image at a time: the bounds of ONNX Runtime for each image', async () => {
  const bytes = await readFile(`${FIXTURES}/per_image_minmax.f32`);
  const expected = new Float32Array(Uint8Array.from(bytes).buffer);
  let image = 0;
  for await (const feeds of calibrationImages()) {
    const { ranges } = await calibrate(MODELS.model, [feeds]);
    [...ranges.keys()].sort().forEach((name, position) => {
      const { lowest, highest } = ranges.get(name)!;
      const at = (image * 21 + position) * 2;
      const [low, high] = [expected[at]!, expected[at + 1]!];
      const tolerance = 1e-5 * Math.max(Math.abs(low), Math.abs(high));
      expect(Math.abs(lowest - low), `${image} ${name}`).toBeLessThanOrEqual(tolerance);
      expect(Math.abs(highest - high), `${image} ${name}`).toBeLessThanOrEqual(tolerance);
    });
    if (++image === 8) break;
  }
  expect(image).toBe(8);
});
