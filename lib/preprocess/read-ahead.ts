import { defined } from '../defined.js';
import { type Borrowed, borrowDecoders } from './decoders.js';
import { type ReadResult, readSized } from './image.js';
import type { PixelMemory } from './pixel-memory.js';
import { orderedPrefetch, PrefetchDepth, type Settled } from './prefetch.js';
import type { Recipe } from './recipe.js';

/** What {@link readAhead} takes. */
export interface ReadAheadOptions {
  /** Folder that paths are relative to. */
  root?: string;
  /** Images worked on ahead. */
  prefetch?: number;
  /** Processes that decode, when that was asked for. */
  processes?: number;
  /** Memory for pixels; whoever is done with some gives it back here. */
  memory: PixelMemory;
  /** Stops reading. */
  signal?: AbortSignal;
}

/** Decoded bytes of an image that takes longer to decode than to ask another process for. */
const LARGE_BYTES = 128 * 128 * 3;

/**
 * Reads images on all cores, some ahead, and yields them in order; in processes of their own where that
 * is faster.
 *
 * @param sources Paths or addresses.
 * @param recipe What is done to each.
 * @param options Root, depth, processes, memory, abort signal.
 */
export async function* readAhead(
  sources: readonly string[],
  recipe: Recipe,
  { root, prefetch, processes, memory, signal }: ReadAheadOptions,
): AsyncGenerator<Settled<ReadResult>, void, undefined> {
  signal?.throwIfAborted();
  const asked = processes !== undefined;
  let decoders: Borrowed | undefined;
  let ahead = new PrefetchDepth();
  let largest = 0;
  const borrow = () => {
    decoders = borrowDecoders(sources, processes);
    ahead = new PrefetchDepth(decoders?.pool.threads);
  };
  try {
    if (asked) borrow();
    const depth = () => prefetch ?? ahead.current;
    const read = (source: string, stop: AbortSignal) => {
      const options = { signal: stop, ...defined({ root }) };
      if (decoders === undefined) return readSized(source, recipe, options);
      return decoders.pool.read(source, recipe, options, memory);
    };
    for await (const result of orderedPrefetch(sources, read, depth, signal)) {
      if (result.ok) {
        const { decodedBytes } = result.value;
        // Nobody needs processes for thumbnails: the first larger image starts them.
        if (!asked && largest <= LARGE_BYTES && decodedBytes > LARGE_BYTES) borrow();
        largest = Math.max(largest, decodedBytes);
        ahead.saw(decodedBytes);
      }
      yield result;
    }
  } finally {
    decoders?.release();
  }
}
