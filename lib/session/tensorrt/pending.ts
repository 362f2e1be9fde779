import { checkSignal } from '../../arguments.js';
import type {
  NativeFailure,
  NativeLayerTimes,
  NativeLoopResult,
  NativeSession,
  NativeShapes,
} from './binding.js';
import { errorOf, thrownBy } from './failures.js';
import { ResultPolling } from './polling.js';

type Value = NativeShapes | NativeLoopResult | NativeLayerTimes[] | undefined;

interface Entry {
  resolve: ((value: unknown) => void) | undefined;
  reject: (reason: unknown) => void;
  /** Whatever must stay in memory until the native side is done with it. */
  readonly hold: unknown;
  /** What the promise resolves to, where that is known before; else what the native side gives. */
  readonly result: unknown;
  readonly signal: AbortSignal | undefined;
  onAbort: (() => void) | undefined;
}

/** What a piece of work comes with. */
export interface WorkOptions {
  /** What must stay in memory until it is done. */
  readonly hold?: unknown;
  /** What its promise resolves to; by default what the native side gives. */
  readonly result?: unknown;
  /** Takes it out of the queue, or drops its result. */
  readonly signal?: AbortSignal | undefined;
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
  readonly #polling: ResultPolling;
  readonly #spin: boolean;
  #next = 1;
  #whenEmpty: (() => void)[] = [];

  /**
   * @param native Where the work is done.
   * @param spin Whether the event loop polls for as long as a run is in hand.
   * @param aheadMicroseconds How long before a result it is told of it.
   */
  constructor(native: NativeSession, spin: boolean, aheadMicroseconds: number) {
    this.#native = native;
    this.#spin = spin;
    this.#polling = new ResultPolling(
      native,
      () => this.#entries.size > 0,
      spin ? Number.POSITIVE_INFINITY : aheadMicroseconds,
    );
    native.onDone(this.#onDone);
  }

  /** {@link PendingWork.start} for a run: its result is worth waiting for. */
  run<T>(start: (id: number) => void, options: WorkOptions): Promise<T> {
    const promise = this.start<T>(start, options);
    if (this.#spin) this.#polling.begin();
    return promise;
  }

  /**
   * Starts a piece of work.
   *
   * @param start Hands it to the native session under the given number.
   * @param options What it holds and gives, and how it is given up.
   */
  start<T>(start: (id: number) => void, { hold, result, signal }: WorkOptions = {}): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      // Work that was handed in can no longer be refused.
      checkSignal(signal);
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
        resolve: resolve as (value: unknown) => void,
        reject,
        hold,
        result,
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
    // No work has this number: a run is about to be done.
    if (id === 0) {
      this.#polling.begin();
      return;
    }
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    if (entry.onAbort !== undefined) entry.signal?.removeEventListener('abort', entry.onAbort);
    if (entry.resolve !== undefined) {
      if (failure === undefined) entry.resolve(entry.result ?? value);
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
