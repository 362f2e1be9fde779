import type { Tensor } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import type { MethodOptions } from '../../lib/calibration/index.js';
import { loadModel, type OnnxModel } from '../../lib/onnx/index.js';
import { QUANTIZATION_TARGETS, quantizeModel } from '../../lib/quantization/index.js';
import { calibrateFolder } from '../../lib/tasks/index.js';
import { outputs } from '../support/onnxruntime.js';
import { digitImages, TEST_IMAGES } from './digit-images.js';

const DIGITS = 'examples/digits';
const labels = TEST_IMAGES.map((file) => Number(file.split('/')[1]));

let model: OnnxModel;
let images: Tensor[];
let float: number[];

async function classes(of: OnnxModel): Promise<number[]> {
  return (await outputs(of, images)).map((row) => row.indexOf(Math.max(...row)));
}

const right = (answers: readonly number[]) => answers.filter((a, i) => a === labels[i]).length;

beforeAll(async () => {
  model = await loadModel(`${DIGITS}/model.onnx`);
  images = await digitImages();
  float = await classes(model);
});

const METHODS: MethodOptions[] = [
  { method: 'minmax' },
  { method: 'minmax', symmetric: true },
  { method: 'minmax', movingAverage: 0.01 },
  { method: 'entropy' },
  { method: 'entropy', numBins: 512, numQuantizedBins: 128 },
  { method: 'percentile' },
  { method: 'percentile', percentile: 99.9, symmetric: false },
];

describe('the digits model, calibrated here', () => {
  it('has 100 test images, of which float32 gets 95', () => {
    expect(TEST_IMAGES).toHaveLength(100);
    expect(right(float)).toBe(95);
  });

  it.each(METHODS)('loses at most one image of 100 with %j', async (method) => {
    const { table } = await calibrateFolder(`${DIGITS}/model.onnx`, {
      ...method,
      images: `${DIGITS}/images`,
      files: `${DIGITS}/calib_list.txt`,
    });
    for (const target of QUANTIZATION_TARGETS) {
      for (const fp16 of [false, true]) {
        const { model: quantized, report } = quantizeModel(model, table.amaxes(), { target, fp16 });
        expect(report.counts.Conv).toEqual({ quantized: 7, float: 0 });
        const answers = await classes(quantized);
        expect(right(answers)).toBeGreaterThanOrEqual(94);
        expect(answers.filter((answer, i) => answer === float[i]).length).toBeGreaterThanOrEqual(
          99,
        );
      }
    }
  });
});
