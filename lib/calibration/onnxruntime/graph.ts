import type * as Ort from 'onnxruntime-node';
import { messageOf, TensorRTError } from '../../errors.js';
import { fromOnnxRuntime, type OnnxRuntime, toOnnxRuntime } from '../../runtime/onnxruntime.js';
import type { NamedTensors, Tensor } from '../../tensor.js';
import type { GraphRunner } from '../graph-runner.js';
import type { JoinedOutputs } from './joined-outputs.js';

/** Runs shorter than this do not gain from threads, which then only keep images from being decoded. */
const SHORT_RUN_MS = 2;

/** The first run also allocates, so the second one is timed. */
const TIMED_RUN = 2;

/** How a session is opened. */
export interface OpenSession {
  /** With one thread. */
  single: boolean;
  /** With the outputs joined. */
  joined: boolean;
}

/** What {@link OnnxRuntimeGraph} needs. */
export interface OnnxRuntimeGraphOptions {
  ort: OnnxRuntime;
  /** What messages call the model. */
  label: string;
  /** The graph with its outputs joined; absent where they stay as they are. */
  joined?: JoinedOutputs;
  /** How the session is opened at first. */
  first: OpenSession;
  /** Opens the graph. */
  open: (how: OpenSession) => Promise<Ort.InferenceSession>;
  /** Whether the number of threads may be changed. */
  adapt: boolean;
}

/** ONNX Runtime's words, line by line. */
export function wordsOf(error: unknown): string[] {
  return messageOf(error)
    .split('\n')
    .filter((line) => line.trim() !== '');
}

/** A session of ONNX Runtime that runs a calibration graph. */
export class OnnxRuntimeGraph implements GraphRunner {
  readonly #options: OnnxRuntimeGraphOptions;
  #how: OpenSession;
  #session: Ort.InferenceSession;
  #runs = 0;
  #released: Promise<void> | undefined;

  private constructor(options: OnnxRuntimeGraphOptions, session: Ort.InferenceSession) {
    this.#options = options;
    this.#how = options.first;
    this.#session = session;
  }

  /** Opens the graph. */
  static async open(options: OnnxRuntimeGraphOptions): Promise<OnnxRuntimeGraph> {
    return new OnnxRuntimeGraph(options, await options.open(options.first));
  }

  async run(feeds: NamedTensors): Promise<NamedTensors> {
    const start = performance.now();
    const results = await this.#run(feeds);
    const milliseconds = performance.now() - start;
    const outputs = this.#outputs(results, feeds);
    if (outputs === undefined) {
      // What the graph declares of its shapes is not so.
      await this.#reopen({ ...this.#how, joined: false });
      return this.run(feeds);
    }
    this.#runs += 1;
    if (this.#runs === TIMED_RUN) await this.#chooseThreads(milliseconds);
    return outputs;
  }

  async #run(feeds: NamedTensors): Promise<Ort.InferenceSession.OnnxValueMapType> {
    const { ort, label } = this.#options;
    try {
      return await this.#session.run(toOnnxRuntime(ort, feeds));
    } catch (error) {
      throw new TensorRTError('INFERENCE_FAILED', `ONNX Runtime could not run ${label}`, {
        remedy: 'See what ONNX Runtime says; shapes that do not fit are the usual reason.',
        detail: wordsOf(error),
        cause: error,
      });
    }
  }

  #outputs(
    results: Ort.InferenceSession.OnnxValueMapType,
    feeds: NamedTensors,
  ): NamedTensors | undefined {
    const outputs: Record<string, Tensor> = Object.create(null);
    for (const name of this.#session.outputNames) {
      outputs[name] = fromOnnxRuntime(results[name]!, name);
      if (this.#how.joined) return this.#options.joined!.split(outputs[name], feeds);
    }
    return outputs;
  }

  async #chooseThreads(milliseconds: number): Promise<void> {
    const single = milliseconds < SHORT_RUN_MS;
    if (!this.#options.adapt || single === this.#how.single) return;
    await this.#reopen({ ...this.#how, single });
  }

  async #reopen(how: OpenSession): Promise<void> {
    const other = await this.#options.open(how);
    await this.#session.release();
    this.#session = other;
    this.#how = how;
  }

  release(): Promise<void> {
    this.#released ??= this.#session.release();
    return this.#released;
  }
}
