import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Progress } from '../../lib/progress.js';
import { evaluate } from '../../lib/tasks/index.js';
import { COLOURS, colourFolder, colourModel, writeImage } from './colours.js';

let folder: string;
const at = (name: string) => join(folder, name);
const plain = { recipe: { resize: { mode: 'none' } } } as const;

beforeAll(async () => {
  folder = await colourFolder();
});
afterAll(() => rm(folder, { recursive: true }));

describe('evaluate', () => {
  it('counts by the folders of the images', async () => {
    const progress: Progress[] = [];
    const { model, images, labelsFile } = await evaluate(at('model.onnx'), {
      images: at('images'),
      ...plain,
      onProgress: (report) => progress.push(report),
    });
    expect(images).toBe(5);
    expect(labelsFile).toBe(at('classes.json'));
    expect(model.accuracy).toMatchObject({ correct: 4, top1: 0.8, top5: 1 });
    expect(model.accuracy!.confusion).toEqual([
      [2, 0, 0, 0],
      [0, 1, 1, 0],
      [0, 0, 1, 0],
      [0, 0, 0, 0],
    ]);
    expect(progress.at(-1)).toMatchObject({ phase: 'evaluate', done: 5, total: 5, unit: 'images' });
  });

  it('compares two models on the same images', async () => {
    const { comparison, against } = await evaluate(at('model.onnx'), {
      images: at('images'),
      against: colourModel({ gain: 20 }),
      ...plain,
    });
    expect(against).toMatchObject({ model: 'the model', accuracy: { correct: 4 } });
    expect(comparison).toMatchObject({ images: 5, agreed: 5, agreement: 1, disagreements: [] });
    // Doubling the outputs keeps their direction; the largest is 10.
    expect(comparison!.minCosine).toBeCloseTo(1, 6);
    expect(comparison!.maxLogitDifference).toBeCloseTo(10, 4);
  });

  it('lists images on which two models differ', async () => {
    const { comparison } = await evaluate(at('model.onnx'), {
      images: at('images'),
      against: colourModel({ gain: -10 }),
      ...plain,
    });
    expect(comparison!.agreed).toBe(0);
    expect(comparison!.disagreements[0]).toEqual({
      source: 'blue/1.png',
      actual: 'blue',
      predicted: 'blue',
      against: 'none',
    });
  });

  it('compares on images of unknown class', async () => {
    await writeImage(at('unsorted/x.png'), [255, 0, 0]);
    const { model, comparison } = await evaluate(at('model.onnx'), {
      images: at('unsorted'),
      against: at('model.onnx'),
      labels: false,
      ...plain,
    });
    expect(model.accuracy).toBeUndefined();
    expect(comparison).toMatchObject({ images: 1, agreed: 1, maxLogitDifference: 0 });
    await expect(
      evaluate(at('model.onnx'), { images: at('unsorted'), labels: false, ...plain }),
    ).rejects.toThrow(TypeError);
  });

  it('takes the list of files in place of the folder, sampled only when asked', async () => {
    await writeFile(at('list.txt'), 'red/2.png\nblue/1.png\ngreen/1.png\n');
    const options = { images: at('images'), files: at('list.txt'), ...plain };
    expect((await evaluate(at('model.onnx'), options)).images).toBe(3);
    expect((await evaluate(at('model.onnx'), { ...options, count: 2, seed: 7 })).images).toBe(2);
  });

  it('skips broken images when it may, and lists them', async () => {
    await mkdir(at('torn/red'), { recursive: true });
    await writeImage(at('torn/red/1.png'), [255, 0, 0]);
    await writeFile(at('torn/red/2.png'), 'torn');
    const options = { images: at('torn'), labels: COLOURS, ...plain };
    await expect(evaluate(at('model.onnx'), options)).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
      message: expect.stringContaining('2.png'),
    });
    const result = await evaluate(at('model.onnx'), { ...options, skipBroken: true });
    expect(result.images).toBe(1);
    expect(result.broken).toEqual([
      { source: 'red/2.png', reason: expect.stringContaining('2.png') },
    ]);
  });
});

describe('what evaluate refuses', () => {
  it('folders that are no class, by name', async () => {
    await writeImage(at('other/purple/1.png'), [128, 0, 128]);
    await writeImage(at('other/loose.png'), [128, 0, 128]);
    await expect(
      evaluate(at('model.onnx'), { images: at('other'), ...plain }),
    ).rejects.toMatchObject({
      code: 'LABELS_INVALID',
      message: `Folders that are no class of ${at('classes.json')}: loose.png lies in no folder, "purple" (purple/1.png)`,
    });
    for (let index = 0; index < 8; index += 1) {
      await writeImage(at(`many/c${index}/1.png`), [0, 0, 0]);
    }
    await expect(evaluate(at('model.onnx'), { images: at('many'), ...plain })).rejects.toThrow(
      '"c4" (c4/1.png) and 3 more',
    );
  });

  it('a missing label file, and one for another model', async () => {
    await mkdir(at('bare'), { recursive: true });
    await writeFile(at('bare/m.onnx'), colourModel());
    await writeImage(at('bare/images/deep/red/1.png'), [255, 0, 0]);
    await expect(
      evaluate(at('bare/m.onnx'), { images: at('bare/images/deep'), ...plain }),
    ).rejects.toMatchObject({ code: 'LABELS_INVALID', message: /no \*classes.json/ });
    const labels = { classes: ['red', 'green', 'blue'], file: 'three.json' };
    await expect(
      evaluate(at('model.onnx'), { images: at('images'), labels, ...plain }),
    ).rejects.toMatchObject({
      code: 'LABELS_INVALID',
      message: `three.json has 3 classes, but ${at('model.onnx')} has 4 outputs`,
    });
  });

  it('two models with another number of outputs', async () => {
    await writeImage(at('large/x.png'), [255, 0, 0], 32, 32);
    const other = fileURLToPath(new URL('../../examples/digits/model.onnx', import.meta.url));
    await expect(
      evaluate(at('model.onnx'), { images: at('large'), against: other, labels: false, ...plain }),
    ).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message: `${at('model.onnx')} has 4 outputs and ${other} has 10: they cannot be compared`,
    });
  });

  it('empty and missing folders', async () => {
    await mkdir(at('empty'), { recursive: true });
    await expect(
      evaluate(at('model.onnx'), { images: at('empty'), ...plain }),
    ).rejects.toMatchObject({ code: 'IMAGES_NOT_FOUND' });
    await expect(
      evaluate(at('model.onnx'), { images: at('nowhere'), labels: COLOURS, ...plain }),
    ).rejects.toMatchObject({ code: 'FOLDER_UNREADABLE' });
  });
});
