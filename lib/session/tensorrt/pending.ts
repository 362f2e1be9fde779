import type { NativeFailure, NativeLoopResult, NativeSession, NativeShapes } from './binding.js';
import { errorOf, thrownBy } from './failures.js';

type Value = NativeShapes | NativeLoopResult | undefined;

interface Entry {
  resolve: ((value: Value) => void) | undefined;
  reject: (reason: unknown) => void;
  /** Whatever must stay in memory until the native side is done with it. */
  readonly hold: unknown;
  readonly signal: AbortSignal | undefined;
  onAbort: (() => void) | undefined;
}

/**
 * The work that a native session has in hand. Holds the arrays of each run until the native side has
 * let go of them, however the caller's promise ended.
 */
export class PendingWork {
  readonly #native: NativeSession;
  readonly #entries = new Map<number, Entry>();
  // Held here, because the native side holds it weakly while idle.
  readonly #onDone = (id: number, failure: NativeFailure | undefined, value: Value): void =>
    this.#done(id, failure, value);
  #next = 1;
  #whenEmpty: (() => void)[] = [];

  constructor(native: NativeSession) {
    this.#native = native;
    native.onDone(this.#onDone);
  }

  /**
   * Starts a piece of work.
   *
   * @param start Hands it to the native session under the given number.
   * @param hold What must stay in memory until it is done.
   * @param signal Takes it out of the queue, or drops its result.
   */
  start<T extends Value>(
    start: (id: number) => void,
    hold: unknown,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const id = this.#next;
      this.#next += 1;
      try {
        start(id);
      } catch (error) {
        reject(thrownBy(error));
        return;
      }
      const entry: Entry = {
        resolve: resolve as (value: Value) => void,
        reject,
        hold,
        signal,
        onAbort: undefined,
      };
      this.#entries.set(id, entry);
      if (signal !== undefined) {
        entry.onAbort = () => this.#abort(id, entry);
        signal.addEventListener('abort', entry.onAbort, { once: true });
      }
    });
  }

  /** Resolves when nothing is in hand. */
  empty(): Promise<void> {
    if (this.#entries.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenEmpty.push(resolve));
  }

  #abort(id: number, entry: Entry): void {
    const dropped = this.#native.cancel(id);
    entry.reject(entry.signal?.reason);
    entry.resolve = undefined;
    // Under way: its memory stays until the native side is done with it.
    if (dropped) this.#remove(id);
  }

  #done(id: number, failure: NativeFailure | undefined, value: Value): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    if (entry.onAbort !== undefined) entry.signal?.removeEventListener('abort', entry.onAbort);
    if (entry.resolve !== undefined) {
      if (failure === undefined) entry.resolve(value);
      else entry.reject(errorOf(failure));
    }
    this.#remove(id);
  }

  #remove(id: number): void {
    this.#entries.delete(id);
    if (this.#entries.size > 0) return;
    for (const resolve of this.#whenEmpty.splice(0)) resolve();
  }
}
