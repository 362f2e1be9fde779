import { TensorRTError } from '../errors.js';

/**
 * Keeps a session's native part alive while runs are in flight: `release` refuses new runs, waits
 * for those under way, then frees, once, however often it is called.
 */
export class Lifetime {
  readonly #free: () => Promise<void>;
  readonly #running = new Set<Promise<unknown>>();
  #released: Promise<void> | undefined;

  /** @param free Frees what the session holds; called once. */
  constructor(free: () => Promise<void>) {
    this.#free = free;
  }

  /** Whether `release` was called. */
  get released(): boolean {
    return this.#released !== undefined;
  }

  /**
   * Runs `work` unless the session was released.
   *
   * @throws TensorRTError `SESSION_RELEASED`.
   */
  async use<T>(work: () => Promise<T>): Promise<T> {
    if (this.released) {
      throw new TensorRTError('SESSION_RELEASED', 'The session was released before this run', {
        remedy: 'Open a new session, or release this one after its last run.',
      });
    }
    const run = work();
    this.#running.add(run);
    try {
      return await run;
    } finally {
      this.#running.delete(run);
    }
  }

  /** Waits for the runs in flight and frees; every call returns the same promise. */
  release(): Promise<void> {
    this.#released ??= Promise.allSettled(this.#running).then(() => this.#free());
    return this.#released;
  }
}
