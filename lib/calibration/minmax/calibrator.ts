import { TensorRTError } from '../../errors.js';
import type { OnnxModel } from '../../onnx/index.js';
import type { NamedTensors } from '../../tensor.js';
import type { GraphProvider } from '../graph-runner.js';
import { checkMovingAverage } from '../method-options.js';
import { symmetricRange, type TensorRange } from '../ranges.js';
import { AverageState } from './average-state.js';
import { type Batches, BatchWalk, type CollectOptions, inputsIn } from './batches.js';
import { BoundsMeasurer } from './measurer.js';
import { type MinMaxPlan, planMinMax } from './plan.js';
import { type Bounds, RangeState } from './range-state.js';

/** Options of {@link MinMaxCalibrator}. */
export interface MinMaxOptions {
  /**
   * Average bounds over batches, with this averaging constant (0 to 1) between calls of `collect`,
   * as ONNX Runtime's `moving_average`; by default bounds join.
   */
  movingAverage?: number;
}

/** The error for a model of which nothing can be calibrated. */
export function nothingToCalibrate(model: OnnxModel): TensorRTError {
  return new TensorRTError(
    'CALIBRATION_FAILED',
    `${model.path ?? 'The model'} has no float tensor whose range could be measured`,
    { remedy: 'Calibrate the float model, before it is quantized or converted.' },
  );
}

/** The error for a calibration without a batch. */
export function noInput(): TensorRTError {
  return new TensorRTError('CALIBRATION_FAILED', 'There was no input to calibrate with', {
    remedy: 'Give at least one batch; some hundred images are usual.',
  });
}

/**
 * Finds the smallest and the largest value of every tensor of a model over any number of inputs, as
 * ONNX Runtime's `MinMaxCalibrater` does: the same tensors, the same ranges (within rounding of the
 * order of sums), NaN left out. Memory does not grow with the number of inputs.
 *
 * Only what must be measured is measured; the ranges of Relu, Clip, Concat, Reshape and their like
 * follow from others ({@link MinMaxCalibrator.plan} tells which).
 */
export class MinMaxCalibrator {
  /** What is measured, and what follows. */
  readonly plan: MinMaxPlan;
  readonly #measurer: BoundsMeasurer;
  readonly #walk: BatchWalk;
  readonly #state: RangeState | AverageState;
  #inputs = 0;
  #batches = 0;

  private constructor(
    model: OnnxModel,
    provider: GraphProvider,
    plan: MinMaxPlan,
    { movingAverage }: MinMaxOptions,
  ) {
    this.plan = plan;
    this.#measurer = new BoundsMeasurer(model, provider, plan);
    this.#walk = new BatchWalk(model);
    const count = plan.tensors.length;
    this.#state =
      movingAverage === undefined ? new RangeState(count) : new AverageState(count, movingAverage);
  }

  /**
   * Prepares a model.
   *
   * @param model The model; it stays as it is.
   * @param provider What runs it.
   * @param options Moving average.
   * @throws TypeError or RangeError for a wrong option.
   * @throws TensorRTError `MODEL_UNSUPPORTED` when the provider cannot run the model,
   *   `CALIBRATION_FAILED` when no tensor of it is a float.
   */
  static async create(
    model: OnnxModel,
    provider: GraphProvider,
    options: MinMaxOptions = {},
  ): Promise<MinMaxCalibrator> {
    if (options.movingAverage !== undefined) checkMovingAverage(options.movingAverage);
    const plan = await planMinMax(model, provider);
    if (plan.tensors.length === 0) throw nothingToCalibrate(model);
    return new MinMaxCalibrator(model, provider, plan, options);
  }

  /** Number of inputs that were looked at. */
  get inputs(): number {
    return this.#inputs;
  }

  /** Number of batches that were looked at. */
  get batches(): number {
    return this.#batches;
  }

  /**
   * Runs the model over batches. May be called again: ranges join.
   *
   * @param batches Tensors by input name; the memory of a batch may be used again for the next one.
   *   Shapes may differ between batches.
   * @param options Abort signal, progress in `images`.
   * @throws TypeError when a batch lacks an input or has one that the model does not.
   * @throws TensorRTError `INFERENCE_FAILED` in ONNX Runtime's own words.
   */
  async collect(batches: Batches, options: CollectOptions = {}): Promise<void> {
    options.signal?.throwIfAborted();
    await this.#measurer.open();
    const add = async (feeds: NamedTensors, bounds: Promise<Bounds>) => {
      this.#state.add(await bounds);
      this.#inputs += inputsIn(feeds);
      this.#batches += 1;
    };
    const measurer = this.#measurer;
    if ((options.inFlight ?? 1) > 1) {
      await this.#walk.overlap(
        batches,
        options,
        'calibrate',
        (feeds) => measurer.results(feeds),
        (feeds, results) => add(feeds, measurer.bounds(feeds, results)),
      );
    } else {
      await this.#walk.forEach(batches, options, 'calibrate', (feeds) =>
        add(feeds, measurer.measure(feeds)),
      );
    }
    this.#state.endCall();
  }

  /**
   * The ranges of all tensors, in node order. A bound is NaN when nothing but NaN was seen.
   *
   * @param symmetric Whether ranges are made symmetric: (−amax, amax).
   * @throws TensorRTError `CALIBRATION_FAILED` when no batch was looked at.
   */
  ranges(symmetric = false): [name: string, range: TensorRange][] {
    if (this.#batches === 0) throw noInput();
    const { bounds } = this.#state;
    return this.plan.tensors.map(({ name, type }, position) => {
      // 0 + -0 is 0: which of the two a reduction meets first must not show, or the parts of a
      // calibration could give other files than the whole.
      const range: TensorRange = {
        lowest: 0 + bounds.lowest[position]!,
        highest: 0 + bounds.highest[position]!,
        ...(type === 'float16' ? { dtype: type } : {}),
      };
      return [name, symmetric ? symmetricRange(range) : range];
    });
  }

  /** Frees the model; may be repeated. */
  release(): Promise<void> {
    return this.#measurer.release();
  }

  /** {@link MinMaxCalibrator.release}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}
