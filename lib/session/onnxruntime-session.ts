import { stat } from 'node:fs/promises';
import type * as Ort from 'onnxruntime-node';
import { expected, integer, oneOf } from '../arguments.js';
import { defined } from '../defined.js';
import { messageOf, TensorRTError } from '../errors.js';
import {
  fromOnnxRuntime,
  GRAPH_OPTIMIZATION_LEVELS,
  type GraphOptimizationLevel,
  loadOnnxRuntime,
  onnxRuntimeSessionOptions,
  toOnnxRuntime,
} from '../runtime/onnxruntime.js';
import { type NamedTensors, TENSOR_ARRAYS, type TensorType } from '../tensor.js';
import { checkFeeds, checkFetches } from './feeds.js';
import { Lifetime } from './lifetime.js';
import type { ModelSession, RunOptions, ValueMetadata } from './model-session.js';

/** Options of {@link openOnnxRuntimeSession}. */
export interface OnnxRuntimeSessionOptions {
  /** Threads that compute one run; ONNX Runtime chooses by default (one a core). */
  threads?: number;
  /** How far ONNX Runtime may rewrite the graph; `all` by default, as its own default. */
  graphOptimizationLevel?: GraphOptimizationLevel;
}

/**
 * On x86 processors without VNNI, ONNX Runtime's default int8 kernels add pairs of products in 16
 * bits and saturate: the digits model fell from 95 to 18 of 100 right. This makes it take the exact
 * ones there; elsewhere it changes nothing.
 */
const EXACT_INT8 = { x64quantprecision: '1' };

function metadata(
  values: readonly Ort.InferenceSession.ValueMetadata[],
  kind: 'input' | 'output',
  label: string,
): ValueMetadata[] {
  return values.map((value) => {
    const type = value.isTensor ? value.type : 'no tensor';
    if (!value.isTensor || !Object.hasOwn(TENSOR_ARRAYS, type)) {
      throw new TensorRTError(
        'MODEL_UNSUPPORTED',
        `${label}: ${kind} ${JSON.stringify(value.name)} is of type ${type}`,
        { remedy: `Use a model whose ${kind}s are ${Object.keys(TENSOR_ARRAYS).join(', ')}.` },
      );
    }
    // ONNX Runtime leaves a dimension without a name empty; every one is shown as something.
    const shape = value.shape.map((dim) => (dim === '' ? '?' : dim));
    return { name: value.name, type: type as TensorType, shape };
  });
}

function openFailed(label: string, error: unknown): TensorRTError {
  const words = messageOf(error);
  const detail = words.split('\n').filter((line) => line.trim() !== '');
  const options = { detail, cause: error };
  if (/external (data|initializer)/i.test(words)) {
    return new TensorRTError(
      'MODEL_EXTERNAL_DATA',
      `The external weights of ${label} cannot be read`,
      { remedy: 'Put the file of the weights beside the model, under its own name.', ...options },
    );
  }
  if (
    /not implemented|NOT_IMPLEMENTED|not a registered|no op registered|opset \d+ is under/i.test(
      words,
    )
  ) {
    return new TensorRTError('MODEL_UNSUPPORTED', `ONNX Runtime cannot run ${label}`, {
      remedy: 'Export the model with standard ONNX operators and an opset that it knows.',
      ...options,
    });
  }
  return new TensorRTError('MODEL_INVALID', `ONNX Runtime cannot load ${label}`, {
    remedy: 'Check that the file is a complete ONNX model.',
    ...options,
  });
}

class OnnxRuntimeSession implements ModelSession {
  readonly inputs: readonly ValueMetadata[];
  readonly outputs: readonly ValueMetadata[];
  readonly provider = 'onnxruntime-cpu';
  readonly #ort: typeof Ort;
  readonly #session: Ort.InferenceSession;
  readonly #lifetime: Lifetime;
  readonly #label: string;

