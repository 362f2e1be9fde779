import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { readImage } from '../../lib/preprocess/index.js';
import { decodeSmallPng } from '../../lib/preprocess/small-png.js';
import { AS_IS, DIGITS } from './support.js';

/** Large shapes with a little noise, so that every filter is the best one for some row. */
function pixels(width: number, height: number, channels: number): Uint8Array {
  let state = width * 31 + channels;
  return Uint8Array.from({ length: width * height * channels }, (_, i) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const [x, y] = [Math.floor(i / channels) % width, Math.floor(i / channels / width)];
    return (x * 5 + y * 3 + (i % channels) * 40 + (y % 4 === 3 ? state >>> 24 : 0)) & 255;
  });
}

const image = (width: number, height: number, channels: 1 | 2 | 3 | 4) =>
  sharp(pixels(width, height, channels), { raw: { width, height, channels } });

/** What sharp makes of it, which the tests beside this one hold against Pillow. */
async function bySharp(bytes: Uint8Array) {
  const { data, info } = await sharp(bytes)
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data: new Uint8Array(data), width: info.width, height: info.height };
}

describe('decodeSmallPng', () => {
  it.each([
    ['RGB', () => image(31, 17, 3).png()],
    ['RGB, every filter', () => image(64, 64, 3).png({ adaptiveFiltering: true })],
    ['RGB, not compressed', () => image(20, 9, 3).png({ compressionLevel: 0 })],
    ['RGBA', () => image(33, 12, 4).png({ adaptiveFiltering: true })],
    ['grey', () => image(13, 40, 1).toColourspace('b-w').png({ adaptiveFiltering: true })],
    ['grey and alpha', () => image(9, 21, 2).toColourspace('b-w').png()],
    ['a palette', () => image(24, 24, 3).png({ palette: true, colours: 200 })],
    ['one pixel', () => image(1, 1, 3).png()],
    ['the largest size', () => image(128, 128, 3).png()],
  ])('gives the pixels of sharp: %s', async (_, make) => {
    const bytes = await make().toBuffer();
    const decoded = decodeSmallPng(bytes);
    expect(decoded).toEqual(await bySharp(bytes));
  });

  it('takes several data chunks', async () => {
    const bytes = await image(120, 120, 3).png({ compressionLevel: 0 }).toBuffer();
    const count = bytes.toString('latin1').split('IDAT').length - 1;
    expect(count).toBeGreaterThan(1);
    expect(decodeSmallPng(bytes)).toEqual(await bySharp(bytes));
  });

  it.each([
    ['16 bits', () => image(8, 8, 3).toColourspace('rgb16').png()],
    ['interlaced', () => image(8, 8, 3).png({ progressive: true })],
    ['four bits', () => image(8, 8, 3).png({ palette: true, colours: 8 })],
    ['larger', () => image(129, 128, 3).png()],
    ['JPEG', () => image(8, 8, 3).jpeg()],
  ])('leaves to sharp: %s', async (_, make) => {
    expect(decodeSmallPng(await make().toBuffer())).toBeUndefined();
  });

  it('leaves to sharp whatever is cut or changed', async () => {
    const bytes = await image(6, 5, 3).png().toBuffer();
    const whole = decodeSmallPng(bytes);
    for (let length = 0; length < bytes.length - 4; length++) {
      expect(decodeSmallPng(bytes.subarray(0, length))).toBeUndefined();
    }
    for (let at = 0; at < bytes.length; at++) {
      const changed = Uint8Array.from(bytes);
      changed[at]! ^= 0x10;
      const decoded = decodeSmallPng(changed);
      // A chunk that does not belong to the picture may be anything.
      if (decoded !== undefined) expect(decoded).toEqual(whole);
    }
  });

  it('is what readImage uses, with the errors of sharp', async () => {
    const path = join(DIGITS, 'images/test/0/d0229.png');
    const bytes = await readFile(path);
    expect(await readImage(path, AS_IS)).toEqual(decodeSmallPng(bytes));
    await expect(readImage(bytes.subarray(0, 600), AS_IS)).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
    });
  });
});
