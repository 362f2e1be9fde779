import { basename, dirname } from 'node:path';
import { number, oneOf } from '../arguments.js';
import { type CalibrationTable, checkModel, filesDigest, readTable } from '../calibration/index.js';
import { findModel, sampleFiles } from '../dataset/index.js';
import { defined } from '../defined.js';
import { TensorRTError } from '../errors.js';
import { writeFiles } from '../files.js';
import { describeModel, graphOf, loadModel } from '../onnx/index.js';
import type { RecipeInput } from '../preprocess/index.js';
import type { QuantizeOptions } from '../quantization/index.js';
import { onnxRuntimeVersion } from '../runtime/onnxruntime.js';
import type { OnnxRuntimeSessionOptions } from '../session/index.js';
import type { BatchingOptions } from './batches.js';
import { HeldBatches } from './held-batches.js';
import { checkRecipe } from './image-size.js';
import { type ImageSource, type ImageSourceOptions, imageSource } from './image-source.js';
import { loadedInput } from './open-engine.js';
import { checkWritable } from './output.js';
import { type RecipeOptions, taskRecipe } from './recipe.js';
import { ScoreCache } from './sensitivity-cache.js';
import { proposalOf, type SensitivityResult, sensitivityFiles } from './sensitivity-result.js';
import { FloatScorer, PartlyFloat } from './sensitivity-scorer.js';
import {
  ranked,
  SENSITIVITY_METRICS,
  type SensitivityMetric,
  smallestSet,
  type UnitSensitivity,
} from './sensitivity-search.js';
import {
  SENSITIVITY_UNITS,
  type SensitivityUnitKind,
  sensitivityUnits,
} from './sensitivity-units.js';

/** Images that are taken of a folder when nothing is said: each goes through the model for every layer. */
const DEFAULT_IMAGES = 200;

/** Options of {@link sensitivity}. */
export interface SensitivityOptions
  extends ImageSourceOptions,
    RecipeOptions,
    BatchingOptions,
    Omit<QuantizeOptions, 'fp16'>,
    Pick<OnnxRuntimeSessionOptions, 'threads'> {
  /** Calibration folder or table file, or a table in memory. */
  calibration: string | CalibrationTable;
  /** What is left float at a time: a `layer` (default) or a `block`. */
  by?: SensitivityUnitKind;
  /** What ranks, and what the drop is measured in; `agreement` by default. */
  metric?: SensitivityMetric;
  /** Largest drop that the proposed set of float layers may leave, 0 to 1; 0.01 by default. */
  maxDrop?: number;
  /** File for the list of float layers; nothing is written without it. */
  out?: string;
  /** File of partial results: read when it is there, written after each layer. */
  resume?: string;
  /** Told what the user should know, as soon as it is known. */
  onWarning?: (warning: string) => void;
}

async function scoringImages(options: SensitivityOptions): Promise<ImageSource> {
  const { signal, files, fraction, count, seed } = options;
  const source = await imageSource(options, defined({ signal }));
  const open = files === undefined && fraction === undefined && count === undefined;
  if (!open || source.paths.length <= DEFAULT_IMAGES) return source;
  const sample = { count: DEFAULT_IMAGES, ...defined({ seed }) };
  return { ...source, paths: sampleFiles(source.paths, sample) };
}

/** The quantization options alone. */
function quantizationOf(options: SensitivityOptions): QuantizeOptions {
  const { target, exclude, excludeTypes, lastGemm, missingRanges } = options;
  const { foldBatchNormalization } = options;
  return {
    ...defined({ target, exclude, excludeTypes, lastGemm, missingRanges, foldBatchNormalization }),
  };
}

/** The recipe options; what nobody names is the calibration's. */
function withRecipeOf({ meta }: CalibrationTable, options: RecipeOptions): RecipeOptions {
  const { recipe = meta?.recipe as RecipeInput | undefined, size, divisor } = options;
  return {
    ...defined({ recipe, size, divisor }),
  };
}

function nothingQuantized(path: string, already: boolean): TensorRTError {
  const why = already ? 'is quantized already' : 'has no layer that would run in int8';
  return new TensorRTError('MODEL_UNSUPPORTED', `${path} ${why}`, {
    remedy: 'Give the float model, and look at what `quantize` reports.',
  });
}

