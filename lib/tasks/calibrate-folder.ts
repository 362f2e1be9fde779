import {
  type CalibrateOptions,
  type CalibrationMeta,
  type CalibrationTable,
  calibrate,
  checkMethodOptions,
  encodeNativeCache,
  type MethodOptions,
  type TableStyle,
  writeTables,
} from '../calibration/index.js';
import { defined } from '../defined.js';
import { writeFiles } from '../files.js';
import type { Recipe } from '../preprocess/index.js';
import type { BatchingOptions, BrokenImage } from './batches.js';
import {
  calibrationFeeds,
  callOptions,
  prepareCalibration,
  sampleMeta,
  withoutBroken,
} from './calibration-input.js';
import type { CalibrationProviderOptions } from './calibration-runner.js';
import type { ImageSourceOptions } from './image-source.js';
import type { RecipeOptions } from './recipe.js';
import { repeatedFeeds } from './repeated-feeds.js';

/** Options of {@link calibrateFolder}. */
export interface CalibrateFolderOptions
  extends ImageSourceOptions,
    RecipeOptions,
    BatchingOptions,
    MethodOptions,
    Pick<CalibrateOptions, 'threads' | 'graphOptimizationLevel'>,
    CalibrationProviderOptions {
  /** Folder for the three table files and calibration.meta.json; nothing is written without it. */
  out?: string;
  /** Whose rules the files follow; `exact` by default. */
  style?: TableStyle;
  /** Path for the same ranges as TensorRT's own calibration cache, which holds ±amax. */
  nativeCache?: string;
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
  /** What ran the model: `onnxruntime-cpu`, `tensorrt`. */
  provider: string;
  /** Milliseconds, from the first image to the last. */
  elapsedMs: number;
}

/**
 * Calibrates a model from an image folder: list, sample, prepare, measure, write. Images stream:
 * memory does not grow with their number.
 *
 * @param model Path of an ONNX model, or of a folder that holds one.
 * @param options Images and sample (5% of a folder by default), recipe, method, where to write, abort
 *   signal; progress in `images`: phase `calibrate`, for the histogram methods `measure`, then `count`.
 * @returns The table and what it was made from.
 * @throws TensorRTError `IMAGES_NOT_FOUND`, `IMAGE_INVALID`, `FOLDER_UNREADABLE`, `RECIPE_INVALID`,
 *   `MODEL_…`, `ONNXRUNTIME_MISSING`, `CALIBRATION_FAILED`, `WRITE_FAILED`. Nothing is written then.
 */
export async function calibrateFolder(
  model: string,
  options: CalibrateFolderOptions,
): Promise<CalibrateFolderResult> {
  const { signal, out, style, nativeCache } = options;
  const method = checkMethodOptions(options);
  const prepared = await prepareCalibration(model, options);
  const { model: loaded, recipe, file, source, runner } = prepared;
  const broken: BrokenImage[] = [];
  // The histogram methods go through the images twice; those that cannot be read are told once.
  let passes = 0;
  const once = () => calibrationFeeds(source.paths, prepared, options, passes++ ? [] : broken);
  const feeds = method === 'minmax' ? once : repeatedFeeds(once);
  const start = performance.now();
  const measured = await calibrate(
    loaded,
    feeds,
    callOptions(options, runner, source.paths.length),
  );
  const elapsedMs = performance.now() - start;
  const used = withoutBroken(source.paths, broken);
  const meta: CalibrationMeta = {
    ...measured.meta!,
    recipe,
    sample: sampleMeta(options, source, used),
    created: new Date().toISOString(),
  };
  const table = measured.with({ meta });
  signal?.throwIfAborted();
  const files = out === undefined ? [] : await writeTables(table, out, defined({ style }));
  if (nativeCache !== undefined) {
    const version = meta.versions?.tensorrt;
    const options = defined({ trtVersion: version });
    await writeFiles([[nativeCache, encodeNativeCache(table, options)]]);
    files.push(nativeCache);
  }
  return {
    table,
    files,
    images: used.length,
    available: source.available,
    broken,
    recipe,
    ...defined({ recipeFile: file }),
    provider: runner.name,
    elapsedMs,
  };
}
