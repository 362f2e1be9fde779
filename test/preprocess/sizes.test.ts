import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { imageSizes, readImage, resolveRecipe } from '../../lib/preprocess/index.js';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'trtn-sizes-'));
  const image = (width: number, height: number) =>
    sharp({ create: { width, height, channels: 3, background: '#123' } });
  await image(64, 48).png().toFile(join(root, 'a.png'));
  await image(64, 48).jpeg().toFile(join(root, 'b.jpg'));
  await image(90, 30).jpeg().withMetadata({ orientation: 6 }).toFile(join(root, 'turned.jpg'));
  await writeFile(join(root, 'torn.png'), 'torn');
});
afterAll(() => rm(root, { recursive: true }));

const names = ['a.png', 'turned.jpg', 'torn.png', 'b.jpg'];

describe('imageSizes', () => {
  it.each([
    [{ resize: { mode: 'none' } }, '48x64', '30x90'],
    [{ resize: { mode: 'none' }, autoOrient: true }, '48x64', '90x30'],
    [{ resize: { mode: 'shorter-side', size: 20, divisor: 8 } }, '16x24', '16x56'],
  ] as const)('are those of the decoded images: %j', async (fields, most, other) => {
    const recipe = await resolveRecipe(fields);
    const found = await imageSizes(names, recipe, { root });
    expect(found.map(({ height, width, images }) => [`${height}x${width}`, images])).toEqual([
      [most, 2],
      [other, 1],
    ]);
    const { height, width } = await readImage('turned.jpg', recipe, { root });
    expect(`${height}x${width}`).toBe(other);
  });

  it('need no file where the recipe fixes them', async () => {
    const recipe = await resolveRecipe({ resize: { mode: 'fill', width: 30, height: 20 } });
    expect(await imageSizes(['nothing.png'], recipe)).toEqual([
      { height: 20, width: 30, images: 1 },
    ]);
  });
});
