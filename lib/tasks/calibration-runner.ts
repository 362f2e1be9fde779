import { oneOf } from '../arguments.js';
import type { GraphProvider } from '../calibration/index.js';
import { defined } from '../defined.js';
import { imageSizes, type Recipe } from '../preprocess/index.js';
import type { LongCallOptions } from '../progress.js';
import type { LibraryOptions } from '../runtime/index.js';
import { tensorrtProvider } from '../session/index.js';
import { batchSize, type ImageInput } from './image-input.js';
import type { ImageSource } from './image-source.js';
import { imageProfile, type Provider, tensorrtProblem } from './open-engine.js';
import { ordinaryMemory, ringMemory } from './pipeline.js';

/** What runs the model of a calibration. */
export interface CalibrationProviderOptions extends LibraryOptions {
  /**
   * `onnxruntime` on the CPU, the default; `tensorrt` on the GPU, any version and any mix of sizes;
   * `auto`, TensorRT where there is a GPU that it can use; or a provider of your own.
   */
  provider?: Provider | GraphProvider;
  /** Number of the GPU, 0 by default. */
  deviceId?: number;
  /** The engine cache, as `buildEngine` takes it. */
  cache?: boolean | string;
}

/** What runs the model of a calibration, and how images are put to it. */
export interface CalibrationRunner {
  /** Name for reports. */
  name: string;
  /** Absent for ONNX Runtime, which `calibrate` takes by itself. */
  provider?: GraphProvider;
  /** Images in a run, where it is to be another number than one. */
  batch?: number;
  /** Batches in work at once. */
  inFlight: number;
  /** Memory for the batches of one pass; undefined for the usual, which is used again each time. */
  memory(): ((bytes: number) => ArrayBufferView<ArrayBuffer>) | undefined;
}

/** Images in a run on the GPU: enough to fill it. Bounds do not depend on it. */
const GPU_BATCH = 32;

/** Batches in work at once on the GPU: one is uploaded, one computed, one waits. */
const GPU_IN_FLIGHT = 3;

type RunnerOptions = CalibrationProviderOptions &
  LongCallOptions & { batch?: number; movingAverage?: number };

/**
 * Chooses what runs the model of a calibration.
 *
 * @param options What the caller asked for.
 * @param input The model's image input.
 * @param recipe How images are prepared.
 * @param source The images.
 */
export async function calibrationRunner(
  options: RunnerOptions,
  input: ImageInput,
  recipe: Recipe,
  source: ImageSource,
): Promise<CalibrationRunner> {
  const { provider = 'onnxruntime', movingAverage } = options;
  const usual = { inFlight: 1, memory: () => undefined };
  if (typeof provider === 'object') return { name: provider.name, provider, ...usual };
  oneOf('provider', provider, ['onnxruntime', 'tensorrt', 'auto']);
  const onGpu =
    provider === 'tensorrt' ||
    (provider === 'auto' && (await tensorrtProblem(options)) === undefined);
  if (!onGpu) return { name: 'onnxruntime-cpu', ...usual };
  // A moving average depends on what stands in a batch.
  const wanted = movingAverage === undefined ? Math.min(GPU_BATCH, source.paths.length) : 1;
  const batch = batchSize([input], options.batch ?? input.batch ?? wanted, wanted);
  return {
    name: 'tensorrt',
    provider: tensorrtProvider({ ...providerOptions(options), profile }),
    batch,
    inFlight: GPU_IN_FLIGHT,
    memory() {
      // One more than in work: the first is asked for ahead.
      const ring = ringMemory(GPU_IN_FLIGHT + 1, ordinaryMemory);
      return (bytes) => ring.next(bytes);
    },
  };

  async function profile() {
    const { paths, root } = source;
    const { signal } = options;
    const open = input.height === undefined || input.width === undefined;
    const call = { root, ...defined({ signal }) };
    return imageProfile(input, open ? await imageSizes(paths, recipe, call) : [], batch);
  }
}

function providerOptions(options: RunnerOptions) {
  const { family, libraryDir, deviceId, cache, signal, onProgress } = options;
  return {
    ...defined({ family, libraryDir, deviceId, cache, signal, onProgress }),
  };
}
