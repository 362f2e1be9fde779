import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { filesDigest, readTable } from '../../lib/calibration/index.js';
import { sampleFiles } from '../../lib/dataset/index.js';
import type { Progress } from '../../lib/progress.js';
import {
  buildFile,
  calibrateFolder,
  evaluate,
  preprocessFile,
  quantizeFile,
  taskRecipe,
} from '../../lib/tasks/index.js';
import { colourModel, writeImage } from './colours.js';

const digits = fileURLToPath(new URL('../../examples/digits/', import.meta.url));
const model = `${digits}model.onnx`;
const images = `${digits}images/train`;
const plain = { resize: { mode: 'none' } } as const;

let folder: string;
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trtn-job-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('the whole job on the digits', () => {
  it('calibrates a folder, quantizes, and stays close to the float model', async () => {
    const warnings: string[] = [];
    const progress: Progress[] = [];
    const calibrated = await calibrateFolder(model, {
      images,
      count: 200,
      recipe: plain,
      out: at('calibration'),
      batch: 8,
      onWarning: (warning) => warnings.push(warning),
      onProgress: (report) => progress.push(report),
    });
    expect(warnings).toEqual([]);
    expect(calibrated).toMatchObject({ images: 200, available: 300, broken: [] });
    expect(calibrated.table.size).toBe(21);
    expect(progress.at(-1)).toMatchObject({ done: 200, total: 200, unit: 'images' });
    expect((await readdir(at('calibration'))).sort()).toEqual([
      'calibration.cache',
      'calibration.flatbuffers',
      'calibration.json',
      'calibration.meta.json',
    ]);
    const { meta } = await readTable(at('calibration'));
    expect(meta).toMatchObject({
      model: { file: 'model.onnx' },
      sample: { images: 200, count: 200, seed: 1234 },
      recipe: { version: 1, resize: { mode: 'none' } },
      method: { name: 'minmax', options: { symmetric: false } },
    });
    expect(meta!.sample!.fraction).toBeUndefined();
    expect(Date.parse(meta!.created!)).toBeGreaterThan(0);

    const quantized = await quantizeFile(model, {
      calibration: at('calibration'),
      out: at('model.int8.onnx'),
    });
    expect(quantized.warnings).toEqual([]);
    expect(quantized.files).toEqual([at('model.int8.onnx'), at('model.int8.onnx.recipe.json')]);
    expect(quantized.report.counts.Conv).toEqual({ quantized: 7, float: 0 });

    const { comparison, recipeFile, against } = await evaluate(model, {
      against: at('model.int8.onnx'),
      images: `${digits}images/test`,
      recipe: at('calibration'),
    });
    expect(recipeFile).toBe(at('calibration/calibration.meta.json'));
    expect(comparison!.agreed).toBeGreaterThanOrEqual(98);
    expect(comparison!.meanLogitDifference).toBeLessThan(0.087);
    expect(against!.accuracy!.correct).toBeGreaterThanOrEqual(94);
  });

  it('keeps the digest of exactly the sample that CPython would draw', async () => {
    const list = (await readFile(`${digits}calib_list.txt`, 'utf8')).trim().split('\n');
    const { table } = await calibrateFolder(model, {
      images: `${digits}images`,
      files: `${digits}calib_list.txt`,
      fraction: 0.5,
      seed: 2n ** 70n,
      recipe: plain,
    });
    const sample = sampleFiles(list, { fraction: 0.5, seed: 2n ** 70n });
    expect(table.meta!.sample).toEqual({
      images: 20,
      seed: String(2n ** 70n),
      fraction: 0.5,
      filesSha256: filesDigest(sample),
    });
  });

  it('takes all of a list, and the notebook’s 5% of a folder, when nothing is said', async () => {
    const warnings: string[] = [];
    const listed = await calibrateFolder(model, {
      images: `${digits}images`,
      files: `${digits}calib_list.txt`,
      recipe: plain,
      symmetric: true,
      onWarning: (warning) => warnings.push(warning),
    });
    expect(listed.images).toBe(40);
    expect(listed.files).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining('Only 40 calibration images')]);
    const { lowest, highest } = listed.table.ranges.get('output')!;
    expect(lowest).toBe(-highest);
    const folderSample = await calibrateFolder(digits, { images, recipe: plain, threads: 1 });
    expect(folderSample.images).toBe(15);
    expect(folderSample.table.meta!.sample!.fraction).toBe(0.05);
  });
});

