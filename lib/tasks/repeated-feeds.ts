import { type NamedTensors, Tensor } from '../tensor.js';

/** Prepared images that are kept for a second pass; beyond, they are decoded again. */
const HELD_BYTES = 64 * 2 ** 20;

/**
 * Batches that can be gone through several times. As long as they are few they are kept from the first
 * pass on, because decoding takes longer than a small model; memory stays bounded.
 *
 * @param make Gives the batches anew; the memory of each may be used again for the next.
 * @param limit Bytes that are kept at most.
 */
export function repeatedFeeds(
  make: () => AsyncIterable<NamedTensors>,
  limit = HELD_BYTES,
): () => AsyncIterable<NamedTensors> {
  let held: NamedTensors[] | undefined;
  let complete = false;
  async function* first(): AsyncGenerator<NamedTensors> {
    let bytes = 0;
    held = [];
    for await (const feeds of make()) {
      for (const { data } of Object.values(feeds)) bytes += data.byteLength;
      if (bytes > limit) held = undefined;
      // Before it is handed on, because its memory may be used again.
      held?.push(copyOf(feeds));
      yield feeds;
    }
    complete = true;
  }
  async function* again(batches: readonly NamedTensors[]): AsyncGenerator<NamedTensors> {
    yield* batches;
  }
  return () => {
    if (complete && held !== undefined) return again(held);
    return complete ? make() : first();
  };
}

function copyOf(feeds: NamedTensors): NamedTensors {
  const copies = Object.entries(feeds).map(([name, { type, data, dims }]) => {
    return [name, new Tensor(type, data.slice() as typeof data, dims)] as const;
  });
  return Object.fromEntries(copies);
}
