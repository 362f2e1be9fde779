import type { MinMaxPlan } from '../minmax/plan.js';

/** Values of a tensor: those of a measured one, clamped. */
export interface Piece {
  /** Name of the measured tensor. */
  readonly source: string;
  readonly lower: number;
  readonly upper: number;
}

/** Tensors that have the same values, in whatever order. */
export interface ValueGroup {
  /** Names of the tensors, in node order; the first stands for all. */
  readonly names: readonly [string, ...string[]];
  readonly pieces: readonly Piece[];
}

const clamp = (value: number, { lower, upper }: Piece) => Math.min(Math.max(value, lower), upper);

/** Clamped by `inner`, then by `outer`. */
function composed(inner: Piece, outer: Omit<Piece, 'source'>): Piece {
  const clamping = { source: inner.source, ...outer };
  return {
    source: inner.source,
    lower: clamp(inner.lower, clamping),
    upper: clamp(inner.upper, clamping),
  };
}

/**
 * Where the values of every tensor of a plan are found: only measured tensors need leave the graph.
 *
 * @param plan What is measured, and what follows.
 */
export function valueGroups(plan: MinMaxPlan): ValueGroup[] {
  const pieces = new Map<string, readonly Piece[]>();
  for (const { name } of plan.reduced) {
    const all = { lower: Number.NEGATIVE_INFINITY, upper: Number.POSITIVE_INFINITY };
    pieces.set(name, [{ source: name, ...all }]);
  }
  for (const [name, { sources, lower, upper }] of plan.derived) {
    const found = sources.flatMap((source) => pieces.get(source)!);
    pieces.set(
      name,
      found.map((piece) => composed(piece, { lower, upper })),
    );
  }
  const groups = new Map<string, { names: [string, ...string[]]; pieces: readonly Piece[] }>();
  for (const { name } of plan.tensors) {
    const own = pieces.get(name)!;
    // Infinite limits have no place in JSON, but as text.
    const key = JSON.stringify(own.map((piece) => [piece.source, `${piece.lower} ${piece.upper}`]));
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { names: [name], pieces: own });
    else group.names.push(name);
  }
  return [...groups.values()];
}
