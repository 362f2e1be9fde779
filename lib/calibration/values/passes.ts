import { TensorRTError } from '../../errors.js';
import type { OnnxModel } from '../../onnx/index.js';
import type { NamedTensors } from '../../tensor.js';
import type { GraphProvider } from '../graph-runner.js';
import {
  boundsOfAll,
  clampBounds,
  emptyBounds,
  mergeValueBounds,
  type ValueBounds,
} from '../histogram/bounds.js';
import type { HistogramCalibration } from '../histogram/calibration.js';
import { DeferredCounts } from '../histogram/deferred-counts.js';
import { type Batches, BatchWalk, type CollectOptions, inputsIn } from '../minmax/batches.js';
import { BoundsMeasurer } from '../minmax/measurer.js';
import type { MinMaxPlan } from '../minmax/plan.js';
import { type Bounds, RangeState, unknownBounds } from '../minmax/range-state.js';
import { type ValueGroup, valueGroups } from './pieces.js';
import { ValueReader } from './value-reader.js';

/** Batches that can be gone through twice: a function that gives them anew, or a list. */
export type RepeatableBatches = (() => Batches) | readonly NamedTensors[];

const NO_VALUES = new Float32Array(0);

/** Histograms that are filled together, and why one could not be. */
export interface FilledHistograms {
  /** The histograms, under the first name of each group of tensors with the same values. */
  readonly histograms: HistogramCalibration;
  /** Set when its method refuses the values; nothing is counted from then on. */
  failure?: TensorRTError;
}

/** Whether a method counts magnitudes. */
export function ofMagnitudes({ options }: HistogramCalibration): boolean {
  return options.method === 'percentile' && options.symmetric;
}

/**
 * Goes through batches twice, first for the bounds of the histograms, then to count: memory does not
 * grow with the number of inputs. Any number of histograms are filled by the same two passes.
 */
export class ValuePasses {
  /** Tensors that have the same values. */
  readonly groups: readonly ValueGroup[];
  /** Number of inputs that were looked at. */
  inputs = 0;
  /** Bounds of every tensor of the plan in the last call, by position. */
  bounds: Bounds;
  readonly #filled: readonly FilledHistograms[];
  readonly #tolerant: boolean;
  readonly #measurer: BoundsMeasurer;
  readonly #reader: ValueReader;
  readonly #walk: BatchWalk;
  readonly #position: ReadonlyMap<string, number>;
  #nan = new Set<string>();

  /**
   * @param model The model; it stays as it is.
   * @param provider What runs it.
   * @param plan What is measured.
   * @param filled What is filled.
   * @param tolerant Whether a method that refuses the values is left out, and the others go on.
   */
  constructor(
    model: OnnxModel,
    provider: GraphProvider,
    plan: MinMaxPlan,
    filled: readonly FilledHistograms[],
    tolerant = false,
  ) {
    this.#filled = filled;
    this.#tolerant = tolerant;
    this.groups = valueGroups(plan);
    this.bounds = unknownBounds(plan.tensors.length);
    this.#reader = new ValueReader(model, provider, plan);
    this.#walk = new BatchWalk(model);
    this.#position = new Map(plan.tensors.map(({ name }, position) => [name, position]));
    this.#measurer = new BoundsMeasurer(model, provider, plan, {
      magnitudes: filled.some(({ histograms }) => ofMagnitudes(histograms)),
      withNaN: (feeds) => this.#scan(feeds),
    });
  }

  /** The two passes; see {@link HistogramCalibrator.collect}. */
  async collect(batches: RepeatableBatches, options: CollectOptions = {}): Promise<void> {
    const again = typeof batches === 'function' ? batches : () => batches;
    const state = new RangeState(this.#position.size);
    this.#nan = new Set();
    let measured = 0;
    await this.#walk.forEach(again(), options, 'measure', async (feeds) => {
      state.add(await (this.#reader.few ? this.#scan(feeds) : this.#measurer.measure(feeds)));
      measured += inputsIn(feeds);
    });
    if (measured === 0) return;
    this.bounds = state.bounds;
    for (const one of this.#filled) this.#begin(one);
    // The weights need not be in memory twice.
    await this.#measurer.release();
    let counted = 0;
    // The values of a batch are counted while the model computes those of the next.
    const later = new DeferredCounts();
    try {
      await this.#walk.forEach(again(), options, 'count', async (feeds) => {
        this.#count(await this.#reader.read(feeds), feeds, later);
        await later.begin();
        counted += inputsIn(feeds);
      });
    } finally {
      await later.end();
    }
    if (counted !== measured) {
      const message = `The first pass brought ${measured} inputs and the second ${counted}`;
      throw new TensorRTError('CALIBRATION_FAILED', message, {
        remedy: 'Give a function that returns the same batches each time.',
      });
    }
    this.inputs += counted;
  }

  #begin(one: FilledHistograms): void {
    try {
      for (const { names } of this.groups) {
        one.histograms.begin(names[0], this.#boundsOf(names[0], this.bounds));
      }
    } catch (error) {
      if (!this.#tolerant || !(error instanceof TensorRTError)) throw error;
      one.failure = error;
    }
  }

  #count(
    values: ReadonlyMap<string, Float32Array>,
    feeds: NamedTensors,
    later: DeferredCounts,
  ): void {
    for (const { names, pieces } of this.groups) {
      for (const piece of pieces) {
        const found = values.get(piece.source) ?? NO_VALUES;
        // The memory of inputs is used again for the next batch.
        const kept = Object.hasOwn(feeds, piece.source) ? found.slice() : found;
        for (const { histograms, failure } of this.#filled) {
          if (failure === undefined) histograms.updateLater(names[0], kept, piece, later);
        }
      }
    }
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

  /** The bounds of a batch by its values: where they are few, and where there is NaN. */
  async #scan(feeds: NamedTensors): Promise<Bounds> {
    const bounds = unknownBounds(this.#position.size);
    const values = await this.#reader.read(feeds);
    const scanned = boundsOfAll([...values.values()]);
    const boundsOf = new Map(Array.from(values.keys(), (name, i) => [name, scanned[i]!]));
    for (const { names, pieces } of this.groups) {
      const found = pieces
        .map((piece) => clampBounds(boundsOf.get(piece.source) ?? emptyBounds(), piece))
        .reduce(mergeValueBounds, emptyBounds());
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

  /** Frees the model; may be repeated. */
  async release(): Promise<void> {
    await this.#measurer.release();
    await this.#reader.release();
  }
}
