import { open } from 'node:fs/promises';
import { oneOf } from '../arguments.js';
import { findModel } from '../dataset/index.js';
import { defined } from '../defined.js';
import { readPlanHeader } from '../engine/index.js';
import type { FoundSize, Recipe } from '../preprocess/index.js';
import type { LongCallOptions } from '../progress.js';
import {
  InferenceSession,
  type ModelSession,
  type OnnxRuntimeSessionOptions,
  openOnnxRuntimeSession,
} from '../session/index.js';
import type { TaskBatch } from './batches.js';
import { type ImageInput, imageFeeds, imageInput } from './image-input.js';
import {
  buildAndOpen,
  type EngineOptions,
  type KnownEngine,
  knownEngine,
  openEngine,
  tensorrtProblem,
} from './open-engine.js';
import { type OwnedMemory, ordinaryMemory } from './pipeline.js';
import {
  areProbabilities,
  confidences,
  readScores,
  scoresOutput,
  staticClasses,
} from './scores.js';

/**
 * A model: an ONNX model or a TensorRT engine by path or bytes, or a session that is open already and
 * stays the caller's.
 */
export type ModelSource = string | Uint8Array | ModelSession;

/** How to open and read a classifier. */
export interface ClassifierOptions extends OnnxRuntimeSessionOptions, EngineOptions {
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
  /** Runs to keep in flight. */
  readonly concurrency: number;
  /** Milliseconds in which at least one run was under way so far. */
  inferenceMs = 0;
  readonly #session: ModelSession;
  readonly #owned: boolean;
  readonly #output: string;
  #softmax = false;
  #running = 0;
  #since = 0;

  constructor(session: ModelSession, label: string, owned: boolean, output?: string) {
    this.label = label;
    this.provider = session.provider;
    this.concurrency = session.concurrency ?? 1;
    this.input = imageInput(
      session.inputs,
      label,
      session instanceof InferenceSession ? session.profiles : [],
    );
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
   * Memory for batches of this model: page-locked where the GPU reads it.
   *
   * @param bytes Its size.
   */
  allocate(bytes: number): OwnedMemory {
    const session = this.#session;
    if (!(session instanceof InferenceSession)) return ordinaryMemory(bytes);
    try {
      return session.createPinnedTensor('uint8', [bytes]);
    } catch {
      // Page-locked memory is scarce, and ordinary memory does as well, only slower.
      return ordinaryMemory(bytes);
    }
  }

  /**
   * Runs one batch.
   *
   * @param batch float32 [n, 3, height, width] or uint8 [n, height, width, 3]; left alone until the
   *   answers are there.
   * @param signal Stops before or after the run.
   * @param recipe How bytes become floats; needed where bytes are fed to a model of floats.
   * @returns An answer for each of the n images.
   */
  async run(
    batch: TaskBatch['tensor'],
    signal?: AbortSignal,
    recipe?: Recipe,
  ): Promise<ImageScores[]> {
    const feeds = imageFeeds(this.input, batch, recipe);
    const rows = feeds[this.input.name]!.dims[0]!;
    const outputs = await this.#timed(() =>
      this.#session.run(feeds, [this.#output], defined({ signal })),
    );
    const scores = readScores(outputs[this.#output]!, rows, this.label);
    // Once an image has shown that the outputs are no probabilities, none of this model's are.
    this.#softmax ||= !areProbabilities(scores);
    return Array.from({ length: batch.dims[0]! }, (_, row) => ({
      scores: scores.values.slice(row * scores.classes, (row + 1) * scores.classes),
      confidence: confidences(scores, row, this.#softmax),
    }));
  }

  async #timed<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running === 0) this.#since = performance.now();
    this.#running += 1;
    try {
      return await work();
    } finally {
      this.#running -= 1;
      if (this.#running === 0) this.inferenceMs += performance.now() - this.#since;
    }
  }

  /** Releases the session when it was opened here. */
  async release(): Promise<void> {
    if (this.#owned) await this.#session.release();
  }
}

function isSession(model: ModelSource): model is ModelSession {
  return typeof model === 'object' && !(model instanceof Uint8Array) && 'run' in model;
}

/** A model as a task found it. */
export interface ResolvedModel {
  source: ModelSource;
  /** Its path, when it has one: where recipes and labels are looked for. */
  path?: string;
  /** What is known of it when it is an engine. */
  engine?: KnownEngine;
}

async function isPlan(path: string): Promise<boolean> {
  const handle = await open(path);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(32), 0, 32, 0);
    return readPlanHeader(buffer.subarray(0, bytesRead)) !== undefined;
  } finally {
    await handle.close();
  }
}

/**
 * The model itself when a folder was given, and what lies beside an engine.
 *
 * @throws TensorRTError `MODEL_NOT_FOUND`; `ENGINE_INVALID` for an engine that its manifest does not
 *   describe.
 */
export async function resolveModel(model: ModelSource): Promise<ResolvedModel> {
  if (isSession(model)) return { source: model };
  const source = typeof model === 'string' ? await findModel(model) : model;
  const engine = await knownEngine(source, isPlan);
  return {
    source,
    ...(typeof source === 'string' ? { path: source } : {}),
    ...defined({ engine }),
  };
}

/** The images that a classifier is opened for. */
export interface ClassifierImages extends LongCallOptions {
  /** Images in one run. */
  batch?: number;
  /** The sizes of the images, the most frequent first; asked for where the model leaves them open. */
  sizes: () => Promise<readonly FoundSize[]>;
}

async function openSession(
  source: string | Uint8Array,
  label: string,
  engine: KnownEngine | undefined,
  options: Omit<ClassifierOptions, 'output' | 'label'>,
  images: ClassifierImages,
): Promise<ModelSession> {
  const { threads, graphOptimizationLevel, provider = 'onnxruntime', ...engineOptions } = options;
  if (engine !== undefined) return openEngine(engine, engineOptions);
  const onGpu =
    provider === 'tensorrt' ||
    (provider === 'auto' && (await tensorrtProblem(engineOptions)) === undefined);
  if (onGpu) return buildAndOpen(source, label, engineOptions, images);
  return openOnnxRuntimeSession(source, {
    ...defined({ threads, graphOptimizationLevel }),
  });
}

/**
 * Opens a classifier on what is to run it, or takes a session that is open.
 *
 * @param model A model, or what {@link resolveModel} found.
 * @param options Provider, threads, engines, output, name.
 * @param images What it is opened for; by default one size that the model fixes.
 * @throws TensorRTError as {@link openOnnxRuntimeSession}, {@link buildAndOpen} and
 *   {@link openEngine}; `MODEL_UNSUPPORTED` for a model that is no image classifier.
 */
export async function openClassifier(
  model: ModelSource | ResolvedModel,
  options: ClassifierOptions = {},
  images: ClassifierImages = { sizes: async () => [] },
): Promise<Classifier> {
  const { source, path, engine } =
    typeof model === 'object' && 'source' in model ? model : await resolveModel(model);
  const { output, label: name, ...sessionOptions } = options;
  oneOf('provider', options.provider ?? 'onnxruntime', ['onnxruntime', 'tensorrt', 'auto']);
  const label = name ?? path ?? 'the model';
  if (isSession(source)) return new Classifier(source, label, false, output);
  const session = await openSession(source, label, engine, sessionOptions, images);
  try {
    return new Classifier(session, label, true, output);
  } catch (error) {
    await session.release();
    throw error;
  }
}
