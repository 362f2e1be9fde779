import { expected } from '../../arguments.js';
import { TensorRTError } from '../../errors.js';
import { GraphIndex, graphOf, type OnnxModel } from '../../onnx/index.js';
import { type LongCallOptions, throttle } from '../../progress.js';
import type { NamedTensors } from '../../tensor.js';
import type { GraphProvider, GraphRunner } from '../graph-runner.js';
import { symmetricRange, type TensorRange } from '../ranges.js';
import { hasNaN } from './nan.js';
import { type MinMaxPlan, planMinMax } from './plan.js';
import { type Bounds, BoundsReader, RangeState, someNaN } from './range-state.js';
import { addReductions } from './reductions.js';

/** What {@link MinMaxCalibrator.collect} takes. */
export interface CollectOptions extends LongCallOptions {
  /** How many inputs there are, for progress. */
  total?: number;
}

/** A graph of reductions, ready to run. */
interface Measuring {
  runner: GraphRunner;
  reader: BoundsReader;
}

/** Number of inputs in a batch: the extent of the first dim of the first tensor. */
function inputsIn(feeds: NamedTensors): number {
  return Object.values(feeds)[0]?.dims[0] ?? 1;
}

/**
 * Finds the smallest and the largest value of every tensor of a model over any number of inputs, as
 * ONNX Runtime's `MinMaxCalibrater` does: the same tensors, the same ranges (within rounding of the
 * order of sums), NaN left out. Memory does not grow with the number of inputs.
 *
 * Only what must be measured is measured; the ranges of Relu, Clip, Concat, Reshape and their like
 * follow from others ({@link MinMaxCalibrator.plan} tells which). Where NaN is seen, that batch is
 * computed again just as ONNX Runtime's calibrator would, because what a reduction gives for NaN
 * depends on how it is computed.
 */
export class MinMaxCalibrator {
  /** What is measured, and what follows. */
  readonly plan: MinMaxPlan;
  readonly #model: OnnxModel;
  readonly #provider: GraphProvider;
  readonly #required: readonly string[];
  readonly #allowed: ReadonlySet<string>;
  readonly #state: RangeState;
  #measuring: Measuring | undefined;
  #exact: Measuring | undefined;
  #inputs = 0;
  #batches = 0;

  private constructor(model: OnnxModel, provider: GraphProvider, plan: MinMaxPlan) {
    this.#model = model;
    this.#provider = provider;
    this.plan = plan;
    this.#state = new RangeState(plan.tensors.length);
    const graph = graphOf(model);
    this.#required = new GraphIndex(graph).inputs.map(({ name }) => name);
    this.#allowed = new Set(graph.input.map(({ name }) => name));
  }

