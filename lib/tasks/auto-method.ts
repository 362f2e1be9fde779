import { expected } from '../arguments.js';
import {
  type CalibrateEachOptions,
  type CalibrationMeta,
  type CandidateTable,
  calibrateEach,
  filesDigest,
  type MethodOptions,
  writeTables,
} from '../calibration/index.js';
import { defined } from '../defined.js';
import { TensorRTError } from '../errors.js';
import { loadModel } from '../onnx/index.js';
import { throttle } from '../progress.js';
import { type QuantizationTarget, quantizeModel } from '../quantization/index.js';
import { type AgreementScore, Reference } from './agreement.js';
import type { BrokenImage } from './batches.js';
import type { CalibrateFolderOptions, CalibrateFolderResult } from './calibrate-folder.js';
import {
  type CalibrationInput,
  calibrationFeeds,
  prepareCalibration,
  sampleMeta,
  withoutBroken,
} from './calibration-input.js';
import type { CalibrationRunner } from './calibration-runner.js';
import { openClassifier } from './classifier.js';
import { HeldBatches } from './held-batches.js';
import { repeatedFeeds } from './repeated-feeds.js';

/** Part of the sample that is held back, and how many images it is at least if there are enough. */
const HELD_BACK = 0.2;
const LEAST_HELD_BACK = 50;
/** Fewer images cannot be divided. */
const LEAST_IMAGES = 10;

/** Options of {@link calibrateAuto}. */
export interface CalibrateAutoOptions
  extends Omit<CalibrateFolderOptions, keyof MethodOptions>,
    Pick<MethodOptions, 'numBins' | 'numQuantizedBins' | 'percentile'> {
  /** What the scored models are quantized for; `tensorrt` by default. */
  target?: QuantizationTarget;
}

/** How a method did. */
export interface MethodScore {
  /** The method: `minmax`, `entropy`, `percentile`. */
  method: string;
  /** Its options. */
  options: Omit<MethodOptions, 'method'>;
  /** How close the model quantized with its table is to FP32; absent when it refused the values. */
  score?: AgreementScore;
  /** Why it refused them. */
  failure?: string;
  /** Whether its table was kept. */
  kept: boolean;
}

/** Result of {@link calibrateAuto}. */
export interface CalibrateAutoResult extends CalibrateFolderResult {
  /** Every method that was tried, best first. */
  scores: MethodScore[];
  /** Images that the methods were scored on; none of them was calibrated with. */
  heldBack: number;
}

/**
 * Divides a sample: every so many images one is held back, so that both parts have all classes
 * whatever the order is.
 *
 * @param paths The sample.
 * @returns What is calibrated with, and what is held back: a fifth, but at least 50 images as long as
 *   that is no more than half.
 * @throws TensorRTError `CALIBRATION_FAILED` below 10 images.
 */
export function holdBack(paths: readonly string[]): { used: string[]; heldBack: string[] } {
  const { length } = paths;
  if (length < LEAST_IMAGES) {
    const message = `Choosing a method needs at least ${LEAST_IMAGES} images but there are ${length}`;
    throw new TensorRTError('CALIBRATION_FAILED', message, {
      remedy: 'Take a larger sample, or name the method.',
    });
  }
  const least = Math.min(LEAST_HELD_BACK, length >> 1);
  const count = Math.max(Math.round(length * HELD_BACK), least);
  const positions = new Set(
    Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * length) / count)),
  );
  return {
    used: paths.filter((_, position) => !positions.has(position)),
    heldBack: paths.filter((_, position) => positions.has(position)),
  };
}

/** Better first: higher agreement, then smaller distance; what has no score comes last. */
function better(a: { score?: AgreementScore }, b: { score?: AgreementScore }): number {
  if (a.score === undefined || b.score === undefined) {
    return Number(a.score === undefined) - Number(b.score === undefined);
  }
  return b.score.agreed - a.score.agreed || a.score.relativeDistance - b.score.relativeDistance;
}

