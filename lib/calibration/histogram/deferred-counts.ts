import { baseBinding, type CountJob } from '../../runtime/index.js';

/** Values that wait to be counted: the same counts, the same limits. */
type Waiting = CountJob & { values: Float32Array[] };

/** Bytes of values that are worth a round: for fewer, handing over takes longer than counting. */
const ROUND_BYTES = 2 ** 20;

/**
 * Values that wait to be counted on other threads, while a model already computes the next ones. At most
 * one round is under way, because rounds count into the same histograms.
 */
export class DeferredCounts {
  readonly #count = baseBinding()?.countLater;
  #waiting = new Map<Float64Array, Waiting[]>();
  #bytes = 0;
  #running: Promise<void> = Promise.resolve();

  /** Whether there is a native module to count with. */
  get possible(): boolean {
    return this.#count !== undefined;
  }

  /** Adds values to the next round; they must stay as they are until {@link end}. */
  add(values: Float32Array, where: Omit<CountJob, 'values'>): void {
    this.#bytes += values.byteLength;
    const jobs = this.#waiting.get(where.counts) ?? [];
    const job = jobs.find(({ lower, upper }) => lower === where.lower && upper === where.upper);
    if (job !== undefined) {
      job.values.push(values);
      return;
    }
    jobs.push({ ...where, values: [values] });
    this.#waiting.set(where.counts, jobs);
  }

  /** Begins the next round when there is enough for one, once the round under way has ended. */
  async begin(): Promise<void> {
    if (this.#bytes >= ROUND_BYTES) await this.#next();
  }

  /** Waits until everything is counted. */
  async end(): Promise<void> {
    await this.#next();
    await this.#running;
  }

  async #next(): Promise<void> {
    await this.#running;
    const jobs = Array.from(this.#waiting.values()).flat();
    this.#waiting = new Map();
    this.#bytes = 0;
    if (jobs.length === 0 || this.#count === undefined) return;
    this.#running = this.#count(jobs);
    // It is waited for in its turn; until then a failure is nobody's.
    this.#running.catch(() => {});
  }
}
