import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Pixels, Recipe } from '../../lib/preprocess/index.js';
import { PRESETS } from '../../lib/preprocess/index.js';

export const FIXTURES = fileURLToPath(new URL('../fixtures', import.meta.url));
export const PILLOW = fileURLToPath(new URL('./pillow', import.meta.url));
export const DIGITS = fileURLToPath(new URL('../../examples/digits', import.meta.url));

interface Sized {
  width: number;
  height: number;
  sha256: string;
}

/** What pillow/make.py wrote. */
export const cases = JSON.parse(readFileSync(`${PILLOW}/cases.json`, 'utf8')) as {
  images: string[];
  resize: (Sized & { to: [number, number]; kernel: Recipe['kernel'] })[];
  order: (Sized & { to: [number, number]; kernel: 'bicubic' | 'lanczos' })[];
  pad: (Sized & { to: [number, number] })[];
  crop: (Sized & { crop: number; fraction: number })[];
};

/** The default recipe without resizing. */
export const AS_IS: Recipe = { ...PRESETS.notebook, resize: { mode: 'none' } };

/** Mean and largest absolute difference of two images, in steps of 255. */
export function difference(a: Uint8Array, b: Uint8Array): { mean: number; max: number } {
  if (a.length !== b.length) throw new Error(`lengths ${a.length} and ${b.length}`);
  let sum = 0;
  let max = 0;
  for (let i = 0; i < a.length; i++) {
    const d = Math.abs(a[i]! - b[i]!);
    sum += d;
    max = Math.max(max, d);
  }
  return { mean: sum / a.length, max };
}

/** The image that make.py computes by the same formula. */
export function pattern(width: number, height: number): Pixels {
  const data = new Uint8Array(width * height * 3);
  let i = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const tile = (Math.floor(x / 9) + Math.floor(y / 7)) % 2;
      const value = x * 7 + y * 13 + Math.floor((x * y) / 5) + tile * 90;
      for (let c = 0; c < 3; c++) data[i++] = (value + c * 85) % 256;
    }
  }
  return { data, width, height };
}