describe('calibrateFolder', () => {
  it('takes images of different sizes and batches of a fixed number', async () => {
    await writeImage(at('sizes/1.png'), [255, 0, 0], 8, 8);
    await writeImage(at('sizes/2.png'), [0, 128, 0], 9, 5);
    await writeImage(at('sizes/3.png'), [0, 0, 51], 8, 8);
    await writeFile(at('sizes.onnx'), colourModel({ input: [2, 3, 'h', 'w'] }));
    const { table } = await calibrateFolder(at('sizes.onnx'), {
      images: at('sizes'),
      fraction: 1,
      recipe: plain,
    });
    expect(table.ranges.get('input')).toMatchObject({ lowest: 0, highest: 1 });
    expect(table.amax('output')).toBeCloseTo(10, 5);
  });

  it('leaves out broken images when it may, and their names are not in the digest', async () => {
    await writeImage(at('torn/1.png'), [255, 0, 0]);
    await writeFile(at('torn/2.png'), '');
    await writeFile(at('torn.onnx'), colourModel());
    const options = { images: at('torn'), fraction: 1, recipe: plain };
    await expect(
      calibrateFolder(at('torn.onnx'), { ...options, out: at('torn-out') }),
    ).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
    await expect(readdir(at('torn-out'))).rejects.toThrow('ENOENT');
    const {
      images: used,
      broken,
      table,
    } = await calibrateFolder(at('torn.onnx'), {
      ...options,
      skipBroken: true,
    });
    expect(used).toBe(1);
    expect(broken).toHaveLength(1);
    expect(table.meta!.sample!.filesSha256).toBe(filesDigest(['1.png']));
  });

  it('refuses what cannot work before it works', async () => {
    await expect(calibrateFolder(model, { images, size: 64 })).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message: expect.stringContaining('32×32'),
    });
    await expect(
      calibrateFolder(model, { images, recipe: plain, fraction: 0.001 }),
    ).rejects.toMatchObject({
      code: 'IMAGES_NOT_FOUND',
      message: `0.001 of 300 images in ${images} is less than one`,
    });
    await writeFile(at('file'), '');
    await expect(
      calibrateFolder(model, { images, recipe: plain, out: at('file/below') }),
    ).rejects.toMatchObject({
      code: 'WRITE_FAILED',
      message: `Cannot write to ${at('file/below')}: ${at('file')} is not a folder`,
    });
    await expect(
      calibrateFolder(model, { images, recipe: plain, fraction: 0.5, count: 3 }),
    ).rejects.toThrow(TypeError);
  });

  it('keeps the table that was there when it is aborted', async () => {
    await mkdir(at('kept'), { recursive: true });
    await writeFile(at('kept/calibration.json'), 'old');
    const controller = new AbortController();
    const reason = new Error('enough');
    const run = calibrateFolder(model, {
      images,
      fraction: 1,
      recipe: plain,
      out: at('kept'),
      signal: controller.signal,
      onProgress: ({ done }) => {
        if (done > 0) controller.abort(reason);
      },
    });
    await expect(run).rejects.toBe(reason);
    expect(await readdir(at('kept'))).toEqual(['calibration.json']);
    expect(await readFile(at('kept/calibration.json'), 'utf8')).toBe('old');
  });
});

