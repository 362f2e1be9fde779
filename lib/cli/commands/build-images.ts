import { type Command, Option } from 'commander';
import { TABLE_STYLES, type TableStyle } from '../../calibration/index.js';
import { defined } from '../../defined.js';
import {
  CALIBRATOR_ALGORITHMS,
  type CalibrationReport,
  type CalibratorAlgorithm,
} from '../../engine/index.js';
import { formatCount, formatDuration } from '../../report/index.js';
import {
  type BuildCalibratedOptions,
  type BuildFileOptions,
  type BuildFileResult,
  buildCalibrated,
  DEFAULT_FRACTION,
} from '../../tasks/index.js';
import type { Context } from '../context.js';
import {
  type BatchFlags,
  batchingOf,
  batchOptions,
  type ImageFlags,
  imagesOf,
  sampleOptions,
} from '../options.js';
import { UsageError } from '../usage.js';
import { choiceValue, integerValue } from '../values.js';
import { noteBroken, noteFound } from './shared.js';

/** What {@link buildDataFlags} gives. */
export interface BuildDataFlags extends Partial<ImageFlags>, BatchFlags {
  size?: number;
  divisor?: number;
  algorithm?: CalibratorAlgorithm;
  lastBatch?: 'pad' | 'drop';
  calibration?: string;
  calib?: string;
}

/** What {@link buildImageFlags} gives. */
export interface BuildImageFlags extends BuildDataFlags {
  calibrationOut?: string;
  style?: TableStyle;
}

/** The flags of `build` that say what TensorRT's own calibrator is fed with, and how it measures. */
export function buildDataFlags(command: Command): Command {
  command
    .addOption(
      new Option(
        '--images <dir>',
        "INT8 with TensorRT's own calibrator (8.6 and 10), over the images of a folder; --calib names its cache",
      ).conflicts('calibration'),
    )
    .option('--files <list>', 'file with one path a line, relative to --images')
    .option('--extensions <list>', 'extensions that count as images, such as png,jpg');
  sampleOptions(command, `default: ${DEFAULT_FRACTION}, or all of --files`)
    .option(
      '--size <pixels>',
      "size of the image, in place of the recipe's",
      integerValue('--size', 1),
    )
    .option(
      '--divisor <n>',
      "the crop's multiple, in place of the recipe's",
      integerValue('--divisor', 0),
    );
  return batchOptions(command, 'images in a batch (default: 32, or what the model fixes)')
    .option(
      '--algorithm <name>',
      `the calibrator: ${CALIBRATOR_ALGORITHMS.join(', ')} (default: minmax)`,
      choiceValue('--algorithm', CALIBRATOR_ALGORITHMS),
    )
    .option(
      '--last-batch <what>',
      'a last batch that is shorter: pad (repeat its images) or drop (default: pad)',
      choiceValue('--last-batch', ['pad', 'drop']),
    );
}

/** The flags of `build` that let TensorRT's own calibrator measure ranges over images. */
export function buildImageFlags(command: Command): Command {
  return buildDataFlags(command)
    .option(
      '--calibration-out <dir>',
      "folder for the calibrator's ranges as ONNX Runtime's three table files",
    )
    .option(
      '--style <style>',
      `whose rules these follow: ${TABLE_STYLES.join(', ')} (default: exact)`,
      choiceValue('--style', TABLE_STYLES),
    );
}

/** Flags that mean nothing without images. */
const NEED_IMAGES = [
  'files',
  'extensions',
  'fraction',
  'count',
  'seed',
  'stratified',
  'size',
  'divisor',
  'batch',
  'skipBroken',
  'algorithm',
  'lastBatch',
  'calibrationOut',
  'style',
] as const;

/**
 * Holds the flags against each other.
 *
 * @throws UsageError for a flag that needs `--images`.
 */
export function checkImageFlags(flags: BuildImageFlags): void {
  if (flags.images !== undefined) return;
  const lonely = NEED_IMAGES.find((name) => flags[name] !== undefined);
  if (lonely === undefined) return;
  const flag = lonely.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw new UsageError(`--${flag} needs --images`);
}

function calibrationText(report: CalibrationReport): string {
  const { images, batches, fromCache, waitMs, calibrationMs, algorithm } = report;
  if (fromCache) return `Ranges of the ${algorithm} calibrator from ${report.cacheFile}`;
  const share = calibrationMs === 0 ? 0 : (100 * waitMs) / calibrationMs;
  return (
    `${formatCount(images, 'image')} in ${formatCount(batches, 'batch', 'batches')} calibrated ` +
    `(${algorithm}) in ${formatDuration(calibrationMs)}, ${share.toFixed(0)}% of it waiting for images`
  );
}

function tellLeftOut(context: Context, { paddedRows, droppedRows }: CalibrationReport): void {
  if (paddedRows > 0) {
    context.note(`The last batch was filled up with ${formatCount(paddedRows, 'image')} of itself`);
  }
  if (droppedRows > 0) {
    context.note(`The last batch, ${formatCount(droppedRows, 'image')}, was left out`);
  }
}

/**
 * What the calibrator's build takes.
 *
 * @param flags The command's, with `images`.
 * @param options What the build takes otherwise.
 */
export function calibratedOptions<T extends Omit<BuildFileOptions, 'out'>>(
  flags: BuildDataFlags & { images: string },
  options: T,
) {
  const { calibration: _table, calibrator: _none, ...rest } = options;
  const { size, divisor, algorithm, lastBatch, calib } = flags;
  return {
    ...rest,
    ...imagesOf(flags),
    ...batchingOf(flags),
    ...defined({ size, divisor, algorithm, lastBatch, calibrationCache: calib }),
  };
}

/**
 * Builds with the calibrator and says what it did.
 *
 * @param flags The command's, with `images`.
 * @param options What the build takes otherwise.
 * @returns The build, and what goes into the command's JSON.
 */
export async function buildFromImages(
  context: Context,
  model: string,
  flags: BuildImageFlags & { images: string },
  options: BuildFileOptions,
): Promise<BuildFileResult & { json: Record<string, unknown> }> {
  const { calibrationOut, style } = flags;
  const asked: BuildCalibratedOptions = {
    ...calibratedOptions(flags, options),
    ...defined({ calibrationOut, style }),
    onWarning: (warning) => context.warn(warning),
  };
  const result = await buildCalibrated(model, asked);
  const { calibration, table, available, broken, build } = result;
  noteFound(context, result);
  noteBroken(context, broken);
  if (calibration.cacheRefused !== undefined && !build.cache.hit) {
    context.warn(`${flags.calib} was not used: ${calibration.cacheRefused}`);
  }
  if (!build.cache.hit) {
    tellLeftOut(context, calibration);
    context.line(calibrationText(calibration));
  }
  for (const warning of table.warnings) context.warn(warning);
  const { cache: _bytes, ...report } = calibration;
  return { ...result, json: { calibration: report, tensors: table.size, available, broken } };
}
