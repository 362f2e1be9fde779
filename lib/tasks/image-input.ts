import { TensorRTError } from '../errors.js';
import { floatToHalf } from '../onnx/index.js';
import { packImage, type Recipe } from '../preprocess/index.js';
import { describeValue, type ProfileShapes, type ValueMetadata } from '../session/index.js';
import { type NamedTensors, Tensor } from '../tensor.js';

/** The images that an optimization profile of an engine takes: smallest and largest. */
export interface ImageProfile {
  /** Images in a run: smallest, what the profile is tuned for, largest number. */
  batch: readonly [min: number, opt: number, max: number];
  /** Height in pixels. */
  height: readonly [min: number, max: number];
  /** Width in pixels. */
  width: readonly [min: number, max: number];
}

/** The input of a model that takes images. */
export interface ImageInput {
  /** Its name. */
  name: string;
  /**
   * `float32`, or `float16` for a model in half precision: planes, [batch, 3, height, width]. `uint8` for
   * an engine that does the arithmetic of the recipe itself: pixels, [batch, height, width, 3].
   */
  type: 'float32' | 'float16' | 'uint8';
  /** Fixed batch size; `undefined` when any is taken. */
  batch: number | undefined;
  /** Fixed height in pixels; `undefined` when any is taken. */
  height: number | undefined;
  /** Fixed width in pixels; `undefined` when any is taken. */
  width: number | undefined;
  /** Of an engine with dynamic shapes: what it takes. */
  profiles?: readonly ImageProfile[];
  /** The model, for messages. */
  label: string;
}

function unsupported(message: string, remedy: string): TensorRTError {
  return new TensorRTError('MODEL_UNSUPPORTED', message, { remedy });
}

function fixed(dim: number | string | undefined): number | undefined {
  return typeof dim === 'number' ? dim : undefined;
}

function imageProfile(
  { min, opt, max }: ProfileShapes[string],
  [batch, height, width]: readonly [number, number, number],
): ImageProfile {
  return {
    batch: [min[batch]!, opt[batch]!, max[batch]!],
    height: [min[height]!, max[height]!],
    width: [min[width]!, max[width]!],
  };
}

/** Where batch, height and width stand in a shape. */
const PLANES = [0, 2, 3] as const;
const PIXELS = [0, 1, 2] as const;

/**
 * The input that takes images.
 *
 * @param inputs The model's inputs.
 * @param label The model, for messages.
 * @param profiles Of an engine with dynamic shapes: its optimization profiles.
 * @throws TensorRTError `MODEL_UNSUPPORTED` unless there is one input, float32 or float16 of shape
 *   [batch, 3, height, width], or uint8 of shape [batch, height, width, 3].
 */
export function imageInput(
  inputs: readonly ValueMetadata[],
  label: string,
  profiles: readonly ProfileShapes[] = [],
): ImageInput {
  const [input] = inputs;
  const list = inputs.map((one) => `${one.name}: ${describeValue(one)}`).join('; ');
  if (input === undefined || inputs.length > 1) {
    throw unsupported(
      `${label} has ${inputs.length} inputs (${list}), and images can be fed to one only`,
      'Use a model with one image input, or run it through a session of the API.',
    );
  }
  const { name, type, shape } = input;
  const last = shape.length === 4 && shape[3] === 3;
  const pixels = last && type === 'uint8';
  const axes = pixels ? PIXELS : PLANES;
  const channels = shape[1];
  // [n, h, w, 3] fits [n, 3, h, w] by its numbers, too, but no image is three pixels wide.
  const planes = channels === 3 || (typeof channels !== 'number' && !last);
  if (shape.length !== 4 || !(pixels || planes)) {
    throw unsupported(
      `The input of ${label} (${list}) is not [batch, 3, height, width]`,
      last
        ? 'Its channels come last; export it with channels first (NCHW).'
        : 'Use a model that takes RGB images, channels first (NCHW).',
    );
  }
  if (!pixels && type !== 'float32' && type !== 'float16') {
    throw unsupported(
      `The input of ${label} (${list}) is ${type}, and images are fed as float32 or float16`,
      'Export the model with a float input.',
    );
  }
  const [batch, height, width] = axes.map((axis) => fixed(shape[axis]));
  const ranges = profiles.flatMap((one) => one[name] ?? []);
  return {
    name,
    type: type as ImageInput['type'],
    batch,
    height,
    width,
    ...(ranges.length === 0 ? {} : { profiles: ranges.map((range) => imageProfile(range, axes)) }),
    label,
  };
}

/** Number and size of the images of a batch, in planes or in pixels. */
export function extentsOf({ type, dims }: Tensor): [rows: number, height: number, width: number] {
  const axes = type === 'uint8' ? PIXELS : PLANES;
  return axes.map((axis) => dims[axis]!) as [number, number, number];
}

/** Height and width as messages show them: `288×any`. */
function size(height: number | undefined, width: number | undefined): string {
  return `${height ?? 'any'}×${width ?? 'any'}`;
}

function range([min, max]: readonly [number, number]): string {
  return min === max ? String(min) : `${min}..${max}`;
}

/** Whether a profile takes images of a size. */
export function takes({ height, width }: ImageProfile, h: number, w: number): boolean {
  return h >= height[0] && h <= height[1] && w >= width[0] && w <= width[1];
}