/**
 * Finds the layers that lose the most by INT8: leaves one layer, or one block, float at a time, ranks
 * them by what they cost in agreement and logit distance against FP32, and proposes the smallest set
 * of float layers that brings the drop down to `maxDrop`. The set is scored as a whole: costs do not
 * add up. Everything runs on ONNX Runtime's CPU provider; prepared images are held as long as they fit
 * into 512 MiB.
 *
 * @param model Path of an ONNX model, or of a folder that holds one.
 * @param options Table, images (all of `files`; 200 of a folder by default), recipe, everything that
 *   {@link quantizeModel} takes, progress in `images`, abort signal.
 * @returns The ranking and the proposal.
 * @throws TensorRTError `TABLE_…`, `MODEL_…`, `IMAGES_NOT_FOUND`, `IMAGE_INVALID`, `RECIPE_INVALID`,
 *   `ONNXRUNTIME_MISSING`, `INFERENCE_FAILED`, `WRITE_FAILED`; `MODEL_UNSUPPORTED` when nothing of the
 *   model is quantized.
 * @throws TypeError or RangeError for a wrong option.
 */
export async function sensitivity(
  model: string,
  options: SensitivityOptions,
): Promise<SensitivityResult> {
  const { signal, out, resume, threads, calibration, onProgress } = options;
  const by = oneOf('by', options.by ?? 'layer', SENSITIVITY_UNITS);
  const metric = oneOf('metric', options.metric ?? 'agreement', SENSITIVITY_METRICS);
  const isShare = (value: number) => value >= 0 && value <= 1;
  const maxDrop = number('maxDrop', options.maxDrop ?? 0.01, 'a number from 0 to 1', isShare);
  const warn = (warning: string) => options.onWarning?.(warning);
  for (const file of [out, resume]) {
    if (file !== undefined) await checkWritable(dirname(file));
  }

  const path = await findModel(model);
  const table = typeof calibration === 'string' ? await readTable(calibration) : calibration;
  for (const warning of table.warnings) warn(warning);
  const loaded = await loadModel(path);
  // Before the table: that of the float model often comes with it.
  if (describeModel(loaded).quantized) throw nothingQuantized(path, true);
  const unknown = checkModel(table, { sha256: loaded.sha256, file: basename(path) });
  if (unknown !== undefined) warn(unknown);
  const quantize = quantizationOf(options);
  const amaxes = table.amaxes();
  const forms = new PartlyFloat(loaded, amaxes, quantize);
  const { report } = forms.form([]);
  const units = sensitivityUnits(graphOf(loaded), report, by);
  if (units.length === 0) throw nothingQuantized(path, false);

  const { recipe, file } = await taskRecipe(withRecipeOf(table, options), [path]);
  const { paths, root } = await scoringImages(options);
  const session = defined({ threads });
  const input = loadedInput(loaded, path);
  checkRecipe(input, recipe);
  const cache = await ScoreCache.open(resume, {
    model: loaded.sha256,
    table: [...amaxes],
    files: filesDigest(paths),
    recipe,
    quantize: { ...quantize, exclude: (quantize.exclude ?? []).map(String) },
    onnxruntime: await onnxRuntimeVersion(),
  });
  if (cache.problem !== undefined) warn(`${cache.problem}; it is begun anew`);
  const batches = new HeldBatches({ sources: paths, root, recipe, input, batching: options });
  const scorer = await FloatScorer.open({
    ...{ path, forms, batches, cache, session },
    total: paths.length,
    ...defined({ signal, onProgress }),
  });

  scorer.begin('rank', units.length + 1);
  const baseline = await scorer.score([]);
  const costs: UnitSensitivity[] = [];
  for (const unit of units) {
    const score = await scorer.score([unit]);
    costs.push({
      ...unit,
      score,
      agreementCost: score.agreement - baseline.agreement,
      distanceCost: baseline.logitDistance - score.logitDistance,
    });
  }
  scorer.begin('search');
  const found = await smallestSet(costs, baseline, metric, maxDrop, (set) => scorer.score(set));
  const always = report.nodes.filter(({ reason }) => reason === 'EXCLUDED');
  const result = {
    ...{ by, metric, target: report.target, images: scorer.images, broken: batches.broken },
    ...{ baseline, units: ranked(costs, metric), maxDrop },
    proposal: proposalOf(
      found,
      metric,
      always.map(({ name }) => name),
    ),
    reused: cache.reused,
    recipe,
    ...defined({ recipeFile: file }),
  };
  signal?.throwIfAborted();
  const files = out === undefined ? [] : sensitivityFiles(out, path, result);
  await writeFiles(files);
  return { ...result, files: files.map(([name]) => name) };
}
