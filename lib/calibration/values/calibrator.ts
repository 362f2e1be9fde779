import { TensorRTError } from '../../errors.js';
import type { OnnxModel } from '../../onnx/index.js';
import type { NamedTensors } from '../../tensor.js';
import type { GraphProvider } from '../graph-runner.js';
import type { ValueBounds } from '../histogram/bounds.js';
import { emptyBounds, scanBounds } from '../histogram/bounds.js';
import { HistogramCalibration, type HistogramMethodOptions } from '../histogram/calibration.js';
import { type Batches, BatchWalk, type CollectOptions, inputsIn } from '../minmax/batches.js';
import { noInput, nothingToCalibrate } from '../minmax/calibrator.js';
import { BoundsMeasurer } from '../minmax/measurer.js';
import { type MinMaxPlan, planMinMax } from '../minmax/plan.js';
import { type Bounds, RangeState, unknownBounds } from '../minmax/range-state.js';
import type { TensorRange } from '../ranges.js';
import { type ValueGroup, valueGroups } from './pieces.js';
import { ValueReader } from './value-reader.js';

/** Batches that can be gone through twice: a function that gives them anew, or a list. */
export type RepeatableBatches = (() => Batches) | readonly NamedTensors[];

/**
 * Chooses ranges from histograms of all values, as ONNX Runtime's Entropy, Percentile and
 * Distribution calibrators do. Each `collect` goes through its batches twice, first for the bounds of
 * the histograms, then to count, so that memory does not grow with the number of inputs; upstream
 * holds every value.
 */
export class HistogramCalibrator {
  /** What is measured, and what follows. */
  readonly plan: MinMaxPlan;
  /** The histograms, under the first name of each group of tensors with the same values. */
  readonly #histograms: HistogramCalibration;
  readonly #groups: readonly ValueGroup[];
  readonly #measurer: BoundsMeasurer;
  readonly #reader: ValueReader;
  readonly #walk: BatchWalk;
  readonly #position: ReadonlyMap<string, number>;
  #nan = new Set<string>();
  #inputs = 0;

  private constructor(
    model: OnnxModel,
    provider: GraphProvider,
    plan: MinMaxPlan,
    histograms: HistogramCalibration,
  ) {
    this.plan = plan;
    this.#histograms = histograms;
    this.#groups = valueGroups(plan);
    this.#reader = new ValueReader(model, provider, plan);
    this.#walk = new BatchWalk(model);
    this.#position = new Map(plan.tensors.map(({ name }, position) => [name, position]));
    this.#measurer = new BoundsMeasurer(model, provider, plan, {
      magnitudes: ofMagnitudes(histograms),
      withNaN: (feeds) => this.#scan(feeds),
    });
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
    return this.#inputs;
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
  async collect(batches: RepeatableBatches, options: CollectOptions = {}): Promise<void> {
    const again = typeof batches === 'function' ? batches : () => batches;
    const state = new RangeState(this.plan.tensors.length);
    this.#nan = new Set();
    let measured = 0;
    await this.#walk.forEach(again(), options, 'measure', async (feeds) => {
      state.add(await this.#measurer.measure(feeds));
      measured += inputsIn(feeds);
    });
    if (measured === 0) return;
    for (const { names } of this.#groups) {
      this.#histograms.begin(names[0], this.#boundsOf(names[0], state.bounds));
    }
    // The weights need not be in memory twice.
    await this.#measurer.release();
    let counted = 0;
    await this.#walk.forEach(again(), options, 'count', async (feeds) => {
      const values = await this.#reader.read(feeds);
      for (const { names, pieces } of this.#groups) {
        for (const piece of pieces) {
          this.#histograms.update(names[0], this.#reader.valuesOf(piece, values));
        }
      }
      counted += inputsIn(feeds);
    });
    if (counted !== measured) {
      const message = `The first pass brought ${measured} inputs and the second ${counted}`;
      throw new TensorRTError('CALIBRATION_FAILED', message, {
        remedy: 'Give a function that returns the same batches each time.',
      });
    }
    this.#inputs += counted;
  }

  #boundsOf(name: string, bounds: Bounds): ValueBounds {
    const position = this.#position.get(name)!;
    const lowest = bounds.lowest[position]!;
    if (Number.isNaN(lowest)) return { ...emptyBounds(), nan: true };
    return {
      lowest,
      highest: bounds.highest[position]!,
      smallest: bounds.smallest[position]!,
      nan: this.#nan.has(name),
    };
  }

  /** The bounds of a batch in which there is NaN, value by value. */
  async #scan(feeds: NamedTensors): Promise<Bounds> {
    const bounds = unknownBounds(this.plan.tensors.length);
    const values = await this.#reader.read(feeds);
    for (const { names, pieces } of this.#groups) {
      const found = emptyBounds();
      for (const piece of pieces) scanBounds(this.#reader.valuesOf(piece, values), found);
      const known = found.lowest <= found.highest || !found.nan;
      for (const name of names) {
        const position = this.#position.get(name)!;
        if (found.nan) this.#nan.add(name);
        if (!known) continue;
        bounds.lowest[position] = found.lowest;
        bounds.highest[position] = found.highest;
        bounds.smallest[position] = found.smallest;
      }
    }
    return bounds;
  }

  /**
   * The ranges that the method chooses, in node order.
   *
   * @throws TensorRTError `CALIBRATION_FAILED` when there was no batch, or where upstream refuses a
   *   histogram; it names the tensor.
   */
  ranges(): [name: string, range: TensorRange][] {
    if (this.#inputs === 0) throw noInput();
    const ranges = new Map<string, TensorRange>();
    for (const { names } of this.#groups) {
      const range = this.#histograms.range(names[0]);
      for (const name of names) ranges.set(name, range);
    }
    return this.plan.tensors.map(({ name }) => [name, ranges.get(name)!]);
  }

  /** Frees the model; may be repeated. */
  async release(): Promise<void> {
    await this.#measurer.release();
    await this.#reader.release();
  }

  /** {@link HistogramCalibrator.release}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}

function ofMagnitudes({ options }: HistogramCalibration): boolean {
  return options.method === 'percentile' && options.symmetric;
}