  constructor(ort: typeof Ort, session: Ort.InferenceSession, label: string) {
    this.inputs = metadata(session.inputMetadata, 'input', label);
    this.outputs = metadata(session.outputMetadata, 'output', label);
    this.#ort = ort;
    this.#session = session;
    this.#label = label;
    this.#lifetime = new Lifetime(() => session.release());
  }

  run(
    feeds: NamedTensors,
    fetches?: readonly string[],
    options: RunOptions = {},
  ): Promise<NamedTensors> {
    return this.#lifetime.use(async () => {
      options.signal?.throwIfAborted();
      checkFeeds(this.inputs, feeds);
      const names = checkFetches(this.outputs, fetches);
      const outputs = await this.#compute(feeds, names);
      options.signal?.throwIfAborted();
      return outputs;
    });
  }

  async #compute(feeds: NamedTensors, names: readonly string[]): Promise<NamedTensors> {
    try {
      const results = await this.#session.run(toOnnxRuntime(this.#ort, feeds), names);
      return Object.fromEntries(names.map((name) => [name, fromOnnxRuntime(results[name]!, name)]));
    } catch (error) {
      throw new TensorRTError('INFERENCE_FAILED', `ONNX Runtime could not run ${this.#label}`, {
        remedy: 'See what ONNX Runtime says; shapes that do not fit are the usual reason.',
        detail: messageOf(error).split('\n'),
        cause: error,
      });
    }
  }

  release(): Promise<void> {
    return this.#lifetime.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}

/**
 * Opens a model on ONNX Runtime's CPU provider. The work of a run is done on the calling thread:
 * the event loop waits for it.
 *
 * @param model Path of the .onnx file (external weights are found beside it), or its bytes.
 * @param options Threads, graph optimization.
 * @throws TensorRTError `ONNXRUNTIME_MISSING`; `MODEL_NOT_FOUND`, `MODEL_INVALID`,
 *   `MODEL_UNSUPPORTED`, `MODEL_EXTERNAL_DATA` with ONNX Runtime's own words in `detail`.
 */
export async function openOnnxRuntimeSession(
  model: string | Uint8Array,
  options: OnnxRuntimeSessionOptions = {},
): Promise<ModelSession> {
  if (typeof model !== 'string' && !(model instanceof Uint8Array)) {
    throw expected('model', 'a path or a Uint8Array', model);
  }
  if (options.threads !== undefined) integer('threads', options.threads, 1, 1024);
  if (options.graphOptimizationLevel !== undefined) {
    oneOf('graphOptimizationLevel', options.graphOptimizationLevel, GRAPH_OPTIMIZATION_LEVELS);
  }
  const label = typeof model === 'string' ? model : 'the model';
  if (typeof model === 'string') await checkFile(model);
  const ort = await loadOnnxRuntime();
  const { extra, ...rest } = onnxRuntimeSessionOptions(options);
  const sessionOptions = {
    ...rest,
    extra: { ...extra, session: { ...(extra?.session as object | undefined), ...EXACT_INT8 } },
  };
  let session: Ort.InferenceSession;
  try {
    session =
      typeof model === 'string'
        ? await ort.InferenceSession.create(model, sessionOptions)
        : await ort.InferenceSession.create(model, sessionOptions);
  } catch (error) {
    throw openFailed(label, error);
  }
  try {
    return new OnnxRuntimeSession(ort, session, label);
  } catch (error) {
    await session.release();
    throw error;
  }
}

async function checkFile(path: string): Promise<void> {
  let problem: string | undefined;
  let cause: unknown;
  try {
    if ((await stat(path)).isDirectory()) problem = 'it is a folder';
  } catch (error) {
    problem = messageOf(error);
    cause = error;
  }
  if (problem !== undefined) {
    throw new TensorRTError('MODEL_NOT_FOUND', `Cannot read the model ${path}: ${problem}`, {
      remedy: 'Give the path of an .onnx file that can be read.',
      ...defined({ cause }),
    });
  }
}
