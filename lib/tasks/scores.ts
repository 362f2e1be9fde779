import { TensorRTError } from '../errors.js';
import { halfToFloat } from '../onnx/index.js';
import type { ValueMetadata } from '../session/index.js';
import { describeValue } from '../session/index.js';
import type { Tensor } from '../tensor.js';

/** A classifier's answer for a batch: one row an image, one number a class. */
export interface Scores {
  /** `rows` × `classes` values, row by row. */
  values: Float32Array | Float64Array;
  /** Images in the batch. */
  rows: number;
  /** Numbers a row. */
  classes: number;
}

const FLOAT_TYPES: readonly string[] = ['float32', 'float64', 'float16'];

/**
 * The output that holds the scores: the one that is named, else the first of a floating-point type.
 *
 * @param outputs The model's outputs.
 * @param name Name of the wanted output.
 * @param label The model, for messages.
 * @throws TypeError for a name that is no output; TensorRTError `MODEL_UNSUPPORTED` when none fits.
 */
export function scoresOutput(
  outputs: readonly ValueMetadata[],
  name: string | undefined,
  label: string,
): ValueMetadata {
  const list = outputs.map((output) => `${output.name}: ${describeValue(output)}`).join('; ');
  if (name !== undefined) {
    const named = outputs.find((output) => output.name === name);
    if (named !== undefined) return named;
    throw new TypeError(
      `Expected one of the outputs of ${label} (${list}) for output but received ${JSON.stringify(name)}`,
    );
  }
  const found = outputs.find(({ type }) => FLOAT_TYPES.includes(type));
  if (found !== undefined) return found;
  throw new TensorRTError(
    'MODEL_UNSUPPORTED',
    `${label} has no output with a number for each class (${list})`,
    { remedy: 'Use a classifier whose output is float32, [batch, classes].' },
  );
}

/** Number of classes by an output's shape; `undefined` when it is known only at run time. */
export function staticClasses(output: ValueMetadata): number | undefined {
  const { shape } = output;
  const classes = shape.length === 1 ? shape[0] : shape[1];
  return typeof classes === 'number' ? classes : undefined;
}

/**
 * Reads a classifier's output: [batch, classes], with dimensions of 1 behind it or, for one image,
 * [classes] alone.
 *
 * @param tensor The output.
 * @param rows Images in the batch.
 * @param label The model, for messages.
 * @throws TensorRTError `MODEL_UNSUPPORTED` when it is not one number a class.
 */
export function readScores(tensor: Tensor, rows: number, label: string): Scores {
  const { dims, type } = tensor;
  const classes = dims.length === 1 ? dims[0]! : (dims[1] ?? 0);
  if (classes < 1 || rows * classes !== tensor.size || !FLOAT_TYPES.includes(type)) {
    throw new TensorRTError(
      'MODEL_UNSUPPORTED',
      `The output of ${label} for ${rows} image(s) is ${describeValue({ type, shape: dims })}, not one number a class`,
      { remedy: 'Use a classifier whose output is [batch, classes], or name that output.' },
    );
  }
  if (type === 'float16') {
    const values = Float32Array.from(tensor.data as Uint16Array, halfToFloat);
    return { values, rows, classes };
  }
  return { values: tensor.data as Float32Array | Float64Array, rows, classes };
}

/** Largest difference from 1 of the sum of a row of probabilities; half precision needs this much. */
const SUM_TOLERANCE = 5e-3;

/**
 * Whether a batch holds probabilities already: every number of every row lies in [0, 1], and each
 * row adds up to 1 (within 0.005). Logits of a whole batch do not do so by accident.
 */
export function areProbabilities({ values, rows, classes }: Scores): boolean {
  for (let row = 0; row < rows; row += 1) {
    let sum = 0;
    for (let index = row * classes; index < (row + 1) * classes; index += 1) {
      const value = values[index]!;
      if (!(value >= 0 && value <= 1 + 1e-3)) return false;
      sum += value;
    }
    if (!(Math.abs(sum - 1) <= SUM_TOLERANCE)) return false;
  }
  return true;
}

/** exp(x − max) / Σ exp(x − max) of one row, in float64. */
export function softmax(row: ArrayLike<number>): Float64Array {
  let max = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < row.length; index += 1) max = Math.max(max, row[index]!);
  const result = new Float64Array(row.length);
  let sum = 0;
  for (let index = 0; index < row.length; index += 1) {
    // An infinite maximum would give ∞ − ∞; it takes all of the probability.
    const value = row[index] === max ? 1 : Math.exp(row[index]! - max);
    result[index] = value;
    sum += value;
  }
  for (let index = 0; index < row.length; index += 1) result[index]! /= sum;
  return result;
}

/** One row of scores as probabilities. */
export function confidences(scores: Scores, row: number, applySoftmax: boolean): Float64Array {
  const values = scores.values.subarray(row * scores.classes, (row + 1) * scores.classes);
  return applySoftmax ? softmax(values) : Float64Array.from(values);
}

/**
 * Indices of the `k` largest numbers, largest first; of equal ones the first, and NaN last.
 *
 * @param row The numbers.
 * @param k How many; all when there are fewer.
 */
export function topK(row: ArrayLike<number>, k: number): number[] {
  const key = (index: number) => {
    const value = row[index]!;
    return Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value;
  };
  const best: number[] = [];
  for (let index = 0; index < row.length; index += 1) {
    if (best.length === k && !(key(index) > key(best[k - 1]!))) continue;
    let at = best.length;
    while (at > 0 && key(index) > key(best[at - 1]!)) at -= 1;
    best.splice(at, 0, index);
    if (best.length > k) best.pop();
  }
  return best;
}
