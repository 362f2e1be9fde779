import type { GraphIndex, GraphProto } from '../onnx/index.js';
import { COPIES } from './topology.js';

/** Smallest range: a tensor that is always zero still needs a positive scale. */
const MIN_AMAX = 1e-6;

/** Finds the range of each tensor in a table. */
export class RangeLookup {
  readonly #amax: ReadonlyMap<string, number>;
  readonly #index: GraphIndex;
  /** Tensors that are put together by Concat share one range: by tensor, the members. */
  readonly #groups = new Map<string, Set<string>>();

  constructor(amax: ReadonlyMap<string, number>, graph: GraphProto, index: GraphIndex) {
    this.#amax = amax;
    this.#index = index;
    for (const node of graph.node) {
      if (node.opType !== 'Concat') continue;
      const members = [...node.input, ...node.output].filter((name) => !index.constant(name));
      const group = new Set(members);
      for (const name of members)
        for (const other of this.#groups.get(name) ?? []) group.add(other);
      for (const name of group) this.#groups.set(name, group);
    }
  }

  /**
   * The largest absolute value of a tensor, at least 1e-6; `undefined` when the table has no usable
   * value (absent, negative, infinite or NaN). Operators that only copy pass their input's range on.
   */
  get(tensor: string): number | undefined {
    const own = this.#own(tensor);
    if (own === undefined) return undefined;
    let amax = own;
    for (const member of this.#groups.get(tensor) ?? []) {
      amax = Math.max(amax, this.#own(member) ?? 0);
    }
    return Math.max(amax, MIN_AMAX);
  }

  #own(tensor: string): number | undefined {
    const amax = this.#amax.get(tensor);
    if (amax !== undefined) return Number.isFinite(amax) && amax >= 0 ? amax : undefined;
    const node = this.#index.producer(tensor);
    return node !== undefined && COPIES.includes(node.opType)
      ? this.#own(node.input[0]!)
      : undefined;
  }
}
