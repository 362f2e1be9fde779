import { halfToFloat } from '../../onnx/index.js';
import type { NamedTensors, Tensor } from '../../tensor.js';
import type { Derivation } from './derivation.js';
import type { MinMaxPlan } from './plan.js';
import type { Reduction } from './reductions.js';

/** Bounds of one tensor; NaN where nothing but NaN was seen. */
export interface Bounds {
  lowest: number;
  highest: number;
}

function values(tensor: Tensor): ArrayLike<number> {
  if (tensor.type !== 'float16') return tensor.data as ArrayLike<number>;
  return Float32Array.from(tensor.data as Uint16Array, halfToFloat);
}

/** The smallest value; NaN when any is, infinity when there is none. */
function least(rows: ArrayLike<number>): number {
  let bound = Number.POSITIVE_INFINITY;
  for (let i = 0; i < rows.length; i++) {
    const value = rows[i]!;
    if (value < bound) bound = value;
    else if (Number.isNaN(value)) return value;
  }
  return bound;
}

/** The largest value; NaN when any is, minus infinity when there is none. */
function greatest(rows: ArrayLike<number>): number {
  let bound = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < rows.length; i++) {
    const value = rows[i]!;
    if (value > bound) bound = value;
    else if (Number.isNaN(value)) return value;
  }
  return bound;
}

/** The bounds that follow from others'. */
function derivedBounds(derivation: Derivation, found: ReadonlyMap<string, Bounds>): Bounds {
  let lowest = Number.POSITIVE_INFINITY;
  let highest = Number.NEGATIVE_INFINITY;
  for (const source of derivation.sources) {
    const bounds = found.get(source)!;
    lowest = Math.min(lowest, bounds.lowest);
    highest = Math.max(highest, bounds.highest);
  }
  // A tensor without elements has no values to clamp.
  if (lowest > highest) return { lowest, highest };
  const clamp = (value: number) => Math.min(Math.max(value, derivation.lower), derivation.upper);
  return { lowest: clamp(lowest), highest: clamp(highest) };
}

/** What one run found, for every tensor of a plan. */
export interface BatchBounds {
  bounds: ReadonlyMap<string, Bounds>;
  /** Whether NaN was seen: which values a reduction then gives depends on how it is computed. */
  nan: boolean;
}

/**
 * The bounds of every tensor after one run.
 *
 * @param derived How the ranges follow that are not measured.
 * @param reductions The outputs of the graph.
 * @param outputs Their values.
 */
export function boundsOfBatch(
  derived: MinMaxPlan['derived'],
  reductions: readonly Reduction[],
  outputs: NamedTensors,
): BatchBounds {
  const bounds = new Map<string, Bounds>();
  let nan = false;
  for (const { tensor, min, max } of reductions) {
    const found = {
      lowest: least(values(outputs[min]!)),
      highest: greatest(values(outputs[max]!)),
    };
    if (Number.isNaN(found.lowest) || Number.isNaN(found.highest)) nan = true;
    bounds.set(tensor, found);
  }
  for (const [name, derivation] of derived) {
    bounds.set(name, derivedBounds(derivation, bounds));
  }
  return { bounds, nan };
}

/** Joins the bounds of batches as numpy's nanmin and nanmax do: NaN counts for nothing. */
export class RangeState {
  readonly #bounds = new Map<string, Bounds>();

  /** Adds what one run found. */
  add(batch: ReadonlyMap<string, Bounds>): void {
    for (const [name, { lowest, highest }] of batch) {
      const known = this.#bounds.get(name);
      if (known === undefined) this.#bounds.set(name, { lowest, highest });
      else {
        if (lowest < known.lowest || Number.isNaN(known.lowest)) known.lowest = lowest;
        if (highest > known.highest || Number.isNaN(known.highest)) known.highest = highest;
      }
    }
  }

  /** The bounds of a tensor over all that was added; `undefined` before anything was. */
  bounds(name: string): Readonly<Bounds> | undefined {
    return this.#bounds.get(name);
  }
}
