import type { OnnxModel } from '../../onnx/index.js';
import type { NamedTensors } from '../../tensor.js';
import type { GraphProvider, GraphRunner } from '../graph-runner.js';
import { hasNaN } from './nan.js';
import type { MinMaxPlan } from './plan.js';
import { type Bounds, BoundsReader, someNaN } from './range-state.js';
import { addReductions } from './reductions.js';

/** A graph of reductions, ready to run. */
interface Measuring {
  runner: GraphRunner;
  reader: BoundsReader;
}

/** What {@link BoundsMeasurer} takes besides the plan. */
export interface MeasurerOptions {
  /** Whether smallest magnitudes are measured too. */
  magnitudes?: boolean;
  /**
   * The bounds of a batch in which there is NaN; by default it is computed again just as ONNX
   * Runtime's MinMax calibrator would, because what a reduction gives for NaN depends on how it is
   * computed.
   */
  withNaN?: (feeds: NamedTensors) => Promise<Bounds>;
}

/** Whether fusing operators would leave out roundings that ranges are meant to have. */
export function needsExact({ tensors }: MinMaxPlan): boolean {
  return tensors.some(({ type }) => type === 'float16');
}

/** Finds the bounds of all tensors of a plan, batch by batch. */
export class BoundsMeasurer {
  readonly #model: OnnxModel;
  readonly #provider: GraphProvider;
  readonly #plan: MinMaxPlan;
  readonly #magnitudes: boolean;
  readonly #withNaN: (feeds: NamedTensors) => Promise<Bounds>;
  #measuring: Measuring | undefined;
  #exact: Measuring | undefined;

  constructor(
    model: OnnxModel,
    provider: GraphProvider,
    plan: MinMaxPlan,
    options: MeasurerOptions = {},
  ) {
    this.#model = model;
    this.#provider = provider;
    this.#plan = plan;
    this.#magnitudes = options.magnitudes ?? false;
    this.#withNaN = options.withNaN ?? ((feeds) => this.#measureExactly(feeds));
  }

  /** Makes the graph ready; {@link BoundsMeasurer.measure} does it otherwise. */
  async open(): Promise<void> {
    this.#measuring ??= await this.#open(false);
  }

  /** The bounds of one batch; valid until the next call. */
  async measure(feeds: NamedTensors): Promise<Bounds> {
    return this.bounds(feeds, await this.results(feeds));
  }

  /** What the graph gives for a batch, for {@link BoundsMeasurer.bounds}; undefined for NaN. */
  async results(feeds: NamedTensors): Promise<NamedTensors | undefined> {
    this.#measuring ??= await this.#open(false);
    // Reductions mostly pass over NaN, so it is looked for where it usually comes from as well.
    return hasNaN(feeds) ? undefined : this.#measuring.runner.run(feeds);
  }

  /** The bounds of one batch from its results; valid until the next call. */
  async bounds(feeds: NamedTensors, results: NamedTensors | undefined): Promise<Bounds> {
    if (results !== undefined) {
      const bounds = this.#measuring!.reader.read(results);
      if (!someNaN(bounds)) return bounds;
    }
    return this.#withNaN(feeds);
  }

  async #measureExactly(feeds: NamedTensors): Promise<Bounds> {
    this.#exact ??= await this.#open(true);
    return this.#exact.reader.read(await this.#exact.runner.run(feeds));
  }

  async #open(exact: boolean): Promise<Measuring> {
    const magnitudes = this.#magnitudes;
    const measured = exact ? this.#plan.tensors : this.#plan.reduced;
    const { model, outputs } = addReductions(this.#model, measured, { rows: !exact, magnitudes });
    const runner = await this.#provider.open(model, {
      exact: exact || needsExact(this.#plan),
    });
    const derived = exact ? new Map() : this.#plan.derived;
    return { runner, reader: new BoundsReader(this.#plan, outputs, derived) };
  }

  /** Frees the graphs; may be repeated. */
  async release(): Promise<void> {
    await this.#measuring?.runner.release();
    await this.#exact?.runner.release();
    this.#measuring = undefined;
    this.#exact = undefined;
  }
}
