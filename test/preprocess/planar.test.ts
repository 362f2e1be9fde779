import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodeNpy,
  PRESETS,
  pixelsToPng,
  pixelsToTensor,
  type Recipe,
  readImage,
  savePreview,
} from '../../lib/preprocess/index.js';
import { integerDivisor, interleavedToPlanar } from '../../lib/preprocess/planar.js';
import { baseBinding } from '../../lib/runtime/index.js';
import { Tensor } from '../../lib/tensor.js';
import { AS_IS, pattern } from './support.js';

const pixels = { data: Uint8Array.of(0, 1, 2, 128, 254, 255), width: 2, height: 1 };

describe('pixelsToTensor', () => {
  it('divides by 255 in float32, planes in the recipe’s order', () => {
    const { data, dims } = pixelsToTensor(pixels, AS_IS);
    expect(dims).toEqual([1, 3, 1, 2]);
    // numpy: np.float32(x) / np.float32(255)
    expect([...data]).toEqual([
      0, 0.501960813999176, 0.003921568859368563, 0.9960784316062927, 0.007843137718737125, 1,
    ]);
    const bgr = pixelsToTensor(pixels, { ...AS_IS, colorOrder: 'bgr' });
    expect([...bgr.data]).toEqual([
      0.007843137718737125, 1, 0.003921568859368563, 0.9960784316062927, 0, 0.501960813999176,
    ]);
  });

  it('normalizes with each step in float32', () => {
    const { data } = pixelsToTensor(pixels, PRESETS['timm-imagenet-224']);
    // torch: (torch.tensor(x, dtype=uint8).float() / 255).sub_(mean).div_(std)
    expect([...data]).toEqual([
      -2.1179039478302, 0.07406462728977203, -2.018207311630249, 2.4110641479492188,
      -1.7695860862731934, 2.640000104904175,
    ]);
  });

  it('multiplies when the scale is no reciprocal of an integer', () => {
    expect(integerDivisor(1 / 255)).toBe(255);
    expect(integerDivisor(0.00392156862745098)).toBe(255);
    expect(integerDivisor(1)).toBe(1);
    expect(integerDivisor(2)).toBeUndefined();
    expect(integerDivisor(0.0039)).toBeUndefined();
    const { data } = pixelsToTensor(pixels, { ...AS_IS, scale: 0.3 });
    expect(data[5]).toBe(Math.fround(255 * Math.fround(0.3)));
    expect(pixelsToTensor(pixels, { ...AS_IS, scale: 1 }).data[5]).toBe(255);
  });

  it('is the same in every bit in the native module', ({ skip }) => {
    const native = baseBinding();
    if (native === undefined) return skip('base.node is not built');
    const triple = fc.tuple(...[0, 1, 2].map(() => fc.float({ min: 0.0625, max: 8, noNaN: true })));
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 3, maxLength: 300 }),
        fc.integer({ min: 1, max: 1000 }),
        fc.option(triple),
        fc.option(triple),
        fc.boolean(),
        (bytes, divisor, mean, std, bgr) => {
          const count = Math.floor(bytes.length / 3);
          const recipe = {
            scale: 1 / divisor,
            mean: mean as Recipe['mean'],
            std: std as Recipe['std'],
            colorOrder: bgr ? ('bgr' as const) : ('rgb' as const),
          };
          const ours = new Float32Array(3 * count + 5);
          const theirs = new Float32Array(3 * count + 5);
          interleavedToPlanar(bytes, ours, 2, count, recipe);
          native.interleavedToPlanar(bytes, theirs, 2, count, {
            divisor,
            bgr,
            ...(mean === null ? {} : { mean }),
            ...(std === null ? {} : { std }),
          });
          expect(new Uint32Array(theirs.buffer)).toEqual(new Uint32Array(ours.buffer));
        },
      ),
    );
  });
});

describe('previews', () => {
  const path = (name: string) => join(tmpdir(), `preview-${process.pid}-${name}`);

  it('writes NumPy files', () => {
    const bytes = Buffer.from(encodeNpy(new Tensor('float32', Float32Array.of(1, 2), [1, 2])));
    expect(bytes.length % 64).toBe(8);
    expect(bytes.subarray(0, 8).toString('latin1')).toBe('\x93NUMPY\x01\x00');
    expect(bytes.readUInt16LE(8)).toBe(bytes.length - 8 - 10);
    expect(bytes.subarray(10, -8).toString().trimEnd()).toBe(
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }",
    );
    expect(bytes[bytes.length - 9]).toBe(0x0a);
    expect(bytes.readFloatLE(bytes.length - 4)).toBe(2);
    const vector = Buffer.from(encodeNpy(new Tensor('int64', BigInt64Array.of(7n), [1])));
    expect(vector.toString('latin1')).toContain("'<i8', 'fortran_order': False, 'shape': (1,), ");
  });

  it('shows what the model sees', async () => {
    const image = pattern(7, 5);
    await savePreview(path('a.png'), image, AS_IS);
    await savePreview(path('a.NPY'), image, AS_IS);
    try {
      expect(await readImage(path('a.png'), AS_IS)).toEqual(image);
      expect(await readImage(await pixelsToPng(image), AS_IS)).toEqual(image);
      const npy = await readFile(path('a.NPY'));
      expect(npy.toString('latin1')).toContain("'shape': (1, 3, 5, 7)");
      expect(npy.subarray(-3 * 5 * 7 * 4)).toEqual(
        Buffer.from(pixelsToTensor(image, AS_IS).data.buffer),
      );
    } finally {
      await rm(path('a.png'));
      await rm(path('a.NPY'));
    }
    await expect(savePreview(path('a.jpg'), image, AS_IS)).rejects.toThrow('.png or .npy');
    await expect(savePreview('/dev/null/a.png', image, AS_IS)).rejects.toMatchObject({
      code: 'WRITE_FAILED',
    });
  });
});