async function scored(
  candidates: readonly CandidateTable[],
  heldBack: readonly string[],
  { path, source, recipe, input }: CalibrationInput,
  options: CalibrateAutoOptions,
  broken: BrokenImage[],
): Promise<(CandidateTable & { score?: AgreementScore })[]> {
  const { threads, signal, target } = options;
  const session = defined({ threads });
  const batches = new HeldBatches({
    ...{ sources: heldBack, root: source.root, recipe, input, batching: options },
  });
  const report = throttle(options.onProgress, 'score');
  let done = 0;
  const call = {
    ...defined({ signal }),
    onImages: (images: number) => {
      done += images;
      report(done, heldBack.length * (candidates.length + 1), 'images');
    },
  };
  const classifier = await openClassifier(path, session);
  let reference: Reference;
  try {
    reference = await Reference.compute(classifier, batches, session, call);
  } finally {
    await classifier.release();
  }
  broken.push(...batches.broken);
  const model = await loadModel(path);
  const results: (CandidateTable & { score?: AgreementScore })[] = [];
  for (const candidate of candidates) {
    if (candidate.table === undefined) {
      results.push(candidate);
      continue;
    }
    const { model: quantized } = quantizeModel(model, candidate.table.amaxes(), {
      missingRanges: 'float',
      ...defined({ target }),
    });
    results.push({ ...candidate, score: await reference.score(quantized, call) });
  }
  return results.sort(better);
}

function eachOptions(
  options: CalibrateAutoOptions,
  { provider }: CalibrationRunner,
  total: number,
): CalibrateEachOptions {
  const { numBins, numQuantizedBins, percentile, threads } = options;
  const { signal, onProgress } = options;
  return {
    total,
    ...defined({ numBins, numQuantizedBins }),
    ...(percentile === undefined ? {} : { percentiles: [percentile] }),
    ...defined({ threads, provider, signal, onProgress }),
  };
}

/** Options that belong to one method cannot be given when the method is to be chosen. */
function checkOptions(options: object): void {
  for (const name of ['method', 'symmetric', 'movingAverage', 'perChannel', 'shard'] as const) {
    const value = (options as Record<string, unknown>)[name];
    if (value === undefined || (name === 'method' && value === 'auto')) continue;
    throw expected(name, 'no value with the method auto', value, 'range');
  }
}

/**
 * Calibrates by MinMax, Entropy (1,024 bins) and Percentile (99.99 and 99.999) at once, quantizes the
 * model with each table, runs it on images of the sample that were held back, and keeps the table with
 * the highest agreement with FP32, then the smallest distance of the logits.
 *
 * @param model Path of an ONNX model, or of a folder that holds one.
 * @param options Images and sample, of which a fifth (at least 50 images, at most half) is held back;
 *   recipe, bins, percentile, where to write, target, abort signal; progress in `images`: phases
 *   `measure`, `count`, `score`.
 * @returns The table that was kept, with the scores in `scores` and in `meta.selection`.
 * @throws TensorRTError as {@link calibrateFolder}; `CALIBRATION_FAILED` below 10 images.
 * @throws RangeError for an option that belongs to one method.
 */
export async function calibrateAuto(
  model: string,
  options: CalibrateAutoOptions,
): Promise<CalibrateAutoResult> {
  const { signal, out, style } = options;
  checkOptions(options);
  const prepared = await prepareCalibration(model, options);
  const { model: loaded, recipe, file, source, runner } = prepared;
  const { used, heldBack } = holdBack(source.paths);
  const broken: BrokenImage[] = [];
  let passes = 0;
  const feeds = repeatedFeeds(() =>
    calibrationFeeds(used, prepared, options, passes++ ? [] : broken),
  );
  const start = performance.now();
  const candidates = await calibrateEach(loaded, feeds, eachOptions(options, runner, used.length));
  const ranking = await scored(candidates, heldBack, prepared, options, broken);
  const elapsedMs = performance.now() - start;
  const table = ranking[0]!.table!;
  const calibrated = withoutBroken(used, broken);
  const scores = ranking.map(
    ({ method, options: used, score, failure }, position): MethodScore => ({
      ...{ method, options: used },
      ...defined({ score }),
      ...(failure === undefined ? {} : { failure: failure.message }),
      kept: position === 0,
    }),
  );
  const scoredOn = withoutBroken(heldBack, broken);
  const meta: CalibrationMeta = {
    ...table.meta!,
    recipe,
    sample: sampleMeta(options, source, calibrated),
    selection: {
      images: scoredOn.length,
      filesSha256: filesDigest(scoredOn),
      target: options.target ?? 'tensorrt',
      scores,
    },
    created: new Date().toISOString(),
  };
  const kept = table.with({ meta });
  signal?.throwIfAborted();
  const files = out === undefined ? [] : await writeTables(kept, out, defined({ style }));
  return {
    table: kept,
    ...{ files, images: calibrated.length, available: source.available, broken, recipe },
    ...defined({ recipeFile: file }),
    provider: runner.name,
    ...{ elapsedMs, scores, heldBack: scoredOn.length },
  };
}
