import { halfToFloat } from '../../onnx/index.js';
import type { NamedTensors, Tensor } from '../../tensor.js';
import type { Derivation } from './derivation.js';
import type { MinMaxPlan } from './plan.js';
import type { Bound, BoundsOutput } from './reductions.js';

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

/** Where a bound of a tensor lies in an output. */
interface Field {
  target: number;
  bound: Bound;
  start: number;
  end: number;
}

/** The smallest of `values[start..end)`; NaN when any is, infinity when there is none. */
function least(values: ArrayLike<number>, start: number, end: number): number {
  let bound = Number.POSITIVE_INFINITY;
  for (let i = start; i < end; i++) {
    const value = values[i]!;
    if (value < bound) bound = value;
    else if (Number.isNaN(value)) return value;
  }
  return bound;
}

/** The largest of `values[start..end)`; NaN when any is, minus infinity when there is none. */
function greatest(values: ArrayLike<number>, start: number, end: number): number {
  let bound = Number.NEGATIVE_INFINITY;
  for (let i = start; i < end; i++) {
    const value = values[i]!;
    if (value > bound) bound = value;
    else if (Number.isNaN(value)) return value;
  }
  return bound;
}

const FIELDS = { min: 'lowest', max: 'highest', smallest: 'smallest' } as const;

/** Reads the bounds of every tensor of a plan from the outputs of one run. */
export class BoundsReader {
  readonly #bounds: Bounds;
  readonly #outputs: readonly { name: string; stride: number; fields: readonly Field[] }[];
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
    this.#bounds = unknownBounds(plan.tensors.length);
    this.#outputs = outputs.map(({ name, columns }) => {
      let end = 0;
      const fields = columns.map(({ tensor, bound, width }) => {
        const start = end;
        end += width;
        return { target: position.get(tensor)!, bound, start, end };
      });
      return { name, stride: end, fields };
    });
    this.#steps = Array.from(derived, ([name, { sources, lower, upper }]) => ({
      target: position.get(name)!,
      sources: sources.map((source) => position.get(source)!),
      lower,
      upper,
    }));
  }

  /** The bounds after a run; valid until the next call. */
  read(results: NamedTensors): Bounds {
    for (const { name, stride, fields } of this.#outputs) {
      const values = numbers(results[name]!);
      for (const { target, bound, start, end } of fields) {
        const extreme = bound === 'max' ? greatest : least;
        let found = extreme(values, start, Math.min(end, values.length));
        for (let row = stride; row < values.length; row += stride) {
          const next = extreme(values, row + start, row + end);
          // Math.min and Math.max keep NaN.
          found = bound === 'max' ? Math.max(found, next) : Math.min(found, next);
        }
        this.#bounds[FIELDS[bound]][target] = found;
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
