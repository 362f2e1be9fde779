import { TensorRTError } from '../errors.js';
import { roundHalfEven } from '../round.js';
import type { Resize } from './recipe.js';

/** What becomes of an image of a given size. */
export interface Geometry {
  /** Size that the whole image is resized to. */
  readonly width: number;
  readonly height: number;
  /** The part of the resized image that is kept. */
  readonly left: number;
  readonly top: number;
  readonly keptWidth: number;
  readonly keptHeight: number;
  /** The canvas that the kept part is put on, when there is one. */
  readonly canvas?: {
    readonly width: number;
    readonly height: number;
    readonly left: number;
    readonly top: number;
    readonly background: readonly [number, number, number];
  };
}

/** Largest resized image, in pixels: a strip of 1 × 5,000 pixels must not take all memory. */
const MAX_PIXELS = 2 ** 28;

/** Size that covers `width` × `height`; one side is exact, the other is rounded down. */
function cover(w: number, h: number, width: number, height: number): [number, number] {
  return width * h >= height * w
    ? [width, Math.floor((width * h) / w)]
    : [Math.floor((height * w) / h), height];
}

/** Size that fits into `width` × `height`, as Pillow's `ImageOps.contain` rounds it. */
function contain(w: number, h: number, width: number, height: number): [number, number] {
  const image = w / h;
  const target = width / height;
  if (image > target) return [width, Math.max(1, roundHalfEven((h / w) * width))];
  if (image < target) return [Math.max(1, roundHalfEven((w / h) * height)), height];
  return [width, height];
}

function shorterSide(w: number, h: number, size: number): [number, number] {
  // The order of operations is the notebook's: another one rounds differently.
  const factor = Math.min(w, h) / size;
  return w <= h ? [size, w === h ? size : Math.floor(h / factor)] : [Math.floor(w / factor), size];
}

/**
 * The sizes and cuts of a resize mode for an image of `w` × `h` pixels.
 *
 * @throws TensorRTError `IMAGE_INVALID` when the result would be too large or have no pixels.
 */
export function planResize(resize: Resize, w: number, h: number): Geometry {
  const plan = whole(resize, w, h);
  if (plan.width * plan.height > MAX_PIXELS || plan.keptWidth === 0 || plan.keptHeight === 0) {
    throw new TensorRTError(
      'IMAGE_INVALID',
      `${w}×${h} pixels would become ${plan.width}×${plan.height}`,
      { remedy: 'Leave the image out, or choose another resize mode.' },
    );
  }
  return plan;
}

function whole(resize: Resize, w: number, h: number): Geometry {
  const all = (width: number, height: number): Geometry => ({
    width,
    height,
    left: 0,
    top: 0,
    keptWidth: width,
    keptHeight: height,
  });
  switch (resize.mode) {
    case 'none':
      return all(w, h);
    case 'fill':
      return all(resize.width, resize.height);
    case 'shorter-side': {
      const [width, height] = shorterSide(w, h, resize.size);
      const { divisor } = resize;
      const cut = (side: number) => (divisor > 0 ? side - (side % divisor) : side);
      return { ...all(width, height), keptWidth: cut(width), keptHeight: cut(height) };
    }
    case 'cover': {
      const outer = (side: number) => Math.floor(side / resize.cropFraction);
      const [width, height] = cover(w, h, outer(resize.width), outer(resize.height));
      return {
        width,
        height,
        left: roundHalfEven((width - resize.width) / 2),
        top: roundHalfEven((height - resize.height) / 2),
        keptWidth: resize.width,
        keptHeight: resize.height,
      };
    }
    case 'contain': {
      const [width, height] = contain(w, h, resize.width, resize.height);
      return {
        ...all(width, height),
        canvas: {
          width: resize.width,
          height: resize.height,
          left: roundHalfEven((resize.width - width) * 0.5),
          top: roundHalfEven((resize.height - height) * 0.5),
          background: resize.background,
        },
      };
    }
  }
}
