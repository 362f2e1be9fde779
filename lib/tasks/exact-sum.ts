/**
 * A sum of float64 without rounding until it is read, so that it does not depend on the order of the
 * terms: the partial sums of Shewchuk, "Adaptive Precision Floating-Point Arithmetic" (1997), as
 * CPython's `math.fsum` keeps them.
 */
export class ExactSum {
  /** Numbers that do not overlap, the smallest first; their exact sum is the sum. */
  #partials: number[] = [];
  /** Infinities and NaN, which have no place among partial sums. */
  #special = 0;

  /** @param state What {@link ExactSum.state} gave. */
  constructor(state: readonly number[] = []) {
    for (const value of state) this.add(value);
  }

  /** Adds a term. */
  add(term: number): void {
    if (!Number.isFinite(term)) {
      this.#special += term;
      return;
    }
    let x = term;
    let kept = 0;
    for (const partial of this.#partials) {
      const [large, small] = Math.abs(x) < Math.abs(partial) ? [partial, x] : [x, partial];
      const high = large + small;
      const low = small - (high - large);
      if (low !== 0) this.#partials[kept++] = low;
      x = high;
    }
    this.#partials.length = kept;
    this.#partials.push(x);
  }

  /** Numbers that add up to the sum, to be continued elsewhere. */
  get state(): number[] {
    return this.#special === 0 ? [...this.#partials] : [this.#special];
  }

  /** The sum, rounded once. */
  get value(): number {
    if (this.#special !== 0) return this.#special;
    const partials = this.#partials;
    let at = partials.length - 1;
    if (at < 0) return 0;
    let high = partials[at]!;
    let low = 0;
    while (at > 0 && low === 0) {
      at -= 1;
      const x = high;
      high = x + partials[at]!;
      low = partials[at]! - (high - x);
    }
    // Half-way cases are decided by what lies below.
    if (at > 0 && Math.sign(low) === Math.sign(partials[at - 1]!)) {
      const doubled = low * 2;
      const next = high + doubled;
      if (next - high === doubled) high = next;
    }
    return high;
  }
}
