import { expected } from '../arguments.js';
import {
  type CalibrateOptions,
  type CalibrationSample,
  filesDigest,
  methodOptionsOf,
} from '../calibration/index.js';
import { calibrationSizeWarning, DEFAULT_SEED, findModel } from '../dataset/index.js';
import { describeModel, loadModel } from '../onnx/index.js';
import type { Recipe } from '../preprocess/index.js';
import type { ValueMetadata } from '../session/index.js';
import type { NamedTensors, TensorType } from '../tensor.js';
import { type BatchingOptions, type BrokenImage, modelBatches } from './batches.js';
import type { CalibrateFolderOptions } from './calibrate-folder.js';
import { type ImageInput, imageFeeds, imageInput } from './image-input.js';
import { checkRecipe } from './image-size.js';
import { calibrationSource, type ImageSource } from './image-source.js';
import { checkWritable } from './output.js';
import { type FoundRecipe, taskRecipe } from './recipe.js';

/** What a calibration from a folder works with. */
export interface CalibrationInput extends FoundRecipe {
  /** Path of the .onnx file. */
  path: string;
  /** The model's image input. */
  input: ImageInput;
  /** The sampled images. */
  source: ImageSource;
}

/** The image input of a model that is not opened: a session would load all of its weights. */
async function inputOf(model: string): Promise<ImageInput> {
  const { inputs } = describeModel(await loadModel(model, { externalData: false }));
  const values = inputs.map(
    ({ name, type, shape }): ValueMetadata => ({
      name,
      type: type as TensorType,
      shape: shape ?? [],
    }),
  );
  return imageInput(values, model);
}

/**
 * Finds the model, the recipe and the images, and whether they and the target folder are usable.
 *
 * @throws TensorRTError as {@link calibrateFolder}.
 */
export async function prepareCalibration(
  model: string,
  options: CalibrateFolderOptions,
): Promise<CalibrationInput> {
  const { signal, out, onWarning, perChannel, style = 'exact' } = options;
  if (perChannel === true && style !== 'exact') {
    const why = '"exact", because ONNX Runtime cannot write ranges of channels,';
    throw expected('style', why, style, 'range');
  }
  if (out !== undefined) await checkWritable(out);
  const path = await findModel(model);
  const found = await taskRecipe(options, [path]);
  const input = await inputOf(path);
  checkRecipe(input, found.recipe);
  const source = await calibrationSource(options, signal === undefined ? {} : { signal });
  const small = calibrationSizeWarning(source.paths.length);
  if (small !== undefined) onWarning?.(small);
  return { ...found, path, input, source };
}

/** The images as batches that the model takes. */
export async function* calibrationFeeds(
  paths: readonly string[],
  root: string,
  recipe: Recipe,
  input: ImageInput,
  options: BatchingOptions,
  broken: BrokenImage[],
): AsyncGenerator<NamedTensors> {
  for await (const { tensor } of modelBatches(paths, recipe, [input], options, root, broken)) {
    yield imageFeeds(input, tensor);
  }
}

/** The options of `calibrate` for a folder of which `total` images are used. */
export function callOptions(options: CalibrateFolderOptions, total: number): CalibrateOptions {
  const { threads, provider, signal, onProgress } = options;
  return {
    ...methodOptionsOf(options),
    total,
    ...(threads === undefined ? {} : { threads }),
    ...(provider === undefined ? {} : { provider }),
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress }),
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
    ...(fraction === undefined ? {} : { fraction }),
    ...(count === undefined ? {} : { count }),
    filesSha256: filesDigest(used),
  };
}
