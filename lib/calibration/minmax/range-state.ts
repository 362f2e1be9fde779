import { halfToFloat } from '../../onnx/index.js';
import type { NamedTensors, Tensor } from '../../tensor.js';
import type { Derivation } from './derivation.js';
import type { MinMaxPlan } from './plan.js';
import type { BoundsOutput } from './reductions.js';

/** Bounds of all tensors of a plan, by position; NaN where nothing but NaN was seen. */
export interface Bounds {
  readonly lowest: Float64Array;
  readonly highest: Float64Array;
  /** Smallest magnitudes; NaN where they are not measured. */
  readonly smallest: Float64Array;
}

/** Bounds of `count` tensors of which nothing was seen yet. */
export function unknownBounds(count: number): Bounds {
  const unknown = () => new Float64Array(count).fill(Number.NaN);
  return { lowest: unknown(), highest: unknown(), smallest: unknown() };
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
  readonly #stride: 2 | 3;

  /**
   * @param plan The tensors.
   * @param outputs The outputs of the graph that measures.
   * @param derived How the ranges follow that are not measured, each after those it follows from.
   * @param magnitudes Whether smallest magnitudes were measured.
   */
  constructor(
    plan: Pick<MinMaxPlan, 'tensors'>,
    outputs: readonly BoundsOutput[],
    derived: ReadonlyMap<string, Derivation>,
    magnitudes: boolean,
  ) {
    this.#stride = magnitudes ? 3 : 2;
    const position = new Map(plan.tensors.map(({ name }, index) => [name, index]));
    const positions = (names: readonly string[]) => names.map((name) => position.get(name)!);
    this.#bounds = unknownBounds(plan.tensors.length);
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
    const { lowest, highest, smallest } = this.#bounds;
    const stride = this.#stride;
    for (const { name, positions } of this.#outputs) {
      const values = numbers(results[name]!);
      for (let i = 0; i < positions.length; i++) {
        lowest[positions[i]!] = values[stride * i]!;
        highest[positions[i]!] = values[stride * i + 1]!;
        if (stride === 3) smallest[positions[i]!] = values[stride * i + 2]!;
      }
    }
    for (const step of this.#steps) this.#derive(step);
    return this.#bounds;
  }

  #derive({ target, sources, lower, upper }: Step): void {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    let smallest = Number.POSITIVE_INFINITY;
    for (const source of sources) {
      low = Math.min(low, this.#bounds.lowest[source]!);
      high = Math.max(high, this.#bounds.highest[source]!);
      smallest = Math.min(smallest, this.#bounds.smallest[source]!);
    }
    // A tensor without elements has no values to clamp; its bounds are infinite, the wrong way.
    const empty = low > high;
    this.#bounds.lowest[target] = empty ? low : Math.min(Math.max(low, lower), upper);
    this.#bounds.highest[target] = empty ? high : Math.min(Math.max(high, lower), upper);
    // Clamped from 0 up, the lowest value is the smallest magnitude; elsewhere nothing is clamped.
    if (lower >= 0 && !empty && !Number.isNaN(smallest)) smallest = this.#bounds.lowest[target]!;
    this.#bounds.smallest[target] = smallest;
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
    this.bounds = unknownBounds(count);
  }

  /** Adds what one run found. */
  add({ lowest, highest, smallest }: Bounds): void {
    const known = this.bounds;
    for (let i = 0; i < lowest.length; i++) {
      if (lowest[i]! < known.lowest[i]! || Number.isNaN(known.lowest[i]!)) {
        known.lowest[i] = lowest[i]!;
      }
      if (highest[i]! > known.highest[i]! || Number.isNaN(known.highest[i]!)) {
        known.highest[i] = highest[i]!;
      }
      if (smallest[i]! < known.smallest[i]! || Number.isNaN(known.smallest[i]!)) {
        known.smallest[i] = smallest[i]!;
      }
    }
  }

  /** Ends a `collect_data` call; nothing is kept of where it ended. */
  endCall(): void {}
}
