import type { OnnxModel } from '../../onnx/index.js';
import type { GraphProvider } from '../graph-runner.js';
import { HistogramCalibration, type HistogramMethodOptions } from '../histogram/calibration.js';
import type { CollectOptions } from '../minmax/batches.js';
import { noInput, nothingToCalibrate } from '../minmax/calibrator.js';
import { type MinMaxPlan, planMinMax } from '../minmax/plan.js';
import type { TensorRange } from '../ranges.js';
import { ofMagnitudes, type RepeatableBatches, ValuePasses } from './passes.js';

/**
 * Chooses ranges from histograms of all values, as ONNX Runtime's Entropy, Percentile and
 * Distribution calibrators do. Each `collect` goes through its batches twice, first for the bounds of
 * the histograms, then to count, so that memory does not grow with the number of inputs; upstream
 * holds every value.
 */
export class HistogramCalibrator {
  /** What is measured, and what follows. */
  readonly plan: MinMaxPlan;
  readonly #histograms: HistogramCalibration;
  readonly #passes: ValuePasses;

  private constructor(
    model: OnnxModel,
    provider: GraphProvider,
    plan: MinMaxPlan,
    histograms: HistogramCalibration,
  ) {
    this.plan = plan;
    this.#histograms = histograms;
    this.#passes = new ValuePasses(model, provider, plan, [{ histograms }]);
  }

  /**
   * Prepares a model.
   *
   * @param model The model; it stays as it is.
   * @param provider What runs it.
   * @param options The method, and what differs from ONNX Runtime's defaults.
   * @throws TypeError or RangeError for a wrong option.
   * @throws TensorRTError `MODEL_UNSUPPORTED` when the provider cannot run the model,
   *   `CALIBRATION_FAILED` when no tensor of it is a float.
   */
  static async create(
    model: OnnxModel,
    provider: GraphProvider,
    options: HistogramMethodOptions,
  ): Promise<HistogramCalibrator> {
    const histograms = new HistogramCalibration(options);
    const plan = await planMinMax(model, provider, ofMagnitudes(histograms));
    if (plan.tensors.length === 0) throw nothingToCalibrate(model);
    return new HistogramCalibrator(model, provider, plan, histograms);
  }

  /** The method and its options, defaults filled in. */
  get options(): HistogramCalibration['options'] {
    return this.#histograms.options;
  }

  /** Number of inputs that were looked at. */
  get inputs(): number {
    return this.#passes.inputs;
  }

  /**
   * Adds the values of all tensors over batches to the histograms; a further call makes them grow as
   * another `collect_data` does upstream.
   *
   * @param batches The batches, which are gone through twice and must be the same both times.
   * @param options Abort signal, progress in `images`: phase `measure`, then `count`.
   * @throws TypeError when a batch lacks an input or has one that the model does not.
   * @throws TensorRTError `INFERENCE_FAILED`; `CALIBRATION_FAILED` that names the tensor where
   *   upstream refuses its values, and when the second pass brings another number of inputs.
   */
  collect(batches: RepeatableBatches, options: CollectOptions = {}): Promise<void> {
    return this.#passes.collect(batches, options);
  }

  /**
   * The ranges that the method chooses, in node order.
   *
   * @throws TensorRTError `CALIBRATION_FAILED` when there was no batch, or where upstream refuses a
   *   histogram; it names the tensor.
   */
  ranges(): [name: string, range: TensorRange][] {
    if (this.inputs === 0) throw noInput();
    const ranges = new Map<string, TensorRange>();
    for (const { names } of this.#passes.groups) {
      const range = this.#histograms.range(names[0]);
      for (const name of names) ranges.set(name, range);
    }
    return this.plan.tensors.map(({ name }) => [name, ranges.get(name)!]);
  }

  /** Frees the model; may be repeated. */
  release(): Promise<void> {
    return this.#passes.release();
  }

  /** {@link HistogramCalibrator.release}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}
