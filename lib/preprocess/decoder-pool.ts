import { resolve } from 'node:path';
import { isUrl } from '../dataset/index.js';
import { Decoder, type DecoderOptions } from './decoder.js';
import { type ReadImageOptions, type ReadResult, readSized } from './image.js';
import { PixelMemory } from './pixel-memory.js';
import type { Recipe } from './recipe.js';

/** As `work`, but rejects with the signal's reason as soon as there is one. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((settle, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const done = () => signal.removeEventListener('abort', onAbort);
    work.then(settle, reject).finally(done);
  });
}

/**
 * Processes that decode images: libvips takes one lock of the process thousands of times an image,
 * so that a process decodes on few cores whatever its number of threads.
 *
 * An image is read in this process in place of another when it comes from an address, while the
 * processes start, when the one that had it ended or no longer answers, and when it cannot be read: so errors are those of
 * {@link readSized}, and with no process left everything works as without a pool.
 */
export class DecoderPool {
  /** Threads that decode, of all processes. */
  readonly threads: number;
  readonly #decoders: Decoder[] = [];
  readonly #queue: ((decoder: Decoder | undefined) => void)[] = [];

  /**
   * @param entry The compiled decoder-process.js.
   * @param processes How many.
   * @param threads Threads of each.
   * @param options What tests change about them.
   */
  constructor(entry: string, processes: number, threads: number, options: DecoderOptions = {}) {
    this.threads = processes * threads;
    try {
      while (this.#decoders.length < processes) {
        this.#decoders.push(new Decoder(entry, threads, () => this.#serve(), options));
      }
    } catch {
      // No more processes or files for this user: those that there are do it, or none.
    }
  }

  /** The processes that have not ended. */
  get pids(): number[] {
    const running = this.#decoders.filter(({ state }) => state !== 'ended');
    return running.map(({ pid }) => pid).filter((pid) => pid !== undefined);
  }

  /** How many processes take images. */
  get ready(): number {
    return this.#decoders.filter(({ state }) => state === 'ready').length;
  }

  /**
   * {@link readSized}, in one of the processes.
   *
   * @param source Path or http(s) address.
   * @param recipe What is done to the image.
   * @param options Root of paths, abort signal.
   * @param memory Gives the memory for the pixels that come from a process.
   */
  async read(
    source: string,
    recipe: Recipe,
    options: ReadImageOptions = {},
    memory = new PixelMemory(),
  ): Promise<ReadResult> {
    const { root = '', signal } = options;
    signal?.throwIfAborted();
    if (isUrl(source)) return readSized(source, recipe, options);
    const path = resolve(root, source);
    const there = this.#elsewhere(
      (decoder) => decoder.decode(path, recipe, signal, memory),
      signal,
    );
    return (await untilAborted(there, signal)) ?? readSized(source, recipe, options);
  }

  /** Ends the processes. What is being read is read in this process. */
  close(): void {
    for (const decoder of this.#decoders) decoder.end();
  }

  /** Never rejects. Room is taken at once: whoever asks next must not find the same. */
  #elsewhere(
    decode: (decoder: Decoder) => Promise<ReadResult | undefined>,
    signal: AbortSignal | undefined,
  ): Promise<ReadResult | undefined> {
    const decoder = this.#roomiest();
    if (decoder !== undefined) return decode(decoder);
    // While processes start, this one would have nothing to do.
    const starting = this.#decoders.some(({ state }) => state === 'starting');
    if (starting || this.ready === 0) return Promise.resolve(undefined);
    return new Promise((settle) => {
      this.#queue.push((free) =>
        settle(free === undefined || signal?.aborted ? undefined : decode(free)),
      );
    });
  }

  /** Gives room to those who wait for it, in order; when there will be none, lets them go. */
  #serve(): void {
    while (this.#queue.length > 0) {
      const decoder = this.#roomiest();
      if (decoder === undefined && this.ready > 0) return;
      this.#queue.shift()!(decoder);
    }
  }

  /** The process with the fewest images, if any takes one more. */
  #roomiest(): Decoder | undefined {
    let best: Decoder | undefined;
    for (const decoder of this.#decoders) {
      if (decoder.free > (best?.free ?? 0)) best = decoder;
    }
    return best;
  }
}
