import type * as Ort from 'onnxruntime-node';
import { defined } from '../defined.js';
import { messageOf, systemCode, TensorRTError } from '../errors.js';
import { type NamedTensors, TENSOR_ARRAYS, Tensor, type TensorType } from '../tensor.js';

/** The module `onnxruntime-node`. */
export type OnnxRuntime = typeof Ort;

let loaded: Promise<OnnxRuntime> | undefined;

/**
 * Loads the optional peer dependency onnxruntime-node; the module is kept once it is loaded.
 *
 * @param load How the module is imported: tests of the missing module give their own.
 * @throws TensorRTError `ONNXRUNTIME_MISSING` when it is not installed, or does not load here.
 */
export async function loadOnnxRuntime(
  load: () => Promise<OnnxRuntime> = () => import('onnxruntime-node'),
): Promise<OnnxRuntime> {
  if (loaded !== undefined) return loaded;
  const attempt = load().then(moduleOf, (error: unknown): never => {
    const absent = /MODULE_NOT_FOUND$/.test(systemCode(error) ?? '');
    throw new TensorRTError(
      'ONNXRUNTIME_MISSING',
      absent
        ? 'The package onnxruntime-node is not installed'
        : `The package onnxruntime-node does not load: ${messageOf(error)}`,
      {
        remedy: absent
          ? 'Run: npm install onnxruntime-node'
          : 'Reinstall it for this platform: npm install onnxruntime-node',
        cause: error,
      },
    );
  });
  // A failure is not kept: the package may be installed while a long-lived process runs.
  const module = await attempt;
  loaded = attempt;
  return module;
}

/** A CommonJS module comes under `default`; its names beside that depend on how Node reads it. */
function moduleOf(imported: unknown): OnnxRuntime {
  const { default: whole } = imported as { default?: OnnxRuntime };
  return whole ?? (imported as OnnxRuntime);
}

/**
 * Version of the ONNX Runtime library that is loaded, such as `1.30.0`.
 *
 * @throws TensorRTError `ONNXRUNTIME_MISSING`.
 */
export async function onnxRuntimeVersion(): Promise<string> {
  const { env } = await loadOnnxRuntime();
  return env.versions.node ?? env.versions.common;
}

/** How far ONNX Runtime may rewrite a graph, by its own names. */
export const GRAPH_OPTIMIZATION_LEVELS = ['disabled', 'basic', 'extended', 'all'] as const;

/** One of {@link GRAPH_OPTIMIZATION_LEVELS}. */
export type GraphOptimizationLevel = (typeof GRAPH_OPTIMIZATION_LEVELS)[number];

/** Options of {@link onnxRuntimeSessionOptions}. */
export interface OnnxRuntimeOptions {
  /** Threads that compute one run; ONNX Runtime chooses by default (one a core). */
  threads?: number;
  /** How far ONNX Runtime may rewrite the graph; `all` by default, as its own default. */
  graphOptimizationLevel?: GraphOptimizationLevel;
  /** Folder of a model's external data, for a model that is given as bytes. */
  externalDataFolder?: string;
  /**
   * Let ONNX Runtime's threads sleep between runs. By default they go on spinning for a while, in
   * the hope of another run, which takes processors from whoever prepares the next input.
   */
  sleepBetweenRuns?: boolean;
}

/** ONNX Runtime prints its errors to stderr; they come in ours here, so it is told not to. */
const FATAL_ONLY = 4;

/** The session options that everything here runs ONNX Runtime's CPU provider with. */
export function onnxRuntimeSessionOptions(
  options: OnnxRuntimeOptions = {},
): Ort.InferenceSession.SessionOptions {
  const { threads, graphOptimizationLevel = 'all' } = options;
  const session: Record<string, string> = {};
  if (options.externalDataFolder !== undefined) {
    session.model_external_initializers_file_folder_path = options.externalDataFolder;
  }
  if (options.sleepBetweenRuns === true) session.force_spinning_stop = '1';
  return {
    executionProviders: ['cpu'],
    graphOptimizationLevel,
    logSeverityLevel: FATAL_ONLY,
    ...defined({ intraOpNumThreads: threads }),
    ...(Object.keys(session).length === 0 ? {} : { extra: { session } }),
  };
}

/** Tensors as ONNX Runtime takes them; the data is shared, not copied. */
export function toOnnxRuntime(ort: OnnxRuntime, tensors: NamedTensors): Record<string, Ort.Tensor> {
  // Without a prototype, `__proto__` is a name like any other.
  const feeds: Record<string, Ort.Tensor> = Object.create(null);
  for (const name of Object.keys(tensors)) {
    const { type, data, dims } = tensors[name]!;
    feeds[name] = new ort.Tensor(type, data, dims);
  }
  return feeds;
}

/**
 * A tensor that ONNX Runtime gave back; the data is shared, not copied. Float16 comes as its bits,
 * also where the JavaScript engine has a `Float16Array`.
 *
 * @throws TensorRTError `MODEL_UNSUPPORTED` for an element type that {@link Tensor} does not have.
 */
export function fromOnnxRuntime(value: Ort.Tensor, name = 'a tensor'): Tensor {
  const { type, dims } = value;
  if (!Object.hasOwn(TENSOR_ARRAYS, type)) {
    throw new TensorRTError('MODEL_UNSUPPORTED', `${name} is of type ${type}`, {
      remedy: `Use a model whose tensors are ${Object.keys(TENSOR_ARRAYS).join(', ')}.`,
    });
  }
  const data = value.data as unknown as Uint16Array<ArrayBuffer>;
  const array = TENSOR_ARRAYS[type as TensorType];
  const typed =
    data instanceof array ? data : new Uint16Array(data.buffer, data.byteOffset, data.length);
  return new Tensor(type as TensorType, typed as Tensor['data'], dims);
}
