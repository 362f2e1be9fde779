import { expected, integer } from '../arguments.js';

const N = 624;
const M = 397;

/**
 * CPython's `random.Random` for integer seeds: the Mersenne Twister MT19937 (Matsumoto and
 * Nishimura, 1998), seeded by `init_by_array` with the 32-bit digits of the seed, and CPython's way
 * (3.2 and later) of drawing below a bound, shuffling and sampling. The same seed gives the same
 * numbers as Python.
 */
export class PythonRandom {
  readonly #state = new Uint32Array(N);
  #index = N;

  /**
   * @param seed Any integer; its sign does not count, as in Python.
   * @throws TypeError, RangeError when the seed is not an integer.
   */
  constructor(seed: number | bigint) {
    if (typeof seed !== 'bigint') integer('seed', seed);
    let rest = BigInt(seed);
    if (rest < 0n) rest = -rest;
    const key: number[] = [];
    do {
      key.push(Number(rest & 0xffffffffn));
      rest >>= 32n;
    } while (rest > 0n);
    this.#seedByArray(key);
  }

  #seedByArray(key: readonly number[]): void {
    const mt = this.#state;
    mt[0] = 19650218;
    for (let i = 1; i < N; i++) {
      const previous = mt[i - 1]!;
      mt[i] = Math.imul(1812433253, previous ^ (previous >>> 30)) + i;
    }
    let i = 1;
    let j = 0;
    const wrap = () => {
      if (++i >= N) {
        mt[0] = mt[N - 1]!;
        i = 1;
      }
    };
    for (let k = Math.max(N, key.length); k > 0; k--) {
      const previous = mt[i - 1]!;
      mt[i] = (mt[i]! ^ Math.imul(previous ^ (previous >>> 30), 1664525)) + key[j]! + j;
      wrap();
      if (++j >= key.length) j = 0;
    }
    for (let k = N - 1; k > 0; k--) {
      const previous = mt[i - 1]!;
      mt[i] = (mt[i]! ^ Math.imul(previous ^ (previous >>> 30), 1566083941)) - i;
      wrap();
    }
    mt[0] = 0x80000000;
  }

  #refill(): void {
    const mt = this.#state;
    for (let k = 0; k < N; k++) {
      const y = (mt[k]! & 0x80000000) | (mt[(k + 1) % N]! & 0x7fffffff);
      mt[k] = mt[(k + M) % N]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#index = 0;
  }

  /** The generator's next 32 bits, as an unsigned integer. */
  next32(): number {
    if (this.#index >= N) this.#refill();
    let y = this.#state[this.#index++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    y ^= y >>> 18;
    return y >>> 0;
  }

  /**
   * A uniform integer in [0, bound): as many bits as `bound` has, drawn again until they are below.
   *
   * @param bound 1 to 2³² − 1.
   */
  below(bound: number): number {
    integer('bound', bound, 1, 0xffffffff);
    const shift = Math.clz32(bound);
    let value = this.next32() >>> shift;
    while (value >= bound) value = this.next32() >>> shift;
    return value;
  }

  /** Shuffles in place, as `random.shuffle`. */
  shuffle<T>(items: T[]): void {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const kept = items[i]!;
      items[i] = items[j]!;
      items[j] = kept;
    }
  }

  /**
   * `count` different elements in the order drawn, as `random.sample`.
   *
   * @throws RangeError when `count` is negative or larger than the population.
   */
  sample<T>(population: readonly T[], count: number): T[] {
    const n = population.length;
    integer('count', count, 0);
    if (count > n) throw expected('count', `at most ${n}, the size of the list,`, count, 'range');
    const result: T[] = [];
    // CPython copies the population when that is smaller than a set of `count` elements would be.
    let setSize = 21;
    if (count > 5) {
      let table = 1;
      while (table < count * 3) table *= 4;
      setSize += table;
    }
    if (n <= setSize) {
      const pool = [...population];
      for (let i = 0; i < count; i++) {
        const j = this.below(n - i);
        result.push(pool[j]!);
        pool[j] = pool[n - i - 1]!;
      }
    } else {
      const selected = new Set<number>();
      while (result.length < count) {
        const j = this.below(n);
        if (selected.has(j)) continue;
        selected.add(j);
        result.push(population[j]!);
      }
    }
    return result;
  }
}
