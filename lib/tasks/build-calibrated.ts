import { basename, resolve } from 'node:path';
import {
  type CalibrationMeta,
  type CalibrationTable,
  decodeNativeCache,
  filesDigest,
  type TableStyle,
  writeTables,
} from '../calibration/index.js';
import { defined } from '../defined.js';
import type {
  BuildResult,
  CacheExplanation,
  CalibrationReport,
  CalibratorOptions,
} from '../engine/index.js';
import type { Recipe } from '../preprocess/index.js';
import type { NamedTensors } from '../tensor.js';
import { type BatchingOptions, type BrokenImage, modelBatches } from './batches.js';
import {
  type BuildFileOptions,
  type BuildFileResult,
  buildFile,
  explainBuild,
} from './build-file.js';
import { prepareCalibration, sampleMeta, withoutBroken } from './calibration-input.js';
import { type ImageInput, imageFeeds } from './image-input.js';
import type { ImageSource, ImageSourceOptions } from './image-source.js';
import type { FoundRecipe } from './recipe.js';

/** Images in a batch where the model takes any number. */
const USUAL_BATCH = 32;

/** Options of {@link buildCalibrated}. */
export interface BuildCalibratedOptions
  extends Omit<BuildFileOptions, 'calibrator' | 'calibration'>,
    ImageSourceOptions,
    BatchingOptions,
    Pick<CalibratorOptions, 'algorithm' | 'lastBatch'> {
  /** File of TensorRT's calibration cache: used when it was made of these images, else written. */
  calibrationCache?: string;
  /** Folder for the ranges as the three table files of ONNX Runtime and calibration.meta.json. */
  calibrationOut?: string;
  /** Whose rules these follow; `exact` by default. */
  style?: TableStyle;
  /** Told once, before the build, when there are fewer than 200 images. */
  onWarning?: (warning: string) => void;
}

/** Result of {@link buildCalibrated}. */
export interface BuildCalibratedResult extends BuildFileResult {
  /** What the calibrator did. */
  calibration: CalibrationReport;
  /** TensorRT's ranges: ±amax of each tensor. */
  table: CalibrationTable;
  /** Images that there were to choose from. */
  available: number;
  /** Images that were skipped. */
  broken: BrokenImage[];
  /** How the images were prepared. */
  recipe: Recipe;
  /** The file that the recipe comes from, when it was found and not named. */
  recipeFile?: string;
}

/**
 * Names what the calibrator is fed with: recipe, and which files in which order and number. As JSON and
 * not as a digest of it, so that `cache why` can say what is another.
 */
function idOf(recipe: Recipe, { root, paths }: ImageSource, batch: number): string {
  const sample = { images: resolve(root), count: paths.length, files: filesDigest(paths) };
  return JSON.stringify({ ...sample, batch, recipe });
}

async function* feedsOf(
  source: ImageSource,
  recipe: Recipe,
  input: ImageInput,
  options: BatchingOptions,
  broken: BrokenImage[],
): AsyncGenerator<NamedTensors> {
  const { paths, root } = source;
  for await (const { tensor } of modelBatches(paths, recipe, [input], options, root, broken)) {
    // A short batch is the calibrator's to fill up, so that it can say so.
    yield input.type === 'float32' ? { [input.name]: tensor } : imageFeeds(input, tensor);
  }
}

function metaOf(
  build: Omit<BuildResult, 'plan'>,
  options: BuildCalibratedOptions,
  source: ImageSource,
  broken: readonly BrokenImage[],
  recipe: Recipe,
): CalibrationMeta {
  const { algorithm } = build.calibration!;
  return {
    version: 1,
    model: {
      sha256: build.modelSha256,
      ...(build.modelPath === undefined ? {} : { file: basename(build.modelPath) }),
    },
    method: { name: algorithm, options: { calibrator: 'TensorRT' } },
    versions: { [build.library.family]: build.library.version },
    recipe,
    sample: sampleMeta(options, source, withoutBroken(source.paths, broken)),
    created: build.created,
  };
}

