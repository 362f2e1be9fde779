import { Command } from 'commander';
import { TABLE_STYLES, type TableStyle } from '../../calibration/index.js';
import { TensorRTError } from '../../errors.js';
import { formatCount, formatDuration } from '../../report/index.js';
import { calibrateFolder, DEFAULT_FRACTION } from '../../tasks/index.js';
import { action, type Context } from '../context.js';
import type { CliIo } from '../io.js';
import {
  type BatchFlags,
  batchingOf,
  batchOptions,
  examples,
  type ImageFlags,
  imageOptions,
  imagesOf,
  type RecipeFlags,
  recipeOf,
  recipeOptions,
  required,
  sampleOptions,
} from '../options.js';
import { choiceValue, integerValue } from '../values.js';
import { modelOf, modelOption, noteBroken, noteFound, writtenText } from './shared.js';

interface Flags extends ImageFlags, RecipeFlags, BatchFlags {
  model?: string;
  out: string;
  provider: 'onnxruntime' | 'tensorrt';
  symmetric?: boolean;
  style: TableStyle;
  threads?: number;
}

async function calibrateAction(context: Context, flags: Flags, argument?: string): Promise<void> {
  const model = modelOf(argument, flags);
  if (flags.provider === 'tensorrt') {
    throw new TensorRTError(
      'MODULE_MISSING',
      'Calibrating with TensorRT needs a session on the GPU, which this release does not have',
      { remedy: 'Use --provider onnxruntime: it gives the same ranges on the CPU.' },
    );
  }
  const result = await calibrateFolder(model, {
    ...imagesOf(flags),
    ...recipeOf(flags),
    ...batchingOf(flags),
    ...context.call,
    out: flags.out,
    style: flags.style,
    ...(flags.symmetric === undefined ? {} : { symmetric: flags.symmetric }),
    ...(flags.threads === undefined ? {} : { threads: flags.threads }),
    onWarning: (warning) => context.warn(warning),
  });
  noteFound(context, result);
  noteBroken(context, result.broken);
  for (const warning of result.table.warnings) context.warn(warning);
  const { table, images, available, elapsedMs, files, broken } = result;
  const rate = images / (elapsedMs / 1000);
  context.line(
    `${formatCount(table.size, 'tensor')} calibrated on ${formatCount(images, 'image')} of ` +
      `${available} in ${formatDuration(elapsedMs)} (${rate.toFixed(1)} images/s)`,
  );
  context.line(writtenText(files));
  context.result({
    files,
    tensors: table.size,
    method: table.method,
    images,
    available,
    broken,
    elapsedMs,
    meta: table.meta,
  });
}

/** `calibrate MODEL --images DIR --out DIR`. */
export function calibrateCommand(io: CliIo): Command {
  const command = new Command('calibrate')
    .summary('measure ranges over an image folder, write the calibration table')
    .description(
      'Measure the range of every tensor of a model over an image folder, and write the calibration ' +
        'table (calibration.cache, .flatbuffers, .json) with its provenance.',
    )
    .argument('[model]', 'ONNX model, or a folder that holds one');
  imageOptions(modelOption(command));
  required(command, '--out <dir>', 'folder for the table');
  sampleOptions(command, `default: ${DEFAULT_FRACTION}, or all of --files`);
  recipeOptions(command);
  batchOptions(command)
    .option(
      '--provider <name>',
      'what computes: onnxruntime (CPU) or tensorrt (GPU)',
      choiceValue('--provider', ['onnxruntime', 'tensorrt']),
      'onnxruntime',
    )
    .option('--symmetric', 'make every range symmetric: -amax to amax')
    .option(
      '--style <style>',
      `whose rules the files follow: ${TABLE_STYLES.join(', ')}`,
      choiceValue('--style', TABLE_STYLES),
      'exact',
    )
    .option(
      '--threads <n>',
      'threads of ONNX Runtime (default: one a core)',
      integerValue('--threads', 1, 1024),
    )
    .action(action<[string | undefined], Flags>(io, calibrateAction));
  return examples(command, [
    'calibrate model.onnx --images photos --out calibration',
    'calibrate model.onnx --images photos --count 500 --size 288 --divisor 32 --out calibration',
    'calibrate model.onnx --images photos --files subset.txt --recipe recipe.json --out calibration',
  ]);
}
