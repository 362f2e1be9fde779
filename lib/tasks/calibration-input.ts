import { expected } from '../arguments.js';
import {
  type CalibrateOptions,
  type CalibrationSample,
  filesDigest,
  methodOptionsOf,
} from '../calibration/index.js';
import { calibrationSizeWarning, DEFAULT_SEED, findModel } from '../dataset/index.js';
import { defined } from '../defined.js';
import { loadModel, type OnnxModel } from '../onnx/index.js';
import type { NamedTensors } from '../tensor.js';
import { type BatchingOptions, type BrokenImage, modelBatches } from './batches.js';
import type { CalibrateFolderOptions } from './calibrate-folder.js';
import { type CalibrationRunner, calibrationRunner } from './calibration-runner.js';
import { type ImageInput, imageFeeds } from './image-input.js';
import { checkRecipe } from './image-size.js';
import { calibrationSource, type ImageSource } from './image-source.js';
import { loadedInput } from './open-engine.js';
import { checkWritable } from './output.js';
import { type FoundRecipe, taskRecipe } from './recipe.js';

/** What a calibration from a folder works with. */
export interface CalibrationInput extends FoundRecipe {
  /** Path of the .onnx file. */
  path: string;
  /** What the file holds, its external data left where it is. */
  model: OnnxModel;
  /** The model's image input. */
  input: ImageInput;
  /** The sampled images. */
  source: ImageSource;
  /** What runs the model, and how images are put to it. */
  runner: CalibrationRunner;
}

/**
 * Finds the model, the recipe and the images, and whether they and the target folder are usable.
 *
 * @throws TensorRTError as {@link calibrateFolder}.
 */
export async function prepareCalibration(
  place: string,
  options: CalibrateFolderOptions,
): Promise<CalibrationInput> {
  const { signal, out, onWarning, perChannel, style = 'exact' } = options;
  if (perChannel === true && style !== 'exact') {
    const why = '"exact", because ONNX Runtime cannot write ranges of channels,';
    throw expected('style', why, style, 'range');
  }
  if (out !== undefined) await checkWritable(out);
  const path = await findModel(place);
  const found = await taskRecipe(options, [path]);
  const model = await loadModel(path, { externalData: false });
  const input = loadedInput(model, path);
  checkRecipe(input, found.recipe);
  const source = await calibrationSource(options, defined({ signal }));
  const small = calibrationSizeWarning(source.paths.length);
  if (small !== undefined) onWarning?.(small);
  const runner = await calibrationRunner(options, input, found.recipe, source);
  return { ...found, path, model, input, source, runner };
}

/** The images as batches that the model takes. */
export async function* calibrationFeeds(
  paths: readonly string[],
  { source, recipe, input, runner }: CalibrationInput,
  options: BatchingOptions,
  broken: BrokenImage[],
): AsyncGenerator<NamedTensors> {
  const batching = runner.batch === undefined ? options : { ...options, batch: runner.batch };
  const { root } = source;
  const memory = runner.memory();
  const batches = modelBatches(paths, recipe, [input], batching, root, broken, memory);
  for await (const { tensor } of batches) yield imageFeeds(input, tensor);
}

/** The options of `calibrate` for a folder of which `total` images are used. */
export function callOptions(
  options: CalibrateFolderOptions,
  { provider, inFlight }: CalibrationRunner,
  total: number,
): CalibrateOptions {
  const { threads, style = 'exact', signal, onProgress } = options;
  // Who wants ONNX Runtime's files wants its numbers, to the last bit.
  const graphOptimizationLevel =
    options.graphOptimizationLevel ?? (style === 'exact' ? undefined : 'disabled');
  return {
    ...methodOptionsOf(options),
    total,
    inFlight,
    ...defined({ threads, graphOptimizationLevel, provider, signal, onProgress }),
  };
}

/** The paths that could be read. */
export function withoutBroken(paths: readonly string[], broken: readonly BrokenImage[]): string[] {
  const skipped = new Set(broken.map((one) => one.source));
  return paths.filter((name) => !skipped.has(name));
}

/** Which images a table was computed from. */
export function sampleMeta(
  options: CalibrateFolderOptions,
  source: ImageSource,
  used: readonly string[],
): CalibrationSample {
  const { seed = DEFAULT_SEED, count } = options;
  const { fraction } = source;
  const sampled = fraction !== undefined || count !== undefined;
  return {
    images: used.length,
    ...(sampled ? { seed: typeof seed === 'bigint' ? String(seed) : seed } : {}),
    ...defined({ fraction, count }),
    filesSha256: filesDigest(used),
  };
}
