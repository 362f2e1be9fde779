import { TensorRTError } from '../errors.js';
import { floatToHalf } from '../onnx/index.js';
import { describeValue, type ValueMetadata } from '../session/index.js';
import { type NamedTensors, Tensor } from '../tensor.js';

/** The input of a model that takes images. */
export interface ImageInput {
  /** Its name. */
  name: string;
  /** `float32`, or `float16` for a model in half precision. */
  type: 'float32' | 'float16';
  /** Fixed batch size; `undefined` when any is taken. */
  batch: number | undefined;
  /** Fixed height in pixels; `undefined` when any is taken. */
  height: number | undefined;
  /** Fixed width in pixels; `undefined` when any is taken. */
  width: number | undefined;
  /** The model, for messages. */
  label: string;
}

function unsupported(message: string, remedy: string): TensorRTError {
  return new TensorRTError('MODEL_UNSUPPORTED', message, { remedy });
}

function fixed(dim: number | string | undefined): number | undefined {
  return typeof dim === 'number' ? dim : undefined;
}

/**
 * The input that takes images.
 *
 * @param inputs The model's inputs.
 * @param label The model, for messages.
 * @throws TensorRTError `MODEL_UNSUPPORTED` unless there is one input, float32 or float16, of shape
 *   [batch, 3, height, width].
 */
export function imageInput(inputs: readonly ValueMetadata[], label: string): ImageInput {
  const [input] = inputs;
  const list = inputs.map((one) => `${one.name}: ${describeValue(one)}`).join('; ');
  if (input === undefined || inputs.length > 1) {
    throw unsupported(
      `${label} has ${inputs.length} inputs (${list}), and images can be fed to one only`,
      'Use a model with one image input, or run it through a session of the API.',
    );
  }
  const { name, type, shape } = input;
  const [batch, channels, height, width] = shape;
  if (shape.length !== 4 || (typeof channels === 'number' && channels !== 3)) {
    const last = shape.length === 4 && width === 3;
    throw unsupported(
      `The input of ${label} (${list}) is not [batch, 3, height, width]`,
      last
        ? 'Its channels come last; export it with channels first (NCHW).'
        : 'Use a model that takes RGB images, channels first (NCHW).',
    );
  }
  if (type !== 'float32' && type !== 'float16') {
    throw unsupported(
      `The input of ${label} (${list}) is ${type}, and images are fed as float32 or float16`,
      'Export the model with a float input.',
    );
  }
  return { name, type, batch: fixed(batch), height: fixed(height), width: fixed(width), label };
}

/** Height and width as messages show them: `288×any`. */
function size(height: number | undefined, width: number | undefined): string {
  return `${height ?? 'any'}×${width ?? 'any'}`;
}

/** The error for images of another size than a model takes; sizes are height × width. */
export function sizeMismatch(input: ImageInput, came: string): TensorRTError {
  const { height, width } = input;
  let hint = 'Give a recipe of that size.';
  if (height !== undefined && width !== undefined) {
    hint =
      height === width
        ? `Give the size that the model was trained with: --size ${height}, or a recipe that makes ${height}×${width} of every image.`
        : `Give a recipe that makes ${width} wide and ${height} high of every image.`;
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
 * @param tensor The batch, [n, 3, height, width].
 * @param source An image of the batch, for the message.
 * @throws TensorRTError `MODEL_UNSUPPORTED` that names both sizes.
 */
export function checkBatchSize(input: ImageInput, tensor: Tensor, source: string): void {
  const [, , height, width] = tensor.dims;
  if ((input.height ?? height) !== height || (input.width ?? width) !== width) {
    throw sizeMismatch(input, `the recipe makes ${size(height, width)} of ${source}`);
  }
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
  const first = inputs.find(({ batch }) => batch !== undefined);
  const size = asked ?? first?.batch ?? otherwise;
  for (const { batch, label } of inputs) {
    // A smaller batch is filled up with copies, whose results are dropped.
    if (batch !== undefined && size > batch) {
      throw unsupported(
        `${label} takes batches of ${batch}, not of ${size}`,
        `Give --batch ${batch}, or export the model with a dynamic batch.`,
      );
    }
  }
  return size;
}

/**
 * A batch as a model takes it: in its element type, and filled up with copies of the first image
 * when the model fixes a larger batch.
 *
 * @param input The model's input.
 * @param batch The images, float32 [n, 3, height, width].
 */
export function imageFeeds(input: ImageInput, batch: Tensor<'float32'>): NamedTensors {
  let { data, dims } = batch;
  const rows = dims[0]!;
  if (input.batch !== undefined && input.batch > rows) {
    const image = data.length / rows;
    const filled = new Float32Array(image * input.batch);
    filled.set(data);
    for (let row = rows; row < input.batch; row += 1) {
      filled.copyWithin(row * image, 0, image);
    }
    data = filled;
    dims = [input.batch, ...dims.slice(1)];
  }
  const tensor: Tensor =
    input.type === 'float32'
      ? new Tensor('float32', data, dims)
      : new Tensor('float16', Uint16Array.from(data, floatToHalf), dims);
  return { [input.name]: tensor };
}
