/** Memory that batches are packed into. */
export interface BatchMemory {
  /** `bytes` or more that no batch in flight uses. */
  next(bytes: number): ArrayBufferView<ArrayBuffer>;
  /** Frees all of it, when nothing is in flight. */
  dispose(): void;
}

/** A piece of memory, and how it is freed. */
export interface OwnedMemory {
  readonly data: ArrayBufferView<ArrayBuffer>;
  dispose(): void;
}

/** Memory of ordinary kind. */
export function ordinaryMemory(bytes: number): OwnedMemory {
  return { data: new Uint8Array(bytes), dispose() {} };
}

/**
 * As many pieces of memory as batches are in flight, used in turn.
 *
 * @param pieces Batches in flight at most.
 * @param allocate Makes a piece.
 */
export function ringMemory(pieces: number, allocate: (bytes: number) => OwnedMemory): BatchMemory {
  const ring = new Array<OwnedMemory | undefined>(pieces);
  let turn = 0;
  return {
    next(bytes) {
      const at = turn % pieces;
      turn += 1;
      let piece = ring[at];
      if (piece === undefined || piece.data.byteLength < bytes) {
        piece?.dispose();
        ring[at] = undefined;
        piece = allocate(bytes);
        ring[at] = piece;
      }
      return piece.data;
    },
    dispose() {
      for (const piece of ring.splice(0)) piece?.dispose();
    },
  };
}

type Settled<R> = { ok: true; value: R } | { ok: false; error: unknown };

/**
 * Keeps up to `depth` batches in work while the next one is made ready, and gives the results in order.
 * Ends only when nothing is in work any more, however it ends: what the work reads may be freed then.
 *
 * @param batches The batches; each stays as it is until its result has been given.
 * @param work What is done with a batch.
 * @param depth Batches in work at most.
 */
export async function* inFlight<B, R>(
  batches: AsyncIterable<B>,
  work: (batch: B) => Promise<R>,
  depth: number,
): AsyncGenerator<[batch: B, result: R], void, undefined> {
  const pending: { batch: B; settled: Promise<Settled<R>> }[] = [];
  const first = async (): Promise<[B, R]> => {
    const { batch, settled } = pending[0]!;
    const result = await settled;
    pending.shift();
    if (!result.ok) throw result.error;
    return [batch, result.value];
  };
  try {
    for await (const batch of batches) {
      const settled = work(batch).then(
        (value) => ({ ok: true as const, value }),
        (error: unknown) => ({ ok: false as const, error }),
      );
      pending.push({ batch, settled });
      if (pending.length >= depth) yield await first();
    }
    while (pending.length > 0) yield await first();
  } finally {
    await Promise.all(pending.map(({ settled }) => settled));
  }
}
