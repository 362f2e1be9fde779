import { open } from 'node:fs/promises';
import { findModel } from '../dataset/index.js';
import { readPlanHeader } from '../engine/index.js';
import { TensorRTError } from '../errors.js';
import {
  type ModelSession,
  type OnnxRuntimeSessionOptions,
  openOnnxRuntimeSession,
} from '../session/index.js';
import type { Tensor } from '../tensor.js';
import { type ImageInput, imageFeeds, imageInput } from './image-input.js';
import {
  areProbabilities,
  confidences,
  readScores,
  scoresOutput,
  staticClasses,
} from './scores.js';

/** A model by path or bytes, or a session that is open already and stays the caller's. */
export type ModelSource = string | Uint8Array | ModelSession;

/** How to open and read a classifier. */
export interface ClassifierOptions extends OnnxRuntimeSessionOptions {
  /** Output that holds one number a class; the first floating-point one by default. */
  output?: string;
  /** The model's name in messages and results; its path by default. */
  label?: string;
}

/** One image's answer. */
export interface ImageScores {
  /** The model's numbers as they came, one a class. */
  scores: Float32Array | Float64Array;
  /** The same as probabilities. */
  confidence: Float64Array;
}

/** A session of an image classifier. */
export class Classifier {
  /** The model, for messages: its path. */
  readonly label: string;
  /** What runs it. */
  readonly provider: string;
  /** Its image input. */
  readonly input: ImageInput;
  /** Number of classes when the model fixes it. */
  readonly classes: number | undefined;
  /** Milliseconds spent in the model so far. */
  inferenceMs = 0;
  readonly #session: ModelSession;
  readonly #owned: boolean;
  readonly #output: string;
  #softmax = false;

  constructor(session: ModelSession, label: string, owned: boolean, output?: string) {
    this.label = label;
    this.provider = session.provider;
    this.input = imageInput(session.inputs, label);
    const scores = scoresOutput(session.outputs, output, label);
    this.classes = staticClasses(scores);
    this.#session = session;
    this.#owned = owned;
    this.#output = scores.name;
  }

  /** Whether softmax was applied, because the outputs were no probabilities; known after a run. */
  get softmaxApplied(): boolean {
    return this.#softmax;
  }

  /**
   * Runs one batch.
   *
   * @param batch float32 [n, 3, height, width]; may be reused by the caller afterwards.
   * @param signal Stops before or after the run.
   * @returns An answer for each of the n images.
   */
  async run(batch: Tensor<'float32'>, signal?: AbortSignal): Promise<ImageScores[]> {
    const start = performance.now();
    const outputs = await this.#session.run(
      imageFeeds(this.input, batch),
      [this.#output],
      signal === undefined ? {} : { signal },
    );
    this.inferenceMs += performance.now() - start;
    const rows = this.input.batch ?? batch.dims[0]!;
    const scores = readScores(outputs[this.#output]!, rows, this.label);
    // Once an image has shown that the outputs are no probabilities, none of this model's are.
    this.#softmax ||= !areProbabilities(scores);
    return Array.from({ length: batch.dims[0]! }, (_, row) => ({
      scores: scores.values.slice(row * scores.classes, (row + 1) * scores.classes),
      confidence: confidences(scores, row, this.#softmax),
    }));
  }

  /** Releases the session when it was opened here. */
  async release(): Promise<void> {
    if (this.#owned) await this.#session.release();
  }
}

function isSession(model: ModelSource): model is ModelSession {
  return typeof model === 'object' && !(model instanceof Uint8Array) && 'run' in model;
}

/** Path of a model, when it has one: where recipes and labels are looked for. */
export function modelPath(model: ModelSource): string | undefined {
  return typeof model === 'string' ? model : undefined;
}

/**
 * The model itself when a folder was given; anything else as it is.
 *
 * @throws TensorRTError `MODEL_NOT_FOUND`; `MODULE_MISSING` for an engine, which needs a session on
 *   the GPU.
 */
export async function resolveModel(model: ModelSource): Promise<ModelSource> {
  if (typeof model !== 'string') return model;
  const path = await findModel(model);
  const handle = await open(path);
  try {
    const { buffer } = await handle.read(Buffer.alloc(32), 0, 32, 0);
    if (readPlanHeader(buffer) === undefined) return path;
  } finally {
    await handle.close();
  }
  throw new TensorRTError(
    'MODULE_MISSING',
    `${path} is a TensorRT engine, and this release has no session that runs one on a GPU`,
    { remedy: 'Give the ONNX model: it runs on ONNX Runtime.' },
  );
}

/**
 * Opens a classifier on ONNX Runtime, or takes a session that is open.
 *
 * @param model Path, bytes or session.
 * @param options Threads, output, name.
 * @throws TensorRTError as {@link openOnnxRuntimeSession}, and `MODEL_UNSUPPORTED` for a model that is
 *   no image classifier.
 */
export async function openClassifier(
  model: ModelSource,
  options: ClassifierOptions = {},
): Promise<Classifier> {
  const { output, label: name, ...sessionOptions } = options;
  const label = name ?? modelPath(model) ?? 'the model';
  if (isSession(model)) return new Classifier(model, label, false, output);
  const session = await openOnnxRuntimeSession(model, sessionOptions);
  try {
    return new Classifier(session, label, true, output);
  } catch (error) {
    await session.release();
    throw error;
  }
}
