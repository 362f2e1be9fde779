import {
  type CalibrateOptions,
  type CalibrationMeta,
  type CalibrationTable,
  calibrate,
  filesDigest,
  type TableStyle,
  writeTables,
} from '../calibration/index.js';
import { calibrationSizeWarning, DEFAULT_SEED, findModel } from '../dataset/index.js';
import { TensorRTError } from '../errors.js';
import { describeModel, loadModel } from '../onnx/index.js';
import type { Recipe } from '../preprocess/index.js';
import type { ValueMetadata } from '../session/index.js';
import type { NamedTensors, TensorType } from '../tensor.js';
import { type BatchingOptions, type BrokenImage, modelBatches } from './batches.js';
import { type ImageInput, imageFeeds, imageInput } from './image-input.js';
import { checkRecipe } from './image-size.js';
import { calibrationSource, type ImageSource, type ImageSourceOptions } from './image-source.js';
import { checkWritable } from './output.js';
import { type RecipeOptions, taskRecipe } from './recipe.js';

/** Options of {@link calibrateFolder}. */
export interface CalibrateFolderOptions
  extends ImageSourceOptions,
    RecipeOptions,
    BatchingOptions,
    Pick<CalibrateOptions, 'symmetric' | 'threads' | 'provider'> {
  /** Folder for the three table files and calibration.meta.json; nothing is written without it. */
  out?: string;
  /** Whose rules the files follow; `exact` by default. */
  style?: TableStyle;
  /** Told once, before the calibration, when there are fewer than 200 images. */
  onWarning?: (warning: string) => void;
}

/** Result of {@link calibrateFolder}. */
export interface CalibrateFolderResult {
  /** The ranges, with their provenance in `meta`. */
  table: CalibrationTable;
  /** Files that were written. */
  files: string[];
  /** Images that were used. */
  images: number;
  /** Images that there were to choose from. */
  available: number;
  /** Images that were skipped. */
  broken: BrokenImage[];
  /** How the images were prepared. */
  recipe: Recipe;
  /** The file that the recipe comes from, when it was found and not named. */
  recipeFile?: string;
  /** Milliseconds, from the first image to the last. */
  elapsedMs: number;
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

function sampleMeta(
  options: CalibrateFolderOptions,
  source: ImageSource,
  used: readonly string[],
): NonNullable<CalibrationMeta['sample']> {
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

/**
 * Calibrates a model from an image folder: list, sample, prepare, measure, write. Images stream:
 * memory does not grow with their number.
 *
 * @param model Path of an ONNX model, or of a folder that holds one.
 * @param options Images and sample (5% of a folder by default), recipe, symmetric ranges, where to
 *   write, progress in `images`, abort signal.
 * @returns The table and what it was made from.
 * @throws TensorRTError `IMAGES_NOT_FOUND`, `IMAGE_INVALID`, `FOLDER_UNREADABLE`, `RECIPE_INVALID`,
 *   `MODEL_…`, `ONNXRUNTIME_MISSING`, `CALIBRATION_FAILED`, `WRITE_FAILED`. Nothing is written then.
 */
export async function calibrateFolder(
  model: string,
  options: CalibrateFolderOptions,
): Promise<CalibrateFolderResult> {
  const { signal, onProgress, out, style, onWarning } = options;
  if (out !== undefined) await checkWritable(out);
  const path = await findModel(model);
  const { recipe, file } = await taskRecipe(options, [path]);
  const input = await inputOf(path);
  checkRecipe(input, recipe);
  const source = await calibrationSource(options, signal === undefined ? {} : { signal });
  const small = calibrationSizeWarning(source.paths.length);
  if (small !== undefined) onWarning?.(small);

  const broken: BrokenImage[] = [];
  async function* feeds(): AsyncGenerator<NamedTensors> {
    const { paths, root } = source;
    for await (const { tensor } of modelBatches(paths, recipe, [input], options, root, broken)) {
      yield imageFeeds(input, tensor);
    }
  }
  const start = performance.now();
  const measured = await calibrate(path, feeds(), {
    total: source.paths.length,
    ...(options.symmetric === undefined ? {} : { symmetric: options.symmetric }),
    ...(options.threads === undefined ? {} : { threads: options.threads }),
    ...(options.provider === undefined ? {} : { provider: options.provider }),
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  const elapsedMs = performance.now() - start;
  const skipped = new Set(broken.map((one) => one.source));
  const used = source.paths.filter((name) => !skipped.has(name));
  if (measured.meta === undefined) {
    throw new TensorRTError('CALIBRATION_FAILED', 'The table came without its provenance');
  }
  const meta: CalibrationMeta = {
    ...measured.meta,
    recipe,
    sample: sampleMeta(options, source, used),
    created: new Date().toISOString(),
  };
  const table = measured.with({ meta });
  signal?.throwIfAborted();
  const files =
    out === undefined ? [] : await writeTables(table, out, style === undefined ? {} : { style });
  return {
    table,
    files,
    images: used.length,
    available: source.available,
    broken,
    recipe,
    ...(file === undefined ? {} : { recipeFile: file }),
    elapsedMs,
  };
}
