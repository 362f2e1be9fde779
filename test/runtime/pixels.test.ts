import { describe, expect, it } from 'vitest';
import { axisCoefficients } from '../../lib/preprocess/coefficients.js';
import { resample } from '../../lib/preprocess/resample.js';
import { requireBase } from '../../lib/runtime/index.js';

const base = requireBase();
const noise = (length: number) =>
  Uint8Array.from({ length }, (_, i) => (Math.imul(i + 1, 2654435761) >>> 13) & 255);

/** The contract, step by step in float32. */
function expected(
  source: Uint8Array,
  pixels: number,
  { divisor, mean, std, bgr }: { divisor: number; mean?: number[]; std?: number[]; bgr: boolean },
): number[] {
  const f = Math.fround;
  const planes = [0, 1, 2].map((plane) =>
    Array.from({ length: pixels }, (_, i) => {
      let x = f(source[3 * i + (bgr ? 2 - plane : plane)]! / f(divisor));
      if (mean !== undefined) x = f(x - f(mean[plane]!));
      if (std !== undefined) x = f(x / f(std[plane]!));
      return x;
    }),
  );
  return planes.flat();
}

describe('interleavedToPlanar', () => {
  const mean = [0.485, 0.456, 0.406];
  const std = [0.229, 0.224, 0.225];
  it.each([
    { divisor: 255, bgr: false },
    { divisor: 1, bgr: true },
    { divisor: 255, mean, bgr: false },
    { divisor: 255, std, bgr: true },
    { divisor: 127.5, mean, std, bgr: false },
  ])('gives the same bits as float32 arithmetic: %j', (options) => {
    // Lengths around the width of vectors, so that their remainders are reached.
    for (const pixels of [0, 1, 3, 7, 8, 9, 31, 64, 1001]) {
      const source = noise(pixels * 3);
      const target = new Float32Array(pixels * 3 + 5).fill(-7);
      base.interleavedToPlanar(source, target, 2, pixels, options);
      expect([...target.subarray(2, 2 + pixels * 3)]).toEqual(expected(source, pixels, options));
      expect([...target.subarray(0, 2), ...target.subarray(2 + pixels * 3)]).toEqual(
        Array(5).fill(-7),
      );
    }
  });

  it('gives known numbers', () => {
    const target = new Float32Array(6);
    base.interleavedToPlanar(Uint8Array.of(255, 0, 51, 102, 153, 204), target, 0, 2, {
      divisor: 255,
      mean: [0.5, 0, 0],
      std: [0.5, 1, 2],
      bgr: false,
    });
    expect([...target]).toEqual([1, -0.2, 0, 0.6, 0.1, 0.4].map((x) => expect.closeTo(x, 6)));
  });

  it('refuses to write or read outside of the arrays', () => {
    const options = { divisor: 255, bgr: false };
    const call = (offset: number, pixels: number) => () =>
      base.interleavedToPlanar(new Uint8Array(12), new Float32Array(12), offset, pixels, options);
    expect(call(0, 4)).not.toThrow();
    for (const [offset, pixels] of [
      [1, 4],
      [0, 5],
      [-1, 1],
      [13, 0],
      [0, -1],
      [0, 2 ** 62],
    ]) {
      expect(call(offset!, pixels!)).toThrow(RangeError);
    }
    const wrong = base.interleavedToPlanar as (...args: unknown[]) => void;
    expect(() => wrong([], new Float32Array(3), 0, 1, options)).toThrow(TypeError);
    expect(() => wrong(new Uint8Array(3), new Float32Array(3), 0, 1)).toThrow(TypeError);
    expect(() =>
      wrong(new Uint8Array(3), new Float32Array(3), 0, 1, { ...options, mean: [1] }),
    ).toThrow('Expected three numbers for mean');
  });
});

describe('resample', () => {
  const [width, height] = [57, 43];
  const source = noise(width * height * 3);
  it.each([
    [23, 19, 'bicubic'],
    [100, 61, 'lanczos'],
    [57, 20, 'bilinear'],
    [31, 43, 'bicubic'],
  ] as const)('to %i × %i gives the bytes of the TypeScript twin', async (w, h, kernel) => {
    const part = { left: 3, top: 2, keptWidth: w - 5, keptHeight: h - 4 };
    const weights = {
      ...(w === width ? {} : { across: axisCoefficients(width, w, kernel) }),
      ...(h === height ? {} : { down: axisCoefficients(height, h, kernel) }),
    };
    const target = new Uint8Array(part.keptWidth * part.keptHeight * 3);
    await base.resample(source, width, height, target, { ...part, ...weights });
    const twin = await resample(
      { data: source, width, height },
      { width: w, height: h, ...part },
      weights,
    );
    expect(Buffer.compare(target, twin.data)).toBe(0);
    expect(new Set(target).size).toBeGreaterThan(20);
  });

  it('refuses plans outside of the arrays', () => {
    const across = axisCoefficients(width, 23, 'bicubic');
    const plan = { left: 0, top: 0, keptWidth: 23, keptHeight: height, across };
    const target = new Uint8Array(23 * height * 3);
    const call =
      (change: object, w = width, out = target) =>
      () =>
        base.resample(source, w, height, out, { ...plan, ...change });
    expect(call({ left: 1 })).toThrow(RangeError);
    expect(call({ top: 1 })).toThrow(RangeError);
    expect(call({}, width + 1)).toThrow(RangeError);
    expect(call({}, width, target.subarray(1))).toThrow(RangeError);
    expect(call({ across: { ...across, first: across.first.map(() => width) } })).toThrow(
      RangeError,
    );
    expect(call({ across: { ...across, size: across.size.map(() => 0) } })).toThrow(RangeError);
    expect(call({ across: { ...across, weights: new Int32Array(3) } })).toThrow(RangeError);
    expect(call({ across: { ...across, weights: [] } })).toThrow(TypeError);
    expect(call({ keptHeight: 0 })).toThrow(RangeError);
    expect(call({ left: -1 })).toThrow(TypeError);
  });
});
