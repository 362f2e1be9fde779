import { availableParallelism } from 'node:os';
import { threadPoolSize } from '../runtime/index.js';

/** What became of one piece of work. */
export type Settled<R> = { ok: true; value: R } | { ok: false; error: unknown };

/**
 * How many images are worked on at a time by default: two for every thread that can decode, so that
 * the pool never waits for the next one.
 */
export function defaultPrefetch(): number {
  return 2 * Math.min(threadPoolSize(), availableParallelism());
}

/**
 * Works on up to `depth` items at a time and yields the results in the order of the items. When the
 * consumer leaves, or `signal` is aborted, nothing new is started, what runs is told to stop, and
 * the generator ends only when it has.
 *
 * @param items What to work on.
 * @param work The work; it should stop when its signal is aborted.
 * @param depth How many run at a time.
 * @param signal Stops the whole; it then throws `signal.reason`.
 */
export async function* orderedPrefetch<T, R>(
  items: readonly T[],
  work: (item: T, signal: AbortSignal) => Promise<R>,
  depth: number,
  signal?: AbortSignal,
): AsyncGenerator<Settled<R>, void, undefined> {
  signal?.throwIfAborted();
  const stop = new AbortController();
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
      while (next < items.length && running.length < depth) running.push(start(items[next++]!));
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
