import { findModel } from '../dataset/index.js';
import { defined } from '../defined.js';
import {
  type BuildOptions,
  buildEngine,
  type EngineManifest,
  manifestPath,
  type OptimizationProfile,
  readPlanHeader,
} from '../engine/index.js';
import { readEngine } from '../engine/inspect.js';
import { messageOf, TensorRTError } from '../errors.js';
import { describeModel, loadModel, type OnnxModel } from '../onnx/index.js';
import type { FoundSize } from '../preprocess/index.js';
import type { LongCallOptions } from '../progress.js';
import {
  chooseLibrary,
  type LibraryOptions,
  queryDriver,
  requireFamily,
} from '../runtime/index.js';
import { InferenceSession, type ValueMetadata } from '../session/index.js';
import type { TensorType } from '../tensor.js';
import { batchSize, type ImageInput, imageInput } from './image-input.js';
import type { RecordedRecipe } from './recipe.js';

/** What runs an ONNX model. */
export type Provider = 'onnxruntime' | 'tensorrt' | 'auto';

/** What runs a model, and how engines are run and built. */
export interface EngineOptions extends LibraryOptions {
  /**
   * What runs an ONNX model: `onnxruntime` on the CPU, the default; `tensorrt`, which builds an engine
   * and runs it on the GPU; `auto`, TensorRT where there is a GPU that it can use. An engine is run by
   * TensorRT always.
   */
  provider?: Provider;
  /** Number of the GPU, 0 by default. */
  deviceId?: number;
  /** Runs that may be on the GPU at once; 2 by default, so that transfers overlap computation. */
  contexts?: number;
  /** How an engine is built of an ONNX model, precision and cache among it. */
  build?: Omit<BuildOptions, keyof LongCallOptions | keyof LibraryOptions | 'profiles'>;
}

/** Contexts of a session that images are streamed through. */
const CONTEXTS = 2;

/** An engine by path or bytes, and what its manifest says. */
export interface KnownEngine {
  source: string | Uint8Array;
  manifest?: EngineManifest;
  /** What was read of an engine by path, until it is opened. */
  plan?: Uint8Array;
}

/**
 * Whether a model is an engine, by its first bytes, and what lies beside it.
 *
 * @param model Path (of a file) or bytes.
 * @returns undefined for anything else.
 * @throws TensorRTError `ENGINE_INVALID` for an engine that its manifest does not describe.
 */
export async function knownEngine(
  model: string | Uint8Array,
  isPlan: (path: string) => Promise<boolean>,
): Promise<KnownEngine | undefined> {
  if (typeof model !== 'string') {
    return readPlanHeader(model) === undefined ? undefined : { source: model };
  }
  if (!(await isPlan(model))) return undefined;
  const { plan, manifest } = await readEngine(model);
  return { source: model, plan, ...defined({ manifest }) };
}

/** The recipe in an engine's manifest. */
export function recordedRecipe({ source, manifest }: KnownEngine): RecordedRecipe | undefined {
  if (manifest?.recipe === undefined) return undefined;
  return { recipe: manifest.recipe, file: manifestPath(source as string) };
}

function sessionOptions(options: EngineOptions) {
  const { deviceId, contexts, family, libraryDir } = options;
  return {
    contexts: contexts ?? CONTEXTS,
    ...defined({ deviceId, family, libraryDir }),
  };
}

/**
 * Opens an engine for streaming images through it.
 *
 * @param engine The engine; what was read of it goes with this call.
 * @param options GPU, contexts, library.
 * @throws As {@link InferenceSession.create}.
 */
export function openEngine(
  engine: KnownEngine,
  options: EngineOptions = {},
): Promise<InferenceSession> {
  const { source, plan } = engine;
  // Whoever remembers the engine need not keep its bytes.
  delete engine.plan;
  const read = plan !== undefined && typeof source === 'string';
  return InferenceSession.create(
    read ? { plan, planPath: source } : source,
    sessionOptions(options),
  );
}

/**
 * Why TensorRT cannot build and run engines here; undefined when it can, as far as is known before.
 *
 * @param options Which library, which GPU.
 */