/** A build with TensorRT's calibrator, and what feeds it. */
interface Prepared extends FoundRecipe {
  /** Path of the .onnx file. */
  path: string;
  /** The images that are taken. */
  source: ImageSource;
  /** What the build takes, but where to write. */
  build: Omit<BuildFileOptions, 'out'>;
  /** Images that were skipped so far. */
  broken: BrokenImage[];
}

async function prepareCalibrated(
  model: string,
  options: Omit<BuildCalibratedOptions, 'out'>,
): Promise<Prepared> {
  const { images, files, fraction, count, seed, stratified, extensions, ...others } = options;
  const { skipBroken, batch, algorithm, lastBatch, calibrationCache, ...rest } = others;
  const { calibrationOut, style, onWarning, ...build } = rest;
  const { path, recipe, file, input, source } = await prepareCalibration(model, {
    ...options,
    ...defined({ out: calibrationOut }),
  });
  const batching = { ...options, batch: batch ?? input.batch ?? USUAL_BATCH };
  const broken: BrokenImage[] = [];
  const calibrator = {
    batches: () => {
      broken.length = 0;
      return feedsOf(source, recipe, input, batching, broken);
    },
    total: source.paths.length,
    id: idOf(recipe, source, batching.batch),
    ...defined({ algorithm, lastBatch, cache: calibrationCache }),
  };
  const found = { recipe, ...defined({ file }) };
  return { path, source, build: { ...build, calibrator }, broken, ...found };
}

/**
 * Says whether {@link buildCalibrated} would take its engine from the cache, and if not, in what the
 * engines of that model which are there differ: in images and recipe, too. Nothing is built, and no image
 * is read.
 *
 * @param model Path of an ONNX model, or of a folder that holds one.
 * @param options Those of the build, but where to write.
 * @throws As {@link buildCalibrated}, for options, model, images and library.
 */
export async function explainCalibrated(
  model: string,
  options: Omit<BuildCalibratedOptions, 'out' | 'calibrationOut' | 'style'>,
): Promise<CacheExplanation> {
  const { path, build } = await prepareCalibrated(model, options);
  return explainBuild(path, build);
}

/**
 * Builds an INT8 engine with TensorRT's own calibrator, fed from an image folder: list, sample, prepare,
 * calibrate on the GPU, build, write. Images stream, and are decoded while the GPU works on those before.
 *
 * @param model Path of an ONNX model, or of a folder that holds one.
 * @param options Images and sample (5% of a folder by default), recipe, calibrator, where to write, and
 *   everything that {@link buildEngine} takes; progress in `images`, then TensorRT's phases.
 * @throws As {@link buildEngine} and {@link calibrateFolder}; TensorRTError `OPTION_UNSUPPORTED` for a
 *   TensorRT without calibrators. Nothing is written then.
 */
export async function buildCalibrated(
  model: string,
  options: BuildCalibratedOptions,
): Promise<BuildCalibratedResult> {
  const { out, ...rest } = options;
  const { path, source, build, broken, recipe, file } = await prepareCalibrated(model, rest);
  const result = await buildFile(path, { ...build, out });
  const calibration = result.build.calibration!;
  const meta = metaOf(result.build, options, source, broken, recipe);
  const table = decodeNativeCache(calibration.cache).with({ meta });
  const { calibrationOut, style } = options;
  const tables =
    calibrationOut === undefined
      ? []
      : await writeTables(table, calibrationOut, defined({ style }));
  const cacheFiles = calibration.cacheFile === undefined ? [] : [calibration.cacheFile];
  return {
    ...result,
    files: [...result.files, ...cacheFiles, ...tables],
    calibration,
    table,
    available: source.available,
    broken,
    recipe,
    ...defined({ recipeFile: file }),
  };
}