/** The error for images of another size than a model takes; sizes are height × width. */
export function sizeMismatch(input: ImageInput, came: string): TensorRTError {
  const { height, width, profiles } = input;
  if (profiles !== undefined && (height === undefined || width === undefined)) {
    const sizes = profiles.map((one) => `${range(one.height)}×${range(one.width)}`).join(' or ');
    return unsupported(
      `${input.label} was built for images of ${sizes} (height × width), but ${came}`,
      'Build it with profiles (--minShapes, --maxShapes) that take all sizes, or give a recipe that makes these.',
    );
  }
  let hint = 'Give a recipe of that size.';
  if (height !== undefined && width !== undefined) {
    // A shorter side alone leaves the longer one as the image has it: a recipe says both.
    const recipe = { resize: { mode: 'cover', width, height, cropFraction: 1 } };
    const size = height === width ? `--size ${height} when the recipe makes squares, else ` : '';
    hint = `Give ${size}a recipe of that size (--recipe FILE), such as ${JSON.stringify(recipe)}.`;
  }
  return unsupported(
    `${input.label} takes images of ${size(height, width)} (height × width), but ${came}`,
    hint,
  );
}

/**
 * Holds a batch against the input.
 *
 * @param input The model's input.
 * @param tensor The batch, [n, 3, height, width] or, of bytes, [n, height, width, 3].
 * @param source An image of the batch, for the message.
 * @throws TensorRTError `MODEL_UNSUPPORTED` that names both sizes.
 */
export function checkBatchSize(input: ImageInput, tensor: Tensor, source: string): void {
  const [, height, width] = extentsOf(tensor);
  const fits =
    (input.height ?? height) === height &&
    (input.width ?? width) === width &&
    (input.profiles?.some((profile) => takes(profile, height, width)) ?? true);
  if (!fits) throw sizeMismatch(input, `the recipe makes ${size(height, width)} of ${source}`);
}

/**
 * Images in one run: what was asked for, or what the model fixes.
 *
 * @param inputs The models' inputs.
 * @param asked What was asked for.
 * @param otherwise What is taken when neither says anything.
 * @throws TensorRTError `MODEL_UNSUPPORTED` when a model fixes another number.
 */
export function batchSize(
  inputs: readonly ImageInput[],
  asked: number | undefined,
  otherwise: number,
): number {
  const first = inputs.find((input) => usualBatch(input) !== undefined);
  const size = asked ?? (first === undefined ? otherwise : usualBatch(first)!);
  for (const { batch, profiles, label } of inputs) {
    // A smaller batch is filled up with copies, whose results are dropped.
    if (batch !== undefined && size > batch) {
      throw unsupported(
        `${label} takes batches of ${batch}, not of ${size}`,
        `Give --batch ${batch}, or export the model with a dynamic batch.`,
      );
    }
    const largest = Math.max(...(profiles ?? []).map((profile) => profile.batch[2]));
    if (batch === undefined && profiles !== undefined && size > largest) {
      throw unsupported(
        `${label} was built for batches of at most ${largest}, not of ${size}`,
        `Give --batch ${largest}, or build it with a profile that takes more.`,
      );
    }
  }
  return size;
}

/** What a model fixes, or what an engine is tuned for. */
function usualBatch({ batch, profiles }: ImageInput): number | undefined {
  return batch ?? profiles?.[0]?.batch[1];
}

/** Images that must be in a run for `rows` of them: what a model fixes, or the least of a profile. */
function rowsFor({ batch, profiles }: ImageInput, tensor: Tensor): number {
  const [rows, height, width] = extentsOf(tensor);
  if (batch !== undefined) return Math.max(batch, rows);
  const fitting = profiles?.filter((one) => takes(one, height, width) && one.batch[2] >= rows);
  if (fitting === undefined || fitting.length === 0) return rows;
  return Math.max(rows, Math.min(...fitting.map((one) => one.batch[0])));
}

/** Filled up with copies of the first image. */
function filledUp<T extends Float32Array | Uint8Array>(data: T, rows: number, wanted: number): T {
  const image = data.length / rows;
  const filled = new (data.constructor as new (length: number) => T)(image * wanted);
  filled.set(data);
  for (let row = rows; row < wanted; row += 1) filled.copyWithin(row * image, 0, image);
  return filled;
}

/** Pixels as the planes that a recipe makes of them. */
function planesOf(batch: Tensor<'uint8'>, recipe: Recipe): Tensor<'float32'> {
  const [rows, height, width] = extentsOf(batch);
  const image = 3 * height * width;
  const data = new Float32Array(batch.data.length);
  for (let row = 0; row < rows; row += 1) {
    const pixels = { data: batch.data.subarray(row * image, (row + 1) * image), width, height };
    packImage(pixels, recipe, data, row * image);
  }
  return new Tensor('float32', data, [rows, 3, height, width]);
}

/**
 * A batch as a model takes it: in its element type and layout, and filled up with copies of the first
 * image when the model takes larger batches only.
 *
 * @param input The model's input.
 * @param images The images: float32 [n, 3, height, width], or bytes, [n, height, width, 3].
 * @param recipe How bytes become floats; needed where bytes are fed to a model of floats.
 */
export function imageFeeds(
  input: ImageInput,
  images: Tensor<'float32'> | Tensor<'uint8'>,
  recipe?: Recipe,
): NamedTensors {
  const batch =
    images.type === 'uint8' && input.type !== 'uint8'
      ? planesOf(images as Tensor<'uint8'>, recipe!)
      : images;
  const rows = batch.dims[0]!;
  const wanted = rowsFor(input, batch);
  const dims = [wanted, ...batch.dims.slice(1)];
  const data = wanted > rows ? filledUp(batch.data, rows, wanted) : batch.data;
  if (input.type === 'float16') {
    const half = Uint16Array.from(data, floatToHalf);
    return { [input.name]: new Tensor('float16', half, dims) };
  }
  return { [input.name]: new Tensor(batch.type, data as never, dims) };
}