describe('quantizeFile', () => {
  it('refuses the table of another model, naming both, and writes nothing', async () => {
    await calibrateFolder(model, { images, count: 3, recipe: plain, out: at('table') });
    const other = fileURLToPath(
      new URL('../fixtures/ort-calibration/model_bn.onnx', import.meta.url),
    );
    await expect(
      quantizeFile(other, { calibration: at('table'), out: at('mismatch/x.onnx') }),
    ).rejects.toMatchObject({
      code: 'TABLE_MISMATCH',
      message: expect.stringMatching(/model\.onnx.*model_bn\.onnx/),
    });
    await expect(readdir(at('mismatch'))).rejects.toThrow('ENOENT');
  });

  it('says when nothing tells which model a table belongs to', async () => {
    await writeFile(at('lone.cache'), await readFile(at('table/calibration.cache')));
    const { warnings, files } = await quantizeFile(model, {
      calibration: at('lone.cache'),
      out: at('unknown.onnx'),
    });
    expect(warnings.join('\n')).toContain('which model');
    expect(files).toEqual([at('unknown.onnx')]);
  });
});

describe('recipes', () => {
  it('come from the folder of a calibration', async () => {
    const { recipe, file } = await taskRecipe({ recipe: at('table') }, []);
    expect(recipe.resize).toEqual({ mode: 'none' });
    expect(file).toBe(at('table/calibration.meta.json'));
    const meta = await taskRecipe({ recipe: at('table/calibration.meta.json') }, []);
    expect(meta.recipe).toEqual(recipe);
  });

  it('are refused where there are none', async () => {
    await mkdir(at('bare'), { recursive: true });
    await expect(taskRecipe({ recipe: at('bare') }, [])).rejects.toMatchObject({
      code: 'RECIPE_INVALID',
      message: `No recipe in ${at('bare')}: it has no calibration.meta.json`,
    });
    await writeFile(at('bare/calibration.meta.json'), '{"version": 1}');
    await expect(taskRecipe({ recipe: at('bare') }, [])).rejects.toThrow('names no recipe');
    await expect(taskRecipe({ recipe: 'no-such-recipe' }, [])).rejects.toMatchObject({
      code: 'RECIPE_INVALID',
    });
  });
});

describe('preprocessFile', () => {
  it('writes what the model sees', async () => {
    await writeImage(at('seen.png'), [255, 0, 51], 12, 8);
    const result = await preprocessFile(at('seen.png'), { size: 4, out: at('out/seen.npy') });
    expect(result).toMatchObject({ width: 6, height: 4, shape: [1, 3, 4, 6], min: 0, max: 1 });
    const bytes = await readFile(at('out/seen.npy'));
    expect(bytes.subarray(1, 6).toString()).toBe('NUMPY');
    expect(bytes.readFloatLE(bytes.length - 4)).toBeCloseTo(0.2, 6);
    await preprocessFile(at('seen.png'), { size: 4, out: at('out/seen.PNG') });
    expect((await readFile(at('out/seen.PNG'))).subarray(1, 4).toString()).toBe('PNG');
  });

  it('refuses other formats before it reads the image', async () => {
    await expect(preprocessFile('/nowhere.png', { out: at('x.jpg') })).rejects.toThrow(
      'Expected a file named .png or .npy for out',
    );
  });
});

describe('buildFile', () => {
  it('keeps the recipe of the model beside the engine', async () => {
    const { files, manifest, build } = await buildFile(at('model.int8.onnx'), {
      out: at('model.engine'),
      computeCapabilities: [89],
      profiles: [{ input: { min: [1, 3, 32, 32], opt: [1, 3, 32, 32], max: [4, 3, 32, 32] } }],
    });
    expect(files).toEqual([at('model.engine'), at('model.engine.json')]);
    expect(manifest.recipe).toMatchObject({ resize: { mode: 'none' } });
    expect(build.layers.length).toBeGreaterThan(5);
    expect((await readFile(at('model.engine'))).length).toBe(manifest.plan.bytes);
  });

  it('names no recipe when nobody knows one', async () => {
    await writeFile(at('colour.onnx'), colourModel({ input: [1, 3, 8, 8] }));
    const { manifest } = await buildFile(at('colour.onnx'), {
      out: at('colour.engine'),
      computeCapabilities: [80],
    });
    expect(manifest.recipe).toBeUndefined();
    const named = await buildFile(at('colour.onnx'), {
      out: at('colour.engine'),
      computeCapabilities: [80],
      size: 8,
    });
    expect(named.manifest.recipe).toMatchObject({ resize: { size: 8 } });
  });
});
