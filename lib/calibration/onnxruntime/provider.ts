import type * as Ort from 'onnxruntime-node';
import { defined } from '../../defined.js';
import { messageOf, TensorRTError } from '../../errors.js';
import { byteLength, graphOf, type OnnxModel } from '../../onnx/index.js';
import {
  type GraphOptimizationLevel,
  loadOnnxRuntime,
  onnxRuntimeSessionOptions,
  onnxRuntimeVersion,
} from '../../runtime/onnxruntime.js';
import type { GraphProvider, GraphRunner, InnerTensor, OpenGraphOptions } from '../graph-runner.js';
import { OnnxRuntimeGraph, wordsOf } from './graph.js';
import { joinOutputs } from './joined-outputs.js';
import { probeModel } from './probe.js';
import { sessionModel } from './session-model.js';

/** Options of {@link onnxRuntimeProvider}. */
export interface OnnxRuntimeProviderOptions {
  /** Threads that compute one run; ONNX Runtime chooses by default (one a core). */
  threads?: number;
  /** How far ONNX Runtime may rewrite the graph; `all` by default, as its own default. */
  graphOptimizationLevel?: GraphOptimizationLevel;
}

function labelOf(model: OnnxModel): string {
  return model.path ?? 'the model';
}

/** Runs of a model with less weights than this are most likely short. */
const SMALL_MODEL_BYTES = 2 ** 20;

function weightBytes(model: OnnxModel): number {
  return graphOf(model).initializer.reduce((sum, tensor) => sum + (byteLength(tensor) ?? 0), 0);
}

class OnnxRuntimeProvider implements GraphProvider {
  readonly name = 'onnxruntime-cpu';
  readonly #threads: number | undefined;
  readonly #level: GraphOptimizationLevel;

  constructor(options: OnnxRuntimeProviderOptions) {
    this.#threads = options.threads;
    this.#level = options.graphOptimizationLevel ?? 'all';
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
      session = await this.#create(probeModel(model, names, true), 'disabled', 1).catch(() =>
        // Some operators take their weights as constants only.
        this.#create(probeModel(model, names, false), 'disabled', 1),
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
      const level = options.exact ? 'disabled' : this.#level;
      const joined = joinOutputs(model);
      return await OnnxRuntimeGraph.open({
        ort,
        label: labelOf(model),
        // A guess, so that few models are opened twice; the time of a run decides.
        first: {
          single: weightBytes(model) < SMALL_MODEL_BYTES,
          joined: joined !== undefined,
        },
        open: (how) => {
          const threads = this.#threads ?? (how.single ? 1 : undefined);
          return this.#create(how.joined ? joined!.model : model, level, threads);
        },
        adapt: this.#threads === undefined,
        ...defined({ joined }),
      });
    } catch (error) {
      throw this.#refused(model, error);
    }
  }

  async #create(
    model: OnnxModel,
    level: GraphOptimizationLevel,
    threads?: number,
  ): Promise<Ort.InferenceSession> {
    const ort = await loadOnnxRuntime();
    const options = onnxRuntimeSessionOptions({
      graphOptimizationLevel: level,
      sleepBetweenRuns: true,
      ...defined({ threads, externalDataFolder: model.folder }),
    });
    const { bytes, files } = sessionModel(model);
    if (files.length === 0) return ort.InferenceSession.create(bytes, options);
    return ort.InferenceSession.create(bytes, { ...options, externalData: files });
  }

  #refused(model: OnnxModel, error: unknown): unknown {
    if (error instanceof TensorRTError) return error;
    return new TensorRTError('MODEL_UNSUPPORTED', `ONNX Runtime cannot run ${labelOf(model)}`, {
      remedy: 'Export the model with standard ONNX operators and an opset that it knows.',
      detail: wordsOf(error),
      cause: error,
    });
  }
}

/** Runs calibration graphs on ONNX Runtime's CPU provider; a run holds the calling thread. */
export function onnxRuntimeProvider(options: OnnxRuntimeProviderOptions = {}): GraphProvider {
  return new OnnxRuntimeProvider(options);
}
