import type { Batches } from '../../calibration/index.js';
import type { TensorDescription } from '../../runtime/index.js';
import type { NamedTensors, TensorData } from '../../tensor.js';
import { BatchChecker } from './batch.js';

/** Where a pump hands batches to. */
export interface BatchSink {
  /** Offers a batch; its memory is read until `copied` is called on the pump. */
  supply(data: TensorData[], shapes: readonly (readonly number[])[]): void;
  /** There are no more batches. */
  end(): void;
}

/** What a pump tells. */
export interface PumpEvents {
  /** The number of rows handed over so far. */
  onRows(rows: number): void;
  /** The source, or a batch of it, was not what it should be; the pump has stopped. */
  onError(error: unknown): void;
}

/**
 * Pulls batches from their source and offers them, one at a time: the next one is asked for when the
 * last one has been copied. The first one is asked for at once, so that images are decoded while
 * TensorRT is still reading the model.
 */
export class BatchPump {
  readonly #iterator: AsyncIterator<NamedTensors> | Iterator<NamedTensors>;
  readonly #lastBatch: 'pad' | 'drop';
  readonly #sink: BatchSink;
  readonly #events: PumpEvents;
  #ahead: Promise<IteratorResult<NamedTensors>> | undefined;
  #checker: BatchChecker | undefined;
  #offered = 0;
  #rows = 0;
  #ended = false;
  #closed = false;

  constructor(source: Batches, lastBatch: 'pad' | 'drop', sink: BatchSink, events: PumpEvents) {
    this.#iterator =
      Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
    this.#lastBatch = lastBatch;
    this.#sink = sink;
    this.#events = events;
    this.#ahead = this.#pull();
    // It is looked at when the inputs are known, or never.
    this.#ahead.catch(() => {});
  }

  /** Rows that were handed over. */
  get rows(): number {
    return this.#rows;
  }

  /** Rows added to the last batch, rows left out with it, and the shapes of all batches. */
  get summary(): Pick<BatchChecker, 'paddedRows' | 'droppedRows' | 'shapes'> {
    const { paddedRows = 0, droppedRows = 0, shapes = {} } = this.#checker ?? {};
    return { paddedRows, droppedRows, shapes };
  }

  /** The network's inputs are known: the first batch is wanted. */
  begin(inputs: readonly TensorDescription[]): void {
    this.#checker = new BatchChecker(inputs, this.#lastBatch);
    void this.#advance();
  }

  /** The batch on offer was copied: its memory is the source's again, and the next one is wanted. */
  copied(): void {
    this.#rows += this.#offered;
    this.#events.onRows(this.#rows);
    void this.#advance();
  }

  /** No batch is wanted any more: ends the source. What that throws is of no interest then. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#ended) return;
    try {
      // Not waited for: a source that hangs must not keep its caller waiting.
      Promise.resolve(this.#iterator.return?.()).catch(() => {});
    } catch {}
  }

  async #pull(): Promise<IteratorResult<NamedTensors>> {
    try {
      const result = await this.#iterator.next();
      if (result.done === true) this.#ended = true;
      return result;
    } catch (error) {
      // As in a loop: a source that has thrown is not told to end.
      this.#ended = true;
      throw error;
    }
  }

  async #advance(): Promise<void> {
    try {
      for (;;) {
        const result = await (this.#ahead ?? this.#pull());
        this.#ahead = undefined;
        if (this.#closed) return;
        if (result.done === true) {
          this.#sink.end();
          return;
        }
        const batch = this.#checker!.check(result.value);
        if (batch === undefined) continue;
        this.#offered = batch.rows;
        this.#sink.supply(batch.data, batch.shapes);
        return;
      }
    } catch (error) {
      if (!this.#closed) this.#events.onError(error);
    }
  }
}
