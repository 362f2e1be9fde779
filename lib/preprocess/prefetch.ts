import { setMaxListeners } from 'node:events';
import { availableParallelism } from 'node:os';
import { threadPoolSize } from '../runtime/index.js';

/** What became of one piece of work. */
export type Settled<R> = { ok: true; value: R } | { ok: false; error: unknown };

/** Decoded bytes that may be held by the images worked on at a time, where that is known. */
const AHEAD_BYTES = 64 * 2 ** 20;

/** Images for every thread that can decode: so that the pool never waits for the next one. */
const LEAST_PER_THREAD = 2;

/** Small images are done while the thread of JavaScript is busy elsewhere, so more are begun. */
const MOST_PER_THREAD = 8;

/**
 * How many images are worked on at a time by default: two for every thread that can decode, and up to
 * eight once it is seen that they are small.
 */
export class PrefetchDepth {
  readonly #threads: number;
  /** Unknown at first, which is as good as endless. */
  #largest: number | undefined;

  /** @param threads Threads that decode; by default those of this process. */
  constructor(threads: number = Math.min(threadPoolSize(), availableParallelism())) {
    this.#threads = threads;
  }

  /** Told of each image: its decoded size in bytes. */
  saw(bytes: number): void {
    this.#largest = Math.max(this.#largest ?? 0, bytes);
  }

  /** How many to work on now. */
  get current(): number {
    const room = Math.floor(AHEAD_BYTES / Math.max(1, this.#largest ?? AHEAD_BYTES));
    const most = Math.min(MOST_PER_THREAD * this.#threads, room);
    return Math.max(LEAST_PER_THREAD * this.#threads, most);
  }
}

/**
 * Works on up to `depth()` items at a time and yields the results in the order of the items. When the
 * consumer leaves, or `signal` is aborted, nothing new is started, what runs is told to stop, and
 * the generator ends only when it has.
 *
 * @param items What to work on.
 * @param work The work; it should stop when its signal is aborted.
 * @param depth How many run at a time; asked for again after each result.
 * @param signal Stops the whole; it then throws `signal.reason`.
 */
export async function* orderedPrefetch<T, R>(
  items: readonly T[],
  work: (item: T, signal: AbortSignal) => Promise<R>,
  depth: () => number,
  signal?: AbortSignal,
): AsyncGenerator<Settled<R>, void, undefined> {
  signal?.throwIfAborted();
  const stop = new AbortController();
  // As many listen as there is work: no leak to warn of.
  setMaxListeners(0, stop.signal);
  const onAbort = () => stop.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  const running: Promise<Settled<R>>[] = [];
  // Settled into a value at once: a rejection nobody waits for yet would end the process.
  const start = (item: T): Promise<Settled<R>> =>
    work(item, stop.signal).then(
      (value) => ({ ok: true as const, value }),
      (error: unknown) => ({ ok: false as const, error }),
    );
  try {
    for (let next = 0; next < items.length || running.length > 0; ) {
      while (next < items.length && running.length < depth()) running.push(start(items[next++]!));
      const result = await running.shift()!;
      signal?.throwIfAborted();
      yield result;
      signal?.throwIfAborted();
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
    stop.abort();
    await Promise.all(running);
  }
}
