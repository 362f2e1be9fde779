import type { OptimizationProfile, ShapeRange } from '../../engine/index.js';
import type { NamedTensors } from '../../tensor.js';

/** Sides are rounded to this when a range is widened, so that it is widened seldom. */
const STEP = 32;

function fits(dims: readonly number[], { min, max }: ShapeRange): boolean {
  return dims.every((dim, axis) => dim >= min[axis]! && dim <= max[axis]!);
}

/** Half of it: a network that halves its images some times still has something left of them. */
function below(dim: number): number {
  return Math.max(1, Math.floor(dim / 2));
}

function above(dim: number): number {
  return Math.ceil((dim * 1.5) / STEP) * STEP;
}

/** A range that takes `dims` too, and more in the direction in which they lie outside. */
function widened(
  { min, opt, max }: ShapeRange,
  dims: readonly number[],
  shape: readonly (number | string)[],
): ShapeRange {
  // A fixed extent stays: the session says that the feeds do not fit.
  const open = (axis: number) => typeof shape[axis] !== 'number';
  return {
    min: min.map((limit, axis) => (open(axis) && dims[axis]! < limit ? below(dims[axis]!) : limit)),
    opt,
    max: max.map((limit, axis) => (open(axis) && dims[axis]! > limit ? above(dims[axis]!) : limit)),
  };
}

/** The range for the first shape that comes: any number of rows up to its own, and nothing else. */
function first(dims: readonly number[], shape: readonly (number | string)[]): ShapeRange {
  const min = dims.map((dim, axis) => (axis === 0 && typeof shape[0] !== 'number' ? 1 : dim));
  return { min, opt: dims, max: dims };
}

/**
 * The profile that an engine needs for feeds.
 *
 * @param feeds The feeds.
 * @param dynamic The inputs with dynamic extents, and what the model says of them.
 * @param known The profile so far.
 * @returns `known` itself when it takes the feeds.
 */
export function profileFor(
  feeds: NamedTensors,
  dynamic: ReadonlyMap<string, readonly (number | string)[]>,
  known: OptimizationProfile | undefined,
): OptimizationProfile | undefined {
  if (dynamic.size === 0) return known;
  const ranges = new Map(Object.entries(known ?? {}));
  let same = known !== undefined;
  for (const [name, shape] of dynamic) {
    const dims = feeds[name]?.dims;
    if (dims === undefined) continue;
    const range = ranges.get(name);
    // Of another rank: the session says so.
    if (range !== undefined && (range.min.length !== dims.length || fits(dims, range))) continue;
    ranges.set(name, range === undefined ? first(dims, shape) : widened(range, dims, shape));
    same = false;
  }
  return same ? known : Object.fromEntries(ranges);
}