export async function tensorrtProblem(
  options: LibraryOptions & Pick<EngineOptions, 'deviceId'> = {},
): Promise<string | undefined> {
  const { devices, problem } = queryDriver();
  if (devices[options.deviceId ?? 0] === undefined) return problem ?? 'no NVIDIA GPU';
  try {
    requireFamily((await chooseLibrary(options)).family);
    return undefined;
  } catch (error) {
    if (error instanceof TensorRTError) return messageOf(error);
    throw error;
  }
}

/** The image input of an ONNX model that is loaded. */
export function loadedInput(model: OnnxModel, label: string): ImageInput {
  const values = describeModel(model).inputs.map(
    ({ name, type, shape }): ValueMetadata => ({
      name,
      type: type as TensorType,
      shape: shape ?? [],
    }),
  );
  return imageInput(values, label);
}

/** The image input of an ONNX model that is not opened: a session would load all of its weights. */
export async function modelInput(model: string | Uint8Array, label: string): Promise<ImageInput> {
  return loadedInput(await loadModel(model, { externalData: false }), label);
}

/** Sizes are rounded to this, so that an engine serves other images of the same kind. */
const STEP = 32;

// What is smaller than that stays: a network may have no use for an image of one pixel.
const down = (side: number) => (side < STEP ? side : side - (side % STEP));
const up = (side: number) => Math.ceil(side / STEP) * STEP;

/**
 * The optimization profile for images: as small as the smallest, as large as the largest, tuned for the
 * most frequent size.
 *
 * @param input The model's image input.
 * @param sizes The sizes of the images, the most frequent first.
 * @param batch Images in a run at most.
 * @returns undefined when the model's shapes are fixed.
 */
export function imageProfile(
  input: ImageInput,
  sizes: readonly FoundSize[],
  batch: number,
): OptimizationProfile | undefined {
  const { height, width } = input;
  if (input.batch !== undefined && height !== undefined && width !== undefined) return undefined;
  const usual = { height: height ?? sizes[0]?.height, width: width ?? sizes[0]?.width };
  if (usual.height === undefined || usual.width === undefined) return undefined;
  const limit = (
    side: 'height' | 'width',
    round: (side: number) => number,
    best: typeof Math.min,
  ) =>
    input[side] ??
    (sizes.length === 1 ? usual[side]! : round(best(...sizes.map((one) => one[side]))));
  const shape = (rows: number, h: number, w: number) => [input.batch ?? rows, 3, h, w];
  return {
    [input.name]: {
      min: shape(1, limit('height', down, Math.min), limit('width', down, Math.min)),
      opt: shape(batch, usual.height, usual.width),
      max: shape(batch, limit('height', up, Math.max), limit('width', up, Math.max)),
    },
  };
}

/** What an engine is built for. */
export interface EngineImages extends LongCallOptions {
  /** Images in one run. */
  batch?: number;
  /** The sizes of the images; asked for where the model leaves them open. */
  sizes: () => Promise<readonly FoundSize[]>;
}

/**
 * Builds an engine of an ONNX model for images of the sizes given, and opens it.
 *
 * @param model Path or bytes of an ONNX model.
 * @param label What messages call it.
 * @param options How it is built and run.
 * @param images What it is to take.
 * @throws As {@link buildEngine} and {@link InferenceSession.create}.
 */
export async function buildAndOpen(
  model: string | Uint8Array,
  label: string,
  options: EngineOptions,
  images: EngineImages,
): Promise<InferenceSession> {
  const { signal, onProgress, batch, sizes } = images;
  const path = typeof model === 'string' ? await findModel(model) : model;
  const input = await modelInput(path, label);
  const open = input.height === undefined || input.width === undefined;
  const profile = imageProfile(input, open ? await sizes() : [], batchSize([input], batch, 1));
  const { family, libraryDir, deviceId, build } = options;
  const { plan } = await buildEngine(path, {
    ...build,
    ...defined({ family, libraryDir, deviceId }),
    ...(profile === undefined ? {} : { profiles: [profile] }),
    ...defined({ signal, onProgress }),
  });
  return openEngine({ source: plan }, options);
}
