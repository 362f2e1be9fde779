import type * as Ort from 'onnxruntime-node';
import { messageOf, TensorRTError } from '../../errors.js';
import type { OnnxModel } from '../../onnx/index.js';
import {
  fromOnnxRuntime,
  loadOnnxRuntime,
  type OnnxRuntime,
  onnxRuntimeSessionOptions,
  onnxRuntimeVersion,
  toOnnxRuntime,
} from '../../runtime/onnxruntime.js';
import type { NamedTensors, Tensor } from '../../tensor.js';
import type { GraphProvider, GraphRunner, InnerTensor, OpenGraphOptions } from '../graph-runner.js';
import { encodeForSession } from './encode.js';
import { probeModel } from './probe.js';

/** Options of {@link onnxRuntimeProvider}. */
export interface OnnxRuntimeProviderOptions {
  /** Threads that compute one run; ONNX Runtime chooses by default (one a core). */
  threads?: number;
}

type Level = 'disabled' | 'all';

function words(error: unknown): string[] {
  return messageOf(error)
    .split('\n')
    .filter((line) => line.trim() !== '');
}

function labelOf(model: OnnxModel): string {
  return model.path ?? 'the model';
}

class OnnxRuntimeGraph implements GraphRunner {
  readonly #ort: OnnxRuntime;
  readonly #session: Ort.InferenceSession;
  readonly #label: string;
  #released: Promise<void> | undefined;

  constructor(ort: OnnxRuntime, session: Ort.InferenceSession, label: string) {
    this.#ort = ort;
    this.#session = session;
    this.#label = label;
  }

  async run(feeds: NamedTensors): Promise<NamedTensors> {
    let results: Ort.InferenceSession.OnnxValueMapType;
    try {
      results = await this.#session.run(toOnnxRuntime(this.#ort, feeds));
    } catch (error) {
      throw new TensorRTError('INFERENCE_FAILED', `ONNX Runtime could not run ${this.#label}`, {
        remedy: 'See what ONNX Runtime says; shapes that do not fit are the usual reason.',
        detail: words(error),
        cause: error,
      });
    }
    const outputs: Record<string, Tensor> = Object.create(null);
    for (const name of this.#session.outputNames) {
      outputs[name] = fromOnnxRuntime(results[name]!, name);
    }
    return outputs;
  }

  release(): Promise<void> {
    this.#released ??= this.#session.release();
    return this.#released;
  }
}

class OnnxRuntimeProvider implements GraphProvider {
  readonly name = 'onnxruntime-cpu';
  readonly #threads: number | undefined;

  constructor(options: OnnxRuntimeProviderOptions) {
    this.#threads = options.threads;
  }

  async versions(): Promise<Record<string, string>> {
    return { onnxruntime: await onnxRuntimeVersion() };
  }

  async describe(
    model: OnnxModel,
    names: readonly string[],
  ): Promise<ReadonlyMap<string, InnerTensor>> {
    const found = new Map<string, InnerTensor>();
    await this.#describe(model, names, found);
    return found;
  }

  async #describe(
    model: OnnxModel,
    names: readonly string[],
    found: Map<string, InnerTensor>,
  ): Promise<void> {
    if (names.length === 0) return;
    let session: Ort.InferenceSession;
    try {
      session = await this.#create(probeModel(model, names, true), 'disabled').catch(() =>
        // Some operators take their weights as constants only.
        this.#create(probeModel(model, names, false), 'disabled'),
      );
    } catch (error) {
      if (!/Unsupported data type/.test(messageOf(error))) throw this.#refused(model, error);
      // One of the types is none of JavaScript's (bfloat16, say): halving finds which.
      if (names.length === 1) return;
      const half = names.length >> 1;
      await this.#describe(model, names.slice(0, half), found);
      await this.#describe(model, names.slice(half), found);
      return;
    }
    for (const value of session.outputMetadata) {
      if (value.isTensor) found.set(value.name, { type: value.type, shape: value.shape });
    }
    await session.release();
  }

  async open(model: OnnxModel, options: OpenGraphOptions): Promise<GraphRunner> {
    const ort = await loadOnnxRuntime();
    try {
      const session = await this.#create(model, options.exact ? 'disabled' : 'all');
      return new OnnxRuntimeGraph(ort, session, labelOf(model));
    } catch (error) {
      throw this.#refused(model, error);
    }
  }

  async #create(model: OnnxModel, level: Level): Promise<Ort.InferenceSession> {
    const ort = await loadOnnxRuntime();
    const options = onnxRuntimeSessionOptions({
      graphOptimizationLevel: level,
      ...(this.#threads === undefined ? {} : { threads: this.#threads }),
      ...(model.folder === undefined ? {} : { externalDataFolder: model.folder }),
    });
    return ort.InferenceSession.create(encodeForSession(model), options);
  }

  #refused(model: OnnxModel, error: unknown): unknown {
    if (error instanceof TensorRTError) return error;
    return new TensorRTError('MODEL_UNSUPPORTED', `ONNX Runtime cannot run ${labelOf(model)}`, {
      remedy: 'Export the model with standard ONNX operators and an opset that it knows.',
      detail: words(error),
      cause: error,
    });
  }
}

/** Runs calibration graphs on ONNX Runtime's CPU provider; a run holds the calling thread. */
export function onnxRuntimeProvider(options: OnnxRuntimeProviderOptions = {}): GraphProvider {
  return new OnnxRuntimeProvider(options);
}