  /**
   * Prepares a model.
   *
   * @param model The model; it stays as it is.
   * @param provider What runs it.
   * @throws TensorRTError `MODEL_UNSUPPORTED` when the provider cannot run the model,
   *   `CALIBRATION_FAILED` when no tensor of it is a float.
   */
  static async create(model: OnnxModel, provider: GraphProvider): Promise<MinMaxCalibrator> {
    const plan = await planMinMax(model, provider);
    if (plan.tensors.length === 0) {
      throw new TensorRTError(
        'CALIBRATION_FAILED',
        `${model.path ?? 'The model'} has no float tensor whose range could be measured`,
        { remedy: 'Calibrate the float model, before it is quantized or converted.' },
      );
    }
    return new MinMaxCalibrator(model, provider, plan);
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
   * @param batches Tensors by input name; each batch is done with before the next is asked for, so
   *   its memory may be used again. Shapes may differ between batches.
   * @param options Abort signal, progress in `images`.
   * @throws TypeError when a batch lacks an input or has one that the model does not.
   * @throws TensorRTError `INFERENCE_FAILED` in ONNX Runtime's own words.
   */
  async collect(
    batches: AsyncIterable<NamedTensors> | Iterable<NamedTensors>,
    options: CollectOptions = {},
  ): Promise<void> {
    const { signal, total } = options;
    signal?.throwIfAborted();
    const report = throttle(options.onProgress, 'calibrate');
    this.#measuring ??= await this.#open(false);
    let done = 0;
    report(0, total, 'images');
    for await (const feeds of batches) {
      signal?.throwIfAborted();
      this.#checkNames(feeds);
      this.#state.add(await this.#bounds(this.#measuring, feeds));
      const count = inputsIn(feeds);
      done += count;
      this.#inputs += count;
      this.#batches += 1;
      report(done, total, 'images');
    }
    signal?.throwIfAborted();
  }

  async #open(exact: boolean): Promise<Measuring> {
    const { plan } = this;
    const { model, outputs } = addReductions(
      this.#model,
      exact ? plan.tensors : plan.reduced,
      !exact,
    );
    // Fusing half-precision operators leaves out roundings that the ranges would then lack.
    const half = plan.tensors.some(({ type }) => type === 'float16');
    const runner = await this.#provider.open(model, { exact: exact || half });
    const derived = exact ? new Map() : plan.derived;
    return { runner, reader: new BoundsReader(plan, outputs, derived) };
  }

  async #bounds(measuring: Measuring, feeds: NamedTensors): Promise<Bounds> {
    // Reductions mostly pass over NaN, so it is looked for where it usually comes from as well.
    if (!hasNaN(feeds)) {
      const bounds = measuring.reader.read(await measuring.runner.run(feeds));
      if (!someNaN(bounds)) return bounds;
    }
    this.#exact ??= await this.#open(true);
    return this.#exact.reader.read(await this.#exact.runner.run(feeds));
  }

  #checkNames(feeds: NamedTensors): void {
    if (typeof feeds !== 'object' || feeds === null) {
      throw expected('batches', 'objects with a tensor for each input', feeds);
    }
    const names = Object.keys(feeds);
    const fits =
      this.#required.every((name) => Object.hasOwn(feeds, name)) &&
      names.every((name) => this.#allowed.has(name));
    if (fits) return;
    const wanted = this.#required.map((name) => JSON.stringify(name)).join(', ');
    for (const name of this.#required) {
      if (!Object.hasOwn(feeds, name)) {
        throw new TypeError(
          `Expected batches with tensors for the inputs ${wanted} but one lacks ${JSON.stringify(name)}`,
        );
      }
    }
    for (const name of names) {
      if (!this.#allowed.has(name)) {
        throw new TypeError(
          `Expected batches with tensors for the inputs ${wanted} but one has ${JSON.stringify(name)}`,
        );
      }
    }
  }

  /**
   * The ranges of all tensors, in node order. A bound is NaN when nothing but NaN was seen.
   *
   * @param symmetric Whether ranges are made symmetric: (−amax, amax).
   * @throws TensorRTError `CALIBRATION_FAILED` when no batch was looked at.
   */
  ranges(symmetric = false): [name: string, range: TensorRange][] {
    if (this.#batches === 0) {
      throw new TensorRTError('CALIBRATION_FAILED', 'There was no input to calibrate with', {
        remedy: 'Give at least one batch; some hundred images are usual.',
      });
    }
    const { bounds } = this.#state;
    return this.plan.tensors.map(({ name, type }, position) => {
      const range: TensorRange = {
        lowest: bounds.lowest[position]!,
        highest: bounds.highest[position]!,
        ...(type === 'float16' ? { dtype: type } : {}),
      };
      return [name, symmetric ? symmetricRange(range) : range];
    });
  }

  /** Frees the model; may be repeated. */
  async release(): Promise<void> {
    await this.#measuring?.runner.release();
    await this.#exact?.runner.release();
    this.#measuring = undefined;
    this.#exact = undefined;
  }

  /** {@link MinMaxCalibrator.release}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}
