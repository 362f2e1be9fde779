import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PRESETS, type RecipeInput, resolveRecipe } from '../../lib/preprocess/index.js';

let base: string;
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'recipe-'));
});
afterAll(async () => {
  await rm(base, { recursive: true, force: true });
});

describe('resolveRecipe', () => {
  it('is the notebook by default, complete and plain', async () => {
    const recipe = await resolveRecipe();
    expect(JSON.parse(JSON.stringify(recipe))).toEqual({
      version: 1,
      colorOrder: 'rgb',
      resize: { mode: 'shorter-side', size: 288, divisor: 1 },
      kernel: 'bicubic',
      scale: 1 / 255,
      mean: null,
      std: null,
      layout: 'NCHW',
      dtype: 'float32',
      autoOrient: false,
    });
  });

  it('knows timm’s presets', async () => {
    const recipe = await resolveRecipe('timm-imagenet-224');
    expect(recipe.resize).toEqual({ mode: 'cover', width: 224, height: 224, cropFraction: 0.875 });
    expect(recipe.mean).toEqual([0.485, 0.456, 0.406]);
    expect(recipe.std).toEqual([0.229, 0.224, 0.225]);
    for (const name of Object.keys(PRESETS)) {
      expect(await resolveRecipe(name)).toEqual(PRESETS[name as keyof typeof PRESETS]);
    }
  });

  it('completes an object and a file', async () => {
    const given: RecipeInput = {
      colorOrder: 'bgr',
      resize: { mode: 'contain', width: 64, height: 32 },
      mean: [1, 2, 3],
    };
    const recipe = await resolveRecipe(given);
    expect(recipe).toEqual({
      ...PRESETS.notebook,
      colorOrder: 'bgr',
      mean: [1, 2, 3],
      resize: { mode: 'contain', width: 64, height: 32, background: [0, 0, 0] },
    });
    const file = join(base, 'recipe.json');
    await writeFile(file, `\uFEFF${JSON.stringify(recipe)}`);
    expect(await resolveRecipe(file)).toEqual(recipe);
    expect(await resolveRecipe({ resize: { mode: 'none' } })).toMatchObject({
      resize: { mode: 'none' },
    });
  });

  it('takes a size and a divisor from outside', async () => {
    expect((await resolveRecipe(undefined, { size: 224, divisor: 32 })).resize).toEqual({
      mode: 'shorter-side',
      size: 224,
      divisor: 32,
    });
    expect((await resolveRecipe('timm-imagenet-224', { size: 96 })).resize).toEqual({
      mode: 'cover',
      width: 96,
      height: 96,
      cropFraction: 0.875,
    });
    await expect(resolveRecipe('timm-imagenet-224', { divisor: 32 })).rejects.toMatchObject({
      code: 'RECIPE_INVALID',
      message: expect.stringContaining('divisor does not go with'),
    });
    await expect(resolveRecipe({ resize: { mode: 'none' } }, { size: 96 })).rejects.toMatchObject({
      code: 'RECIPE_INVALID',
    });
    await expect(resolveRecipe('notebook', { size: 0 })).rejects.toThrow(
      'expected an integer from 1 to 16384 for resize.size but received 0',
    );
  });

  it.each([
    [{ version: 2 }, 'expected 1 for version but received 2'],
    [{ colour: 'rgb' }, 'unknown field "colour" in the recipe'],
    [{ colorOrder: 'rbg' }, 'expected one of "rgb", "bgr" for colorOrder but received "rbg"'],
    [{ kernel: 'cubic' }, 'for kernel but received "cubic"'],
    [{ scale: 0 }, 'expected a number over 0 for scale but received 0'],
    [{ scale: '1/255' }, 'for scale but received "1/255"'],
    [{ mean: [0.5] }, 'expected a list of 3 numbers, one for each channel, for mean'],
    [{ std: [1, 0, 1] }, 'expected a number over 0 for std[1] but received 0'],
    [{ layout: 'NHWC' }, 'expected "NCHW" for layout'],
    [{ dtype: 'float16' }, 'expected "float32" for dtype'],
    [{ autoOrient: 1 }, 'for autoOrient but received 1'],
    [{ resize: 224 }, 'expected an object for resize'],
    [{ resize: { mode: 'shortest' } }, 'for resize.mode but received "shortest"'],
    [{ resize: { mode: 'shorter-side' } }, 'for resize.size but received nothing'],
    [{ resize: { mode: 'shorter-side', size: 28, divisor: 32 } }, 'from 0 to 28'],
    [{ resize: { mode: 'shorter-side', size: 28, width: 3 } }, 'unknown field "width"'],
    [{ resize: { mode: 'cover', width: 9, height: 9, cropFraction: 2 } }, 'resize.cropFraction'],
    [{ resize: { mode: 'cover', width: 9 } }, 'resize.height'],
    [
      { resize: { mode: 'contain', width: 9, height: 9, background: [0, 0, 256] } },
      'resize.background[2]',
    ],
    [{ resize: { mode: 'fill', width: 1e9, height: 9 } }, 'resize.width'],
    [{ resize: { mode: 'none', size: 3 } }, 'unknown field "size"'],
    [{ resize: { mode: 'none', sise: 3 } }, 'unknown field "sise"'],
    [[], 'expected an object for the recipe'],
    [null, 'expected an object for the recipe'],
  ])('refuses %j', async (input, message) => {
    await expect(resolveRecipe(input as RecipeInput)).rejects.toMatchObject({
      code: 'RECIPE_INVALID',
      message: expect.stringContaining(message),
    });
  });

  it('says which file is wrong', async () => {
    const file = join(base, 'bad.json');
    await writeFile(file, '{"kernel": "cubic"}');
    await expect(resolveRecipe(file)).rejects.toThrow(`Recipe ${file}: expected one of`);
    await writeFile(file, '{');
    await expect(resolveRecipe(file)).rejects.toThrow(`Recipe ${file} is not valid JSON`);
    await expect(resolveRecipe('timm')).rejects.toMatchObject({
      code: 'RECIPE_INVALID',
      message: expect.stringContaining('neither a preset nor a file'),
      remedy: expect.stringContaining('timm-imagenet-224'),
    });
    await expect(resolveRecipe(base)).rejects.toThrow('EISDIR');
  });
});
