import { type BaseBinding, baseBinding } from '../runtime/index.js';
import { axisCoefficients } from './coefficients.js';
import type { Geometry } from './geometry.js';
import type { Kernel } from './recipe.js';
import { crop, nearest, type Pixels, resample } from './resample.js';

let native: BaseBinding | null | undefined;

/**
 * Resizes an image as its plan says: in the native module on libuv's pool when that is built, else in
 * TypeScript on this thread. Both give the bytes that Pillow gives.
 *
 * @param source The image.
 * @param plan Its new size and the part to keep.
 * @param kernel Filter.
 * @param signal Stops the work in TypeScript; it then rejects with `signal.reason`.
 * @param consume Whether the memory of `source` may be given back: its array is empty then.
 */
export async function resizePixels(
  source: Pixels,
  plan: Geometry,
  kernel: Kernel,
  signal?: AbortSignal,
  consume = false,
): Promise<Pixels> {
  const across = plan.width !== source.width;
  const down = plan.height !== source.height;
  if (!across && !down) return crop(source, plan);
  if (kernel === 'nearest') return nearest(source, plan);
  const weights = {
    ...(across ? { across: axisCoefficients(source.width, plan.width, kernel) } : {}),
    ...(down ? { down: axisCoefficients(source.height, plan.height, kernel) } : {}),
  };
  // Asked once: looking for a module that is not there costs a few file system calls.
  if (native === undefined) native = baseBinding() ?? null;
  if (native === null) return resample(source, plan, weights, signal);
  const { left, top, keptWidth, keptHeight } = plan;
  const data = new Uint8Array(keptWidth * keptHeight * 3);
  const part = { left, top, keptWidth, keptHeight, ...weights, consume };
  await native.resample(source.data, source.width, source.height, data, part);
  return { data, width: keptWidth, height: keptHeight };
}
