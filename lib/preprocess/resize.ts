import { defined } from '../defined.js';
import { type BaseBinding, baseBinding } from '../runtime/index.js';
import { axisCoefficients, type Coefficients } from './coefficients.js';
import type { Geometry } from './geometry.js';
import type { Kernel } from './recipe.js';
import { crop, nearest, type Pixels, resample } from './resample.js';

let native: BaseBinding | null | undefined;

/**
 * Whether Pillow resizes down before across, as 13 does where that leaves less to do; before 13 it never did.
 * The order shows, because what lies in between is rounded. (The rule was found by trying 590 sizes.)
 */
function isDownFirst({ width, height }: Pixels, plan: Geometry): boolean {
  const fewerRows = height - plan.height;
  return fewerRows > 0 && fewerRows > 2 * (width - plan.width);
}

/** Weights of the axes whose size changes. */
interface Weights {
  readonly across?: Coefficients;
  readonly down?: Coefficients;
}

/** Resizes once: across, down, or across and then down. `consume` as for {@link resizePixels}. */
type ResizeOnce = (
  source: Pixels,
  plan: Geometry,
  weights: Weights,
  consume: boolean,
) => Promise<Pixels>;

/**
 * Resizes both axes in Pillow's order.
 *
 * @param source The image.
 * @param plan Its new size, another one, and the part to keep.
 * @param kernel Filter.
 * @param once What resizes.
 * @param consume As for {@link resizePixels}.
 */
export async function inOrder(
  source: Pixels,
  plan: Geometry,
  kernel: Exclude<Kernel, 'nearest'>,
  once: ResizeOnce,
  consume = false,
): Promise<Pixels> {
  const { width, height } = source;
  const across = width === plan.width ? undefined : axisCoefficients(width, plan.width, kernel);
  const down = height === plan.height ? undefined : axisCoefficients(height, plan.height, kernel);
  if (across === undefined || down === undefined || !isDownFirst(source, plan)) {
    return once(source, plan, defined({ across, down }), consume);
  }
  const middle = await once(
    source,
    { ...plan, width, left: 0, keptWidth: width },
    { down },
    consume,
  );
  return once(middle, { ...plan, height: plan.keptHeight, top: 0 }, { across }, true);
}

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
  if (plan.width === source.width && plan.height === source.height) return crop(source, plan);
  if (kernel === 'nearest') return nearest(source, plan);
  // Asked once: looking for a module that is not there costs a few file system calls.
  if (native === undefined) native = baseBinding() ?? null;
  const module = native;
  const once: ResizeOnce =
    module === null
      ? (image, part, weights) => resample(image, part, weights, signal)
      : (image, part, weights, given) => natively(module, image, part, weights, given);
  return inOrder(source, plan, kernel, once, consume);
}

async function natively(
  module: BaseBinding,
  { data: source, width, height }: Pixels,
  { left, top, keptWidth, keptHeight }: Geometry,
  weights: Weights,
  consume: boolean,
): Promise<Pixels> {
  const data = new Uint8Array(keptWidth * keptHeight * 3);
  const part = { left, top, keptWidth, keptHeight, ...weights, consume };
  await module.resample(source, width, height, data, part);
  return { data, width: keptWidth, height: keptHeight };
}
