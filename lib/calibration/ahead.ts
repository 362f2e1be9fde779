/**
 * The same items, with the first one asked for at once: whoever prepares the items (decodes images,
 * say) then begins while something else is made ready.
 *
 * Whoever does not iterate must call `return()`, so that the source can end its work.
 */
export function startAhead<T>(source: AsyncIterable<T> | Iterable<T>): AsyncIterableIterator<T> {
  const iterator =
    Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  let first: Promise<IteratorResult<T>> | undefined = Promise.resolve(iterator.next());
  // It is looked at later, or never when making ready fails.
  first.catch(() => {});
  let ended = false;
  return {
    async next() {
      const result = await (first ?? iterator.next());
      first = undefined;
      if (result.done === true) ended = true;
      return result;
    },
    async return() {
      if (!ended) {
        ended = true;
        await iterator.return?.();
      }
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
