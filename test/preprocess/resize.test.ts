import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planResize } from '../../lib/preprocess/geometry.js';
import type { Kernel, Pixels, Resize } from '../../lib/preprocess/index.js';
import { place, resample } from '../../lib/preprocess/resample.js';
import { inOrder, resizePixels } from '../../lib/preprocess/resize.js';
import { cases, pattern } from './support.js';

const digest = ({ data }: Pixels) => createHash('sha256').update(data).digest('hex');

async function resized(image: Pixels, resize: Resize, kernel: Kernel): Promise<Pixels> {
  const plan = planResize(resize, image.width, image.height);
  return place(await resizePixels(image, plan, kernel), plan);
}

/** The same in TypeScript alone, whether or not the native module is built. */
async function inTypeScript(
  image: Pixels,
  resize: Resize,
  kernel: Exclude<Kernel, 'nearest'>,
  signal?: AbortSignal,
): Promise<Pixels> {
  const plan = planResize(resize, image.width, image.height);
  return inOrder(image, plan, kernel, (source, part, weights) =>
    resample(source, part, weights, signal),
  );
}

describe('resizing gives the bytes of Pillow', () => {
  it.each(cases.resize)('$width×$height to $to, $kernel', async (c) => {
    const resize: Resize = { mode: 'fill', width: c.to[0], height: c.to[1] };
    const image = pattern(c.width, c.height);
    expect(digest(await resized(image, resize, c.kernel))).toBe(c.sha256);
    if (c.kernel === 'nearest') return;
    expect(digest(await inTypeScript(image, resize, c.kernel))).toBe(c.sha256);
  });

  it.each(cases.order)('$width×$height to $to, $kernel, in the order of 13', async (c) => {
    const resize: Resize = { mode: 'fill', width: c.to[0], height: c.to[1] };
    const image = pattern(c.width, c.height);
    expect(digest(await resized(image, resize, c.kernel))).toBe(c.sha256);
    expect(digest(await inTypeScript(image, resize, c.kernel))).toBe(c.sha256);
  });

  it('of the part that is kept, in the order of 13', async () => {
    const image = pattern(97, 461);
    const whole = await resized(image, { mode: 'fill', width: 60, height: 90 }, 'bicubic');
    const part = { width: 60, height: 90, left: 7, top: 11, keptWidth: 40, keptHeight: 50 };
    const { data, ...size } = await resizePixels(image, part, 'bicubic');
    expect(size).toEqual({ width: 40, height: 50 });
    for (let y = 0; y < 50; y++) {
      const start = ((y + 11) * 60 + 7) * 3;
      const row = whole.data.subarray(start, start + 120);
      expect([...data.subarray(y * 120, y * 120 + 120)]).toEqual([...row]);
    }
  });

  it.each(cases.pad)('$width×$height padded to $to', async (c) => {
    const [width, height] = c.to;
    const resize: Resize = { mode: 'contain', width, height, background: [114, 20, 255] };
    expect(digest(await resized(pattern(c.width, c.height), resize, 'bicubic'))).toBe(c.sha256);
  });

  it.each(cases.crop)('$width×$height, centre crop of $crop, $fraction', async (c) => {
    const resize: Resize = {
      mode: 'cover',
      width: c.crop,
      height: c.crop,
      cropFraction: c.fraction,
    };
    expect(digest(await resized(pattern(c.width, c.height), resize, 'bicubic'))).toBe(c.sha256);
  });

  it('for any sizes, in the native module and in TypeScript alike', async () => {
    const side = fc.integer({ min: 1, max: 60 });
    const kernel = fc.constantFrom('bicubic' as const, 'bilinear' as const, 'lanczos' as const);
    await fc.assert(
      fc.asyncProperty(side, side, side, side, kernel, async (w, h, width, height, k) => {
        const image = pattern(w, h);
        const resize: Resize = { mode: 'cover', width, height, cropFraction: 0.8 };
        const [a, b] = [await resized(image, resize, k), await inTypeScript(image, resize, k)];
        expect([a.width, a.height]).toEqual([width, height]);
        expect(digest(a)).toBe(digest(b));
      }),
      { numRuns: 200 },
    );
  });

  it('stops between rows of a large image', async () => {
    const image = { data: new Uint8Array(3000 * 2000 * 3), width: 3000, height: 2000 };
    const controller = new AbortController();
    setImmediate(() => controller.abort(new Error('enough')));
    const resize: Resize = { mode: 'fill', width: 500, height: 400 };
    const run = inTypeScript(image, resize, 'bicubic', controller.signal);
    await expect(run).rejects.toThrow('enough');
  });
});

describe('planResize', () => {
  const size = (resize: Resize, w: number, h: number) => {
    const plan = planResize(resize, w, h);
    return [plan.width, plan.height, plan.keptWidth, plan.keptHeight];
  };
  const shorter = (side: number, divisor: number): Resize => ({
    mode: 'shorter-side',
    size: side,
    divisor,
  });

  it.each([
    // [w, h, size, divisor] and int(w / (h / size)) and so on, computed with Python
    [637, 960, 288, 32, [288, 434, 288, 416]],
    [451, 300, 288, 1, [432, 288, 432, 288]],
    [451, 300, 224, 32, [336, 224, 320, 224]],
    [512, 512, 288, 0, [288, 288, 288, 288]],
    [1000, 3, 9, 1, [3000, 9, 3000, 9]],
    [290, 100, 30, 1, [87, 30, 87, 30]],
    [7, 49, 3, 2, [3, 21, 2, 20]],
  ])('shorter side of %i×%i to %i, divisor %i', (w, h, side, divisor, expected) => {
    expect(size(shorter(side, divisor), w, h)).toEqual(expected);
  });

  it('rounds down where the factor is not exact, as float64 division does', () => {
    // int(33 / (11 / 288)) is 863 in Python, although 33 · 288 / 11 is 864.
    expect(size(shorter(288, 1), 33, 11)).toEqual([863, 288, 863, 288]);
    const cover: Resize = { mode: 'cover', width: 288, height: 288, cropFraction: 1 };
    expect(size(cover, 33, 11)).toEqual([864, 288, 288, 288]);
  });

  it('keeps a size when asked', () => {
    expect(size({ mode: 'none' }, 17, 4)).toEqual([17, 4, 17, 4]);
    expect(size({ mode: 'fill', width: 3, height: 5 }, 17, 4)).toEqual([3, 5, 3, 5]);
  });
});
