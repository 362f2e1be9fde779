import { Command } from 'commander';
import { type CalibrationMeta, TABLE_STYLES, type TableStyle } from '../../calibration/index.js';
import { defined } from '../../defined.js';
import { formatCount, formatDuration, methodScoresText } from '../../report/index.js';
import { FAMILIES, type Family } from '../../runtime/index.js';
import {
  type CalibrateFolderResult,
  calibrateAuto,
  calibrateFolder,
  calibrateShard,
  DEFAULT_FRACTION,
  type Provider,
} from '../../tasks/index.js';
import { action, type Context } from '../context.js';
import { PROVIDERS } from '../engine-options.js';
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
import {
  modelOf,
  modelOption,
  noteBroken,
  noteFound,
  noteProvider,
  writtenText,
} from './shared.js';

interface Flags extends ImageFlags, RecipeFlags, BatchFlags, MethodFlags {
  model?: string;
  out: string;
  provider: Provider;
  device: number;
  family?: Family | 'auto';
  libraryDir?: string;
  cache: boolean;
  cacheDir?: string;
  nativeCache?: string;
  shard?: string;
  style: TableStyle;
  threads?: number;
}

/** What runs the model. */
function providerOf({ provider, device, family, libraryDir, cache, cacheDir }: Flags) {
  return {
    provider,
    deviceId: device,
    ...defined({ family, libraryDir }),
    ...(cache ? defined({ cache: cacheDir }) : { cache: false }),
  };
}

async function calibrateAction(context: Context, flags: Flags, argument?: string): Promise<void> {
  const model = modelOf(argument, flags);
  const options = {
    ...imagesOf(flags),
    ...recipeOf(flags),
    ...batchingOf(flags),
    ...methodOf(flags),
    ...context.call,
    ...providerOf(flags),
    out: flags.out,
    style: flags.style,
    ...defined({ threads: flags.threads, nativeCache: flags.nativeCache }),
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
    say(context, result, { ...said, more: { heldBack, scores } }, flags);
    return;
  }
  if (flags.shard === undefined) {
    const result = await calibrateFolder(model, options);
    const { table, images, available } = result;
    const of = `${formatCount(images, 'image')} of ${available}`;
    const { warnings, meta } = table;
    say(context, result, { tensors: table.size, of, warnings, meta }, flags);
    return;
  }
  const shard = parseShard(flags.shard, context.env);
  const result = await calibrateShard(model, { ...options, shard });
  const { images, total, tensors, warnings, meta } = result;
  const of = `${images} of ${formatCount(total, 'image')}, shard ${shard.index}/${shard.count},`;
  say(context, result, { tensors, of, warnings, meta, more: { shard, total } }, flags);
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
  flags: Flags,
): void {
  noteFound(context, result);
  noteProvider(context, result.provider, flags);
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
  const { provider } = result;
  const counts = { images, available, broken, elapsedMs };
  context.result({ files, tensors, method, provider, ...more, ...counts, meta });
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
      'what computes: onnxruntime (CPU), tensorrt (GPU, any version) or auto',
      choiceValue('--provider', PROVIDERS),
      'onnxruntime',
    )
    .option('--device <n>', 'number of the GPU', integerValue('--device', 0, 1023), 0)
    .option(
      '--family <name>',
      'which TensorRT (default: the newest that works here)',
      choiceValue('--family', ['auto', ...FAMILIES]),
    )
    .option('--library-dir <dir>', 'folder of the TensorRT libraries')
    .option('--cache-dir <dir>', 'folder of the engine cache, for --provider tensorrt')
    .option('--no-cache', 'build the engine of --provider tensorrt anew, and keep no copy')
    .option(
      '--native-cache <file>',
      "also write the ranges as TensorRT's own calibration cache (amax only)",
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
    'calibrate model.onnx --images photos --provider tensorrt --batch 64 --out calibration',
  ]);
}
