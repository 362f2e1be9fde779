import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { classify, evaluate } from '../../lib/tasks/index.js';

const digits = fileURLToPath(new URL('../../examples/digits/', import.meta.url));
const fixtures = fileURLToPath(new URL('../fixtures/ort-calibration/', import.meta.url));
const plain = { resize: { mode: 'none' } } as const;

describe('evaluate on the digits', () => {
  it('finds 95 of 100 right, as the example says', async () => {
    const result = await evaluate(`${digits}model.onnx`, {
      images: `${digits}images/test`,
      recipe: plain,
    });
    expect(result.images).toBe(100);
    expect(result.model.accuracy?.correct).toBe(95);
    expect(result.model.accuracy?.top1).toBe(0.95);
    expect(result.model.softmaxApplied).toBe(true);
    expect(result.labelsFile).toBe(`${digits}classes.json`);
  });

  // Figures of ONNX Runtime's Python package, in results.json beside the models. Its int8 kernels
  // differ between processors by the rounding of single values.
  it.each([
    ['qdq_u8s8_asym_minmax', 0.10434523969888687, 0.5322351455688477],
    ['qdq_s8s8_sym_minmax', 0.08695423603057861, 0.39344826340675354],
  ])('measures how far %s is from the float model', async (name, mean, max) => {
    const { comparison, against } = await evaluate(`${digits}model.onnx`, {
      against: `${fixtures}${name}.onnx`,
      images: `${digits}images`,
      files: `${digits}test_list.txt`,
      recipe: plain,
      batch: 20,
    });
    expect(against?.accuracy?.correct).toBe(95);
    expect(comparison?.agreed).toBe(100);
    expect(Math.abs(comparison!.meanLogitDifference - mean)).toBeLessThan(2e-3);
    expect(Math.abs(comparison!.maxLogitDifference - max)).toBeLessThan(0.05);
  });
});

describe('classify', () => {
  it('names the class of an image', async () => {
    const { results, softmaxApplied } = await classify(
      `${digits}model.onnx`,
      [`${digits}images/test/0/d0229.png`],
      { recipe: plain, topK: 3 },
    );
    expect(softmaxApplied).toBe(true);
    expect(results[0]?.predictions).toHaveLength(3);
    expect(results[0]?.predictions[0]?.label).toBe('0');
  });
});
