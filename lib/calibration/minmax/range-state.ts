import { halfToFloat } from '../../onnx/index.js';
import type { NamedTensors, Tensor } from '../../tensor.js';
import type { Derivation } from './derivation.js';
import type { MinMaxPlan } from './plan.js';
import type { BoundsOutput } from './reductions.js';

/** Bounds of all tensors of a plan, by position; NaN where nothing but NaN was seen. */
export interface Bounds {
  readonly lowest: Float64Array;
  readonly highest: Float64Array;
}

function emptyBounds(count: number): Bounds {
  return {
    lowest: new Float64Array(count).fill(Number.NaN),
    highest: new Float64Array(count).fill(Number.NaN),
  };
}

interface Step {
  target: number;
  sources: readonly number[];
  lower: number;
  upper: number;
}

/** Reads the bounds of every tensor of a plan from the outputs of one run. */
export class BoundsReader {
  readonly #bounds: Bounds;
  readonly #outputs: readonly { name: string; positions: readonly number[] }[];
  readonly #steps: readonly Step[];

  /**
   * @param plan The tensors.
   * @param outputs The outputs of the graph that measures.
   * @param derived How the ranges follow that are not measured, each after those it follows from.
   */
  constructor(
    plan: Pick<MinMaxPlan, 'tensors'>,
    outputs: readonly BoundsOutput[],
    derived: ReadonlyMap<string, Derivation>,
  ) {
    const position = new Map(plan.tensors.map(({ name }, index) => [name, index]));
    const positions = (names: readonly string[]) => names.map((name) => position.get(name)!);
    this.#bounds = emptyBounds(plan.tensors.length);
    this.#outputs = outputs.map(({ name, tensors }) => ({ name, positions: positions(tensors) }));
    this.#steps = Array.from(derived, ([name, { sources, lower, upper }]) => ({
      target: position.get(name)!,
      sources: positions(sources),
      lower,
      upper,
    }));
  }

  /** The bounds after a run; valid until the next call. */
  read(results: NamedTensors): Bounds {
    const { lowest, highest } = this.#bounds;
    for (const { name, positions } of this.#outputs) {
      const values = numbers(results[name]!);
      for (let i = 0; i < positions.length; i++) {
        lowest[positions[i]!] = values[2 * i]!;
        highest[positions[i]!] = values[2 * i + 1]!;
      }
    }
    for (const step of this.#steps) this.#derive(step);
    return this.#bounds;
  }

  #derive({ target, sources, lower, upper }: Step): void {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (const source of sources) {
      low = Math.min(low, this.#bounds.lowest[source]!);
      high = Math.max(high, this.#bounds.highest[source]!);
    }
    // A tensor without elements has no values to clamp; its bounds are infinite, the wrong way.
    const empty = low > high;
    this.#bounds.lowest[target] = empty ? low : Math.min(Math.max(low, lower), upper);
    this.#bounds.highest[target] = empty ? high : Math.min(Math.max(high, lower), upper);
  }
}

function numbers(tensor: Tensor): ArrayLike<number> {
  if (tensor.type !== 'float16') return tensor.data as ArrayLike<number>;
  return Float32Array.from(tensor.data as Uint16Array, halfToFloat);
}

/** Whether any bound is NaN. */
export function someNaN({ lowest, highest }: Bounds): boolean {
  for (let i = 0; i < lowest.length; i++) {
    if (Number.isNaN(lowest[i]!) || Number.isNaN(highest[i]!)) return true;
  }
  return false;
}

/** Joins the bounds of batches as numpy's nanmin and nanmax do: NaN counts for nothing. */
export class RangeState {
  /** Bounds over all that was added. */
  readonly bounds: Bounds;

  constructor(count: number) {
    this.bounds = emptyBounds(count);
  }

  /** Adds what one run found. */
  add({ lowest, highest }: Bounds): void {
    const known = this.bounds;
    for (let i = 0; i < lowest.length; i++) {
      if (lowest[i]! < known.lowest[i]! || Number.isNaN(known.lowest[i]!)) {
        known.lowest[i] = lowest[i]!;
      }
      if (highest[i]! > known.highest[i]! || Number.isNaN(known.highest[i]!)) {
        known.highest[i] = highest[i]!;
      }
    }
  }
}
