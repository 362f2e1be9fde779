import { movingAverage, nanMean32 } from '../histogram/average.js';
import { type Bounds, unknownBounds } from './range-state.js';

/**
 * ONNX Runtime's moving average: a call's bounds are the means of its batches' bounds, and between
 * calls the average moves towards the new ones. The bounds of each batch are kept until the call ends
 * (some 500 bytes for a model of 60 tensors), because the order of the sum is part of the result.
 */
export class AverageState {
  /** The averages so far. */
  readonly bounds: Bounds;
  readonly #constant: number;
  #batches: { lowest: Float32Array; highest: Float32Array }[] = [];
  #calls = 0;

  /**
   * @param count Number of tensors.
   * @param constant The averaging constant, 0 to 1; 0.01 upstream.
   */
  constructor(count: number, constant: number) {
    this.bounds = unknownBounds(count);
    this.#constant = constant;
  }

  /** Adds what one run found. */
  add({ lowest, highest }: Bounds): void {
    this.#batches.push({
      lowest: Float32Array.from(lowest),
      highest: Float32Array.from(highest),
    });
  }

  /** Ends a `collect_data` call. */
  endCall(): void {
    if (this.#batches.length === 0) return;
    for (const bound of ['lowest', 'highest'] as const) {
      const average = this.bounds[bound];
      for (let i = 0; i < average.length; i++) {
        const mean = nanMean32(Float32Array.from(this.#batches, (batch) => batch[bound][i]!));
        average[i] = this.#calls === 0 ? mean : movingAverage(average[i]!, mean, this.#constant);
      }
    }
    this.#calls += 1;
    this.#batches = [];
  }
}
