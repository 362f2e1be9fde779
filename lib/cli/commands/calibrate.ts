import { Command } from 'commander';
import { type CalibrationMeta, TABLE_STYLES, type TableStyle } from '../../calibration/index.js';
import { TensorRTError } from '../../errors.js';
import { formatCount, formatDuration, methodScoresText } from '../../report/index.js';
import {
  type CalibrateFolderResult,
  calibrateAuto,
  calibrateFolder,
  calibrateShard,
  DEFAULT_FRACTION,
} from '../../tasks/index.js';
import { action, type Context } from '../context.js';
import type { CliIo } from '../io.js';
import { type MethodFlags, methodOf, methodOptions } from '../method-options.js';
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
import { parseShard, shardOption } from '../shard.js';
import { choiceValue, integerValue } from '../values.js';
import { modelOf, modelOption, noteBroken, noteFound, writtenText } from './shared.js';

interface Flags extends ImageFlags, RecipeFlags, BatchFlags, MethodFlags {
  model?: string;
  out: string;
  provider: 'onnxruntime' | 'tensorrt';
  shard?: string;
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
  const options = {
    ...imagesOf(flags),
    ...recipeOf(flags),
    ...batchingOf(flags),
    ...methodOf(flags),
    ...context.call,
    out: flags.out,
    style: flags.style,
    ...(flags.threads === undefined ? {} : { threads: flags.threads }),
    onWarning: (warning: string) => context.warn(warning),
  };
  if (flags.method === 'entropy' && options.symmetric !== undefined) {
    const flag = options.symmetric ? '--symmetric' : '--asymmetric';
    context.warn(`${flag} has no effect on entropy, as in ONNX Runtime`);
  }
  if (flags.method === 'auto') {
    const { shard } = flags;
    const result = await calibrateAuto(model, { ...options, ...(shard && { shard }) });
    const { table, images, available, scores, heldBack } = result;
    const of = `${formatCount(images, 'image')} of ${available}`;
    const said = { tensors: table.size, of, warnings: table.warnings, meta: table.meta };
    context.line(`${methodScoresText(scores, heldBack)}\n`);
    say(context, result, { ...said, more: { heldBack, scores } });
    return;
  }
  if (flags.shard === undefined) {
    const result = await calibrateFolder(model, options);
    const { table, images, available } = result;
    const of = `${formatCount(images, 'image')} of ${available}`;
    say(context, result, { tensors: table.size, of, warnings: table.warnings, meta: table.meta });
    return;
  }
  const shard = parseShard(flags.shard, context.env);
  const result = await calibrateShard(model, { ...options, shard });
  const { images, total, tensors, warnings, meta } = result;
  const of = `${images} of ${formatCount(total, 'image')}, shard ${shard.index}/${shard.count},`;
  say(context, result, { tensors, of, warnings, meta, more: { shard, total } });
}

/** What is said of a table or of a part of one. */
interface Said {
  tensors: number;
  of: string;
  warnings: readonly string[];
  meta: CalibrationMeta | undefined;
  more?: Readonly<Record<string, unknown>>;
}

function say(
  context: Context,
  result: Omit<CalibrateFolderResult, 'table'>,
  { tensors, of, warnings, meta, more }: Said,
): void {
  noteFound(context, result);
  noteBroken(context, result.broken);
  for (const warning of warnings) context.warn(warning);
  const { images, available, elapsedMs, files, broken } = result;
  const rate = images / (elapsedMs / 1000);
  context.line(
    `${formatCount(tensors, 'tensor')} calibrated on ${of} in ${formatDuration(elapsedMs)} ` +
      `(${rate.toFixed(1)} images/s)`,
  );
  context.line(writtenText(files));
  const method = meta?.method?.name;
  context.result({ files, tensors, method, ...more, images, available, broken, elapsedMs, meta });
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
  methodOptions(command);
  shardOption(command, 'writes a part into --out, for `merge`');
  batchOptions(command)
    .option(
      '--provider <name>',
      'what computes: onnxruntime (CPU) or tensorrt (GPU)',
      choiceValue('--provider', ['onnxruntime', 'tensorrt']),
      'onnxruntime',
    )
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
    'calibrate model.onnx --images photos --method percentile --percentile 99.99 --out calibration',
    'calibrate model.onnx --images photos --count 500 --method auto --out calibration',
    'calibrate model.onnx --images photos --shard 3/16 --out parts/3',
  ]);
}
