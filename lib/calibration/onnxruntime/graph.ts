import type * as Ort from 'onnxruntime-node';
import { messageOf, TensorRTError } from '../../errors.js';
import { fromOnnxRuntime, type OnnxRuntime, toOnnxRuntime } from '../../runtime/onnxruntime.js';
import type { NamedTensors, Tensor } from '../../tensor.js';
import type { GraphRunner } from '../graph-runner.js';

/** Runs shorter than this do not gain from threads, which then only keep images from being decoded. */
const SHORT_RUN_MS = 2;

/** The first run also allocates, so the second one is timed. */
const TIMED_RUN = 2;

/** What {@link OnnxRuntimeGraph} needs. */
export interface OnnxRuntimeGraphOptions {
  ort: OnnxRuntime;
  session: Ort.InferenceSession;
  /** What messages call the model. */
  label: string;
  /** Whether the session has one thread. */
  single: boolean;
  /** Opens the same graph with one thread, or many; absent when threads are not to be changed. */
  reopen?: (single: boolean) => Promise<Ort.InferenceSession>;
}

/** ONNX Runtime's words, line by line. */
export function wordsOf(error: unknown): string[] {
  return messageOf(error)
    .split('\n')
    .filter((line) => line.trim() !== '');
}

/** A session of ONNX Runtime that runs a calibration graph. */
export class OnnxRuntimeGraph implements GraphRunner {
  readonly #ort: OnnxRuntime;
  readonly #label: string;
  #session: Ort.InferenceSession;
  readonly #single: boolean;
  readonly #reopen: ((single: boolean) => Promise<Ort.InferenceSession>) | undefined;
  #runs = 0;
  #released: Promise<void> | undefined;

  constructor({ ort, session, label, single, reopen }: OnnxRuntimeGraphOptions) {
    this.#ort = ort;
    this.#session = session;
    this.#label = label;
    this.#single = single;
    this.#reopen = reopen;
  }

  async run(feeds: NamedTensors): Promise<NamedTensors> {
    let results: Ort.InferenceSession.OnnxValueMapType;
    const start = performance.now();
    try {
      results = await this.#session.run(toOnnxRuntime(this.#ort, feeds));
    } catch (error) {
      throw new TensorRTError('INFERENCE_FAILED', `ONNX Runtime could not run ${this.#label}`, {
        remedy: 'See what ONNX Runtime says; shapes that do not fit are the usual reason.',
        detail: wordsOf(error),
        cause: error,
      });
    }
    const outputs: Record<string, Tensor> = Object.create(null);
    for (const name of this.#session.outputNames) {
      outputs[name] = fromOnnxRuntime(results[name]!, name);
    }
    this.#runs += 1;
    if (this.#runs === TIMED_RUN) await this.#chooseThreads(performance.now() - start);
    return outputs;
  }

  async #chooseThreads(milliseconds: number): Promise<void> {
    const single = milliseconds < SHORT_RUN_MS;
    if (this.#reopen === undefined || single === this.#single) return;
    const other = await this.#reopen(single);
    await this.#session.release();
    this.#session = other;
  }

  release(): Promise<void> {
    this.#released ??= this.#session.release();
    return this.#released;
  }
}
