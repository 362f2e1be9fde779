import type { LongCallOptions, OnProgress } from '../../progress.js';

/** Work under way that several callers wait for. */
interface Shared<T> {
  controller: AbortController;
  waiting: Set<symbol>;
  listeners: Map<symbol, OnProgress>;
  promise: Promise<T>;
}

/**
 * Work that is done once for all who ask for it at the same time. Each caller has a signal and a
 * progress function of its own: who leaves ends its own call only, and the last one to leave stops the
 * work.
 */
export class SharedWork<T> {
  readonly #running = new Map<string, Shared<T>>();

  /**
   * Joins the work of that key, or starts it.
   *
   * @param key Equal for equal work.
   * @param options The caller's signal and progress.
   * @param start Starts the work.
   * @param again What the callers get that joined, made of what the first one gets.
   * @throws What the work throws; `signal.reason`; what the caller's `onProgress` throws.
   */
  async join(
    key: string,
    { signal, onProgress }: LongCallOptions,
    start: (signal: AbortSignal, onProgress: OnProgress) => Promise<T>,
    again: (value: T) => T,
  ): Promise<T> {
    signal?.throwIfAborted();
    const running = this.#running.get(key);
    const shared = running ?? this.#start(key, start);
    const me = Symbol();
    shared.waiting.add(me);
    let onAbort: (() => void) | undefined;
    try {
      return await new Promise<T>((resolve, reject) => {
        if (onProgress !== undefined) {
          shared.listeners.set(me, (progress) => {
            try {
              onProgress(progress);
            } catch (error) {
              reject(error);
            }
          });
        }
        if (signal !== undefined) {
          onAbort = () => reject(signal.reason);
          signal.addEventListener('abort', onAbort, { once: true });
        }
        shared.promise.then(
          // Here and not later: the first caller may do with its value what it likes.
          (value) => resolve(running === undefined ? value : again(value)),
          reject,
        );
      });
    } catch (error) {
      shared.waiting.delete(me);
      if (shared.waiting.size === 0) {
        // Whoever comes next starts anew, rather than join what is being stopped.
        if (this.#running.get(key) === shared) this.#running.delete(key);
        shared.controller.abort(error);
      }
      throw error;
    } finally {
      shared.listeners.delete(me);
      if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort);
    }
  }

  #start(
    key: string,
    start: (signal: AbortSignal, onProgress: OnProgress) => Promise<T>,
  ): Shared<T> {
    const controller = new AbortController();
    const listeners = new Map<symbol, OnProgress>();
    const promise = Promise.resolve()
      .then(() =>
        start(controller.signal, (progress) => {
          for (const listener of [...listeners.values()]) listener(progress);
        }),
      )
      .finally(() => {
        if (this.#running.get(key) === shared) this.#running.delete(key);
      });
    // When all have left, nobody hears of its end.
    promise.catch(() => {});
    const shared: Shared<T> = { controller, waiting: new Set(), listeners, promise };
    this.#running.set(key, shared);
    return shared;
  }
}
