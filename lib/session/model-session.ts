import type { NamedTensors, TensorType } from '../tensor.js';

/** What is known of an input or output before a run. */
export interface ValueMetadata {
  /** Name of the tensor in the model. */
  readonly name: string;
  /** Element type. */
  readonly type: TensorType;
  /** Extent of each dimension; a string is the name of one that is known only at run time. */
  readonly shape: readonly (number | string)[];
}

/** Options of one run. */
export interface RunOptions {
  /** Stops the run, or the wait for it; it then rejects with `signal.reason`. */
  signal?: AbortSignal;
}

/** A model that is ready to run, whatever runs it. */
export interface ModelSession {
  /** Inputs that a run must be fed, in the model's order. */
  readonly inputs: readonly ValueMetadata[];
  /** Outputs, in the model's order. */
  readonly outputs: readonly ValueMetadata[];
  /** What runs it, for reports: `onnxruntime-cpu`, `tensorrt`. */
  readonly provider: string;
  /**
   * Runs to keep in flight, so that the next one's upload overlaps this one's computation. Absent where
   * there is nothing to gain: ONNX Runtime's CPU provider computes on the calling thread.
   */
  readonly concurrency?: number;
  /**
   * Runs the model once.
   *
   * @param feeds A tensor for every input.
   * @param fetches Names of the outputs that are wanted; all by default.
   * @param options Abort signal.
   * @returns The outputs by name.
   * @throws TypeError for a missing or unknown name, or another element type.
   * @throws RangeError for a shape that the input does not take.
   * @throws TensorRTError `INFERENCE_FAILED`, `SESSION_RELEASED`.
   */
  run(
    feeds: NamedTensors,
    fetches?: readonly string[],
    options?: RunOptions,
  ): Promise<NamedTensors>;
  /** Waits for runs in flight, then frees the model. Any later run is refused; may be repeated. */
  release(): Promise<void>;
  /** {@link release}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}
