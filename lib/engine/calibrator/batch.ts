import { expected } from '../../arguments.js';
import { TensorRTError } from '../../errors.js';
import type { TensorDescription } from '../../runtime/index.js';
import { TENSOR_ARRAYS, type Tensor, type TensorData, type TensorType } from '../../tensor.js';

/** A batch the way the native module takes it: by input, in the network's order. */
export interface CheckedBatch {
  data: TensorData[];
  shapes: (readonly number[])[];
  /** Rows of the batch that are the caller's. */
  rows: number;
}

const OTHER_WAY =
  'Calibrators take batches of one shape. `tensorrt-node calibrate --provider tensorrt` measures ' +
  'ranges over any mix of shapes.';

const text = (shape: readonly number[]) => `[${shape.join(', ')}]`;
const list = (names: Iterable<string>) => [...names].map((name) => JSON.stringify(name)).join(', ');

/** Looks at each batch before it is handed on: the names, types and shapes of its tensors. */
export class BatchChecker {
  readonly #inputs: readonly TensorDescription[];
  readonly #lastBatch: 'pad' | 'drop';
  #shapes: (readonly number[])[] | undefined;
  #short: { batch: number; rows: number } | undefined;
  #batch = 0;
  paddedRows = 0;
  droppedRows = 0;

  /**
   * @param inputs Inputs of the network; -1 where an extent is dynamic.
   * @param lastBatch What is done with a last batch that is shorter.
   */
  constructor(inputs: readonly TensorDescription[], lastBatch: 'pad' | 'drop') {
    this.#inputs = inputs;
    this.#lastBatch = lastBatch;
  }

  /** The shapes of every batch by input; empty before the first. */
  get shapes(): Record<string, readonly number[]> {
    return Object.fromEntries(
      (this.#shapes ?? []).map((shape, index) => [this.#inputs[index]!.name, shape]),
    );
  }

  /**
   * The batch as the native module takes it; undefined when it is left out.
   *
   * @param feeds What the source gave.
   * @throws TypeError for a missing or unknown input, or a wrong type; RangeError for a shape that the
   *   model does not take; TensorRTError `CALIBRATION_FAILED` for a shape that differs from the first.
   */
  check(feeds: unknown): CheckedBatch | undefined {
    this.#batch += 1;
    if (typeof feeds !== 'object' || feeds === null) {
      throw expected(`batch ${this.#batch}`, 'an object with a tensor for each input', feeds);
    }
    const unknown = Object.keys(feeds).find(
      (name) => !this.#inputs.some((input) => input.name === name),
    );
    if (unknown !== undefined) {
      throw new TypeError(
        `Expected tensors for the inputs ${list(this.#inputs.map(({ name }) => name))} in batch ` +
          `${this.#batch} but it has ${JSON.stringify(unknown)}`,
      );
    }
    const tensors = this.#inputs.map((input) =>
      this.#tensor(input, (feeds as Record<string, unknown>)[input.name]),
    );
    if (this.#short !== undefined) {
      throw this.#refuse(
        `Batch ${this.#short.batch} has ${this.#short.rows} rows and is not the last`,
      );
    }
    const given = tensors.map(({ dims }) => dims);
    this.#shapes ??= this.#full(given);
    return this.#fit(tensors, given, this.#shapes);
  }

  #tensor({ name, type, shape }: TensorDescription, value: unknown): Tensor {
    const where = `input ${JSON.stringify(name)} of batch ${this.#batch}`;
    if (value === undefined) {
      throw new TypeError(
        `Expected tensors for the inputs ${list(this.#inputs.map((input) => input.name))} in batch ` +
          `${this.#batch} but it lacks ${JSON.stringify(name)}`,
      );
    }
    const tensor = value as Tensor;
    const array = TENSOR_ARRAYS[tensor?.type as TensorType];
    if (array === undefined || !Array.isArray(tensor.dims))
      throw expected(where, 'a Tensor', value);
    if (tensor.type !== type || !(tensor.data instanceof array)) {
      throw expected(where, `a tensor of type ${type}`, tensor.type);
    }
    const elements = tensor.dims.reduce((product, extent) => product * extent, 1);
    const fits =
      tensor.dims.length === shape.length &&
      tensor.dims.every(
        // A last batch may be shorter.
        (extent, axis) =>
          extent > 0 &&
          (shape[axis]! < 0 || (axis === 0 ? extent <= shape[0]! : extent === shape[axis])),
      );
    if (!fits) {
      throw new RangeError(
        `Expected the shape ${text(shape)} for ${where} but received ${text(tensor.dims)}`,
      );
    }
    if (elements !== tensor.data.length) {
      throw new RangeError(
        `Expected ${elements} elements for ${where} but received ${tensor.data.length}`,
      );
    }
    return tensor;
  }

  /** The shapes of a full batch: the model's own number of rows where it fixes it. */
  #full(given: readonly (readonly number[])[]): (readonly number[])[] {
    return given.map((dims, index) => {
      const fixed = this.#inputs[index]!.shape[0];
      return fixed === undefined || fixed < 0 ? [...dims] : [fixed, ...dims.slice(1)];
    });
  }

  #fit(
    tensors: readonly Tensor[],
    given: readonly (readonly number[])[],
    full: (readonly number[])[],
  ): CheckedBatch | undefined {
    const rows = given[0]?.[0] ?? 1;
    const fullRows = full[0]?.[0] ?? 1;
    given.forEach((dims, index) => {
      const wanted = full[index]!;
      // Inputs that have the batch's extent first may be shorter by the same number of rows.
      const shorter = index === 0 || wanted[0] === fullRows;
      const fits = (extent: number, axis: number) =>
        extent === wanted[axis] || (axis === 0 && shorter && extent === rows);
      if (rows <= fullRows && dims.every(fits)) return;
      throw this.#refuse(
        `Batch ${this.#batch} has the shape ${text(dims)} for input ` +
          `${JSON.stringify(this.#inputs[index]!.name)}, not ${text(wanted)}`,
      );
    });
    if (rows === fullRows) return { data: tensors.map(({ data }) => data), shapes: full, rows };
    this.#short = { batch: this.#batch, rows };
    if (this.#lastBatch === 'drop') {
      this.droppedRows = rows;
      return undefined;
    }
    this.paddedRows = fullRows - rows;
    const data = tensors.map((tensor, index) => repeatRows(tensor, full[index]!));
    return { data, shapes: full, rows };
  }

  #refuse(message: string): TensorRTError {
    return new TensorRTError('CALIBRATION_FAILED', message, { remedy: OTHER_WAY });
  }
}

/** The rows of a tensor again and again until there are as many as `shape` has. */
function repeatRows({ data, dims }: Tensor, shape: readonly number[]): TensorData {
  if (dims[0] === shape[0]) return data;
  const length = shape.reduce((product, extent) => product * extent, 1);
  const full = new (data.constructor as new (length: number) => TensorData)(length);
  for (let at = 0; at < length; at += data.length) {
    const part = data.subarray(0, Math.min(data.length, length - at));
    full.set(part as Float32Array & BigInt64Array, at);
  }
  return full;
}
