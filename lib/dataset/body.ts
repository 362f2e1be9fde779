/**
 * The pieces of a response's body. Node's own iteration can wait for ever when the request is
 * aborted while the last piece is being used (seen in Node 20.20), so each read also waits for the
 * signal. Leaving the loop cancels the body.
 *
 * @param body The body.
 * @param signal Ends the iteration; it then throws `signal.reason`.
 */
export async function* bodyPieces(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = body.getReader();
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  // Nobody may be waiting when it rejects.
  aborted.catch(() => {});
  try {
    for (;;) {
      signal.throwIfAborted();
      const { done, value } = await Promise.race([reader.read(), aborted]);
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    // Not awaited: that may be what never comes.
    reader.cancel().catch(() => {});
  }
}
