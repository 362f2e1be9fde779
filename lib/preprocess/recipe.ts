/** How an image gets its size. Sizes are pixels of the result. */
export type Resize =
  | {
      /**
       * The Python notebook's: the shorter side becomes `size`, the longer one
       * `floor(longer / (shorter / size))`; then both are cut from the top left to multiples of
       * `divisor` (0 and 1: no cut).
       */
      readonly mode: 'shorter-side';
      readonly size: number;
      readonly divisor: number;
    }
  | {
      /**
       * Fill `width` × `height` and cut what sticks out, centred: torchvision's `Resize` and
       * `CenterCrop` as timm's evaluation uses them. The image is resized to cover
       * `floor(width / cropFraction)` × `floor(height / cropFraction)` first.
       */
      readonly mode: 'cover';
      readonly width: number;
      readonly height: number;
      readonly cropFraction: number;
    }
  | {
      /** Fit into `width` × `height`, centred on `background` (red, green, blue): Pillow's `ImageOps.pad`. */
      readonly mode: 'contain';
      readonly width: number;
      readonly height: number;
      readonly background: readonly [number, number, number];
    }
  | {
      /** Stretch to `width` × `height`. */
      readonly mode: 'fill';
      readonly width: number;
      readonly height: number;
    }
  | {
      /** Keep the image's own size. */
      readonly mode: 'none';
    };

/** Filter of the resize, as Pillow computes it (antialiased when an image gets smaller). */
export type Kernel = 'bicubic' | 'bilinear' | 'lanczos' | 'nearest';

/**
 * What is done to an image before a model sees it: complete, and plain data, so that it can be
 * stored beside every table and engine. `resolveRecipe` makes one.
 */
export interface Recipe {
  /** Version of this format. */
  readonly version: 1;
  /** Order of the tensor's channels. */
  readonly colorOrder: 'rgb' | 'bgr';
  /** How the image gets its size. */
  readonly resize: Resize;
  /** Filter of the resize. */
  readonly kernel: Kernel;
  /**
   * What a value of 0 to 255 is multiplied with, in float32. When it is 1 / n for an integer n, the
   * value is divided by n instead, as Python programs do.
   */
  readonly scale: number;
  /** Subtracted after scaling, one for each channel in `colorOrder`; `null` for nothing. */
  readonly mean: readonly [number, number, number] | null;
  /** Divided by after that, one for each channel in `colorOrder`; `null` for nothing. */
  readonly std: readonly [number, number, number] | null;
  /** Order of the tensor's dimensions. */
  readonly layout: 'NCHW';
  /** Element type of the tensor. */
  readonly dtype: 'float32';
  /** Whether the image is turned as its EXIF orientation says; Pillow's `Image.open` does not. */
  readonly autoOrient: boolean;
}

const IMAGENET = {
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
} as const;

const NOTEBOOK: Recipe = {
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
};

const square = (side: number, cropFraction: number): Resize => ({
  mode: 'cover',
  width: side,
  height: side,
  cropFraction,
});

/**
 * Recipes by name.
 *
 * - `notebook`, the default: shorter side 288, values 0 to 1.
 * - `timm-imagenet-224`: the evaluation transform of timm's models with the default configuration
 *   (`crop_pct` 0.875: shorter side 256, centre crop of 224, ImageNet mean and standard deviation).
 * - `timm-imagenet-224-crop95`: the same with `crop_pct` 0.95 (shorter side 235).
 * - `timm-imagenet-288`: 288 pixels, `crop_pct` 0.95 (shorter side 303).
 * - `timm-inception-224`: mean and standard deviation 0.5, `crop_pct` 0.9 (shorter side 248).
 */
export const PRESETS = {
  notebook: NOTEBOOK,
  'timm-imagenet-224': { ...NOTEBOOK, ...IMAGENET, resize: square(224, 0.875) },
  'timm-imagenet-224-crop95': { ...NOTEBOOK, ...IMAGENET, resize: square(224, 0.95) },
  'timm-imagenet-288': { ...NOTEBOOK, ...IMAGENET, resize: square(288, 0.95) },
  'timm-inception-224': {
    ...NOTEBOOK,
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
    resize: square(224, 0.9),
  },
} as const satisfies Record<string, Recipe>;

/** Name of a preset of {@link PRESETS}. */
export type PresetName = keyof typeof PRESETS;
