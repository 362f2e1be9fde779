import { expected } from '../../arguments.js';
import { GraphIndex, graphOf, type OnnxModel } from '../../onnx/index.js';
import { type LongCallOptions, throttle } from '../../progress.js';
import type { NamedTensors } from '../../tensor.js';
import { BatchHolder } from './holder.js';

/** Tensors by input name, batch after batch. */
export type Batches = AsyncIterable<NamedTensors> | Iterable<NamedTensors>;

/** What the `collect` of a calibrator takes. */
export interface CollectOptions extends LongCallOptions {
  /** How many inputs there are, for progress. */
  total?: number;
  /**
   * Batches that stay as they are while later ones are asked for: MinMax keeps so many in work at once,
   * which pays where a GPU computes. 1 by default: the memory of a batch may be used again for the next.
   */
  inFlight?: number;
}

/** Number of inputs in a batch: the extent of the first dim of its first tensor. */
export function inputsIn(feeds: NamedTensors): number {
  return Object.values(feeds)[0]?.dims[0] ?? 1;
}

/** Walks over batches, and checks that they have what the model takes. */
export class BatchWalk {
  readonly #required: readonly string[];
  readonly #allowed: ReadonlySet<string>;

  constructor(model: OnnxModel) {
    const graph = graphOf(model);
    this.#required = new GraphIndex(graph).inputs.map(({ name }) => name);
    this.#allowed = new Set(graph.input.map(({ name }) => name));
  }

  /**
   * Calls `look` with each batch, in order. Small batches are copied and looked at several in a row:
   * between images that are decoded, the model's code and weights would be out of the caches each
   * time (measured with images of 32×32: 9% of the whole).
   *
   * @param batches The batches; the memory of each may be used again for the next.
   * @param options Abort signal, progress in `images`.
   * @param phase Name of the phase in progress reports.
   * @param look What is done with a batch.
   * @throws TypeError when a batch lacks an input or has one that the model does not.
   */
  async forEach(
    batches: Batches,
    { signal, total, onProgress }: CollectOptions,
    phase: string,
    look: (feeds: NamedTensors) => Promise<void>,
  ): Promise<void> {
    const report = throttle(onProgress, phase);
    let done = 0;
    const lookAt = async (feeds: NamedTensors) => {
      await look(feeds);
      done += inputsIn(feeds);
      report(done, total, 'images');
      signal?.throwIfAborted();
    };
    const holder = new BatchHolder();
    const lookAtHeld = async () => {
      for (const feeds of holder.take()) await lookAt(feeds);
    };
    report(0, total, 'images');
    for await (const feeds of batches) {
      signal?.throwIfAborted();
      this.#checkNames(feeds);
      const small = holder.isSmall(feeds);
      if (!small || holder.isFullFor(feeds)) await lookAtHeld();
      if (small) holder.add(feeds);
      else await lookAt(feeds);
    }
    await lookAtHeld();
    signal?.throwIfAborted();
  }

  /**
   * Keeps up to `inFlight` batches in work at a time; they end in their order, one after the other. Returns
   * or throws only when nothing is in work any more.
   *
   * @param batches The batches.
   * @param options How many; abort signal, progress in `images`.
   * @param phase Name of the phase in progress reports.
   * @param begin What is done with a batch meanwhile.
   * @param end What is done with what comes of it.
   * @throws TypeError when a batch lacks an input or has one that the model does not.
   */
  async overlap<R>(
    batches: Batches,
    { signal, total, onProgress, inFlight = 1 }: CollectOptions,
    phase: string,
    begin: (feeds: NamedTensors) => Promise<R>,
    end: (feeds: NamedTensors, result: R) => Promise<void>,
  ): Promise<void> {
    const report = throttle(onProgress, phase);
    const working: { feeds: NamedTensors; result: Promise<R> }[] = [];
    let done = 0;
    const endFirst = async () => {
      const { feeds, result } = working[0]!;
      const value = await result;
      working.shift();
      await end(feeds, value);
      done += inputsIn(feeds);
      report(done, total, 'images');
      signal?.throwIfAborted();
    };
    report(0, total, 'images');
    try {
      for await (const feeds of batches) {
        signal?.throwIfAborted();
        this.#checkNames(feeds);
        const result = begin(feeds);
        // It is waited for in its turn; until then a failure is nobody's.
        result.catch(() => {});
        working.push({ feeds, result });
        if (working.length >= inFlight) await endFirst();
      }
      while (working.length > 0) await endFirst();
    } finally {
      await Promise.allSettled(working.map(({ result }) => result));
    }
    signal?.throwIfAborted();
  }

  #checkNames(feeds: NamedTensors): void {
    if (typeof feeds !== 'object' || feeds === null) {
      throw expected('batches', 'objects with a tensor for each input', feeds);
    }
    const names = Object.keys(feeds);
    const missing = this.#required.find((name) => !Object.hasOwn(feeds, name));
    const unknown = names.find((name) => !this.#allowed.has(name));
    if (missing === undefined && unknown === undefined) return;
    const wanted = this.#required.map((name) => JSON.stringify(name)).join(', ');
    const came =
      missing === undefined ? `has ${JSON.stringify(unknown)}` : `lacks ${JSON.stringify(missing)}`;
    throw new TypeError(`Expected batches with tensors for the inputs ${wanted} but one ${came}`);
  }
}
