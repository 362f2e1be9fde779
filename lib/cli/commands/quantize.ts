import { Command } from 'commander';
import { defined } from '../../defined.js';
import { messageOf } from '../../errors.js';
import type { QuantizeOptions } from '../../quantization/index.js';
import { quantizationText } from '../../report/index.js';
import { quantizeFile, readExcludeList } from '../../tasks/index.js';
import { action, type Context } from '../context.js';
import type { CliIo } from '../io.js';
import { examples, required } from '../options.js';
import { type PlacementFlags, placementOf, placementOptions } from '../placement-options.js';
import { UsageError } from '../usage.js';
import { listValue } from '../values.js';
import { modelOf, modelOption, writtenText } from './shared.js';

interface Flags extends PlacementFlags {
  model?: string;
  calibration?: string;
  out: string;
  excludeFile?: string;
  excludePattern?: RegExp[];
  foldBatchNorm: boolean;
  fp16?: boolean;
  fp16Io?: boolean;
  fp16Exclude?: string[];
  fp16ExcludePattern?: RegExp[];
  fp16ExcludeTypes?: string[];
}

function pattern(flag: string) {
  return (text: string, before: RegExp[] | undefined): RegExp[] => {
    try {
      return [...(before ?? []), new RegExp(text)];
    } catch (error) {
      throw new UsageError(
        `Expected a regular expression for ${flag} but received ${JSON.stringify(text)}`,
        (error as Error).message,
      );
    }
  };
}

/** Flags that mean nothing without a table, and nothing without --fp16. */
const INT8_FLAGS = [
  'exclude',
  'excludeFile',
  'excludePattern',
  'excludeTypes',
  'lastGemm',
] as const;
const FP16_FLAGS = ['fp16Io', 'fp16Exclude', 'fp16ExcludePattern', 'fp16ExcludeTypes'] as const;

/** The flag that commander keeps under that name. */
function flagOf(name: string): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

function checkFlags(flags: Flags): void {
  if (flags.calibration === undefined && !flags.fp16) {
    throw new UsageError('Missing option --calibration <dir|file>, or --fp16');
  }
  const lonely =
    flags.calibration === undefined
      ? INT8_FLAGS.find((name) => flags[name] !== undefined)
      : undefined;
  if (lonely !== undefined) {
    throw new UsageError(
      `${flagOf(lonely)} chooses what stays out of int8; it needs --calibration`,
    );
  }
  const useless = flags.fp16 ? undefined : FP16_FLAGS.find((name) => flags[name] !== undefined);
  if (useless !== undefined) throw new UsageError(`${flagOf(useless)} needs --fp16`);
}

/** The float16 flags as the library takes them. */
function float16Of(flags: Flags): NonNullable<QuantizeOptions['fp16']> {
  if (!flags.fp16) return false;
  return {
    keepIo: !flags.fp16Io,
    exclude: [...(flags.fp16Exclude ?? []), ...(flags.fp16ExcludePattern ?? [])],
    excludeTypes: flags.fp16ExcludeTypes ?? [],
  };
}

async function quantizeAction(context: Context, flags: Flags, argument?: string): Promise<void> {
  const { signal } = context;
  checkFlags(flags);
  const listed = flags.excludeFile === undefined ? [] : await readExcludeList(flags.excludeFile);
  const exclude = [...(flags.exclude ?? []), ...listed, ...(flags.excludePattern ?? [])];
  const result = await quantizeFile(modelOf(argument, flags), {
    out: flags.out,
    fp16: float16Of(flags),
    ...placementOf(flags),
    foldBatchNormalization: flags.foldBatchNorm,
    signal,
    ...defined({ calibration: flags.calibration }),
    ...(exclude.length === 0 ? {} : { exclude }),
  }).catch((error: unknown) => {
    // The list is an `exclude` of the API; here it has a flag of its own.
    const item = / for exclude but "(.*)" fits none$/s.exec(messageOf(error))?.[1];
    if (item === undefined || !listed.includes(item) || flags.exclude?.includes(item)) throw error;
    throw new UsageError(
      `Expected nodes of the model for --exclude-file but "${item}" of ${flags.excludeFile} fits none`,
    );
  });
  for (const warning of result.warnings) context.warn(warning);
  context.line(quantizationText(result.report));
  context.line(`\n${writtenText(result.files)}`);
  context.result({ files: result.files, report: result.report });
}

/** `quantize MODEL --calibration DIR|FILE [--fp16] --out FILE`. */
export function quantizeCommand(io: CliIo): Command {
  const command = modelOption(new Command('quantize'))
    .summary('write the INT8 (Q/DQ) or half-precision form of a model')
    .description(
      'Write the INT8 form of a model: QuantizeLinear and DequantizeLinear where the target runs ' +
        'int8, from a calibration table. This is INT8 for TensorRT 10 and 11, TensorRT-RTX and ONNX ' +
        'Runtime. The recipe of the calibration is kept beside the model. --fp16 makes the rest ' +
        'half precision, which TensorRT 11 and TensorRT-RTX take from the model alone; without ' +
        '--calibration it is all that is done.',
    )
    .argument('[model]', 'ONNX model, or a folder that holds one');
  command.option(
    '--calibration <dir|file>',
    'calibration folder, or a table of any format (required without --fp16)',
  );
  placementOptions(required(command, '--out <file>', 'path of the quantized model'))
    .option(
      '--exclude-file <file>',
      'list of nodes to leave float, one name a line, as `sensitivity` writes it',
    )
    .option(
      '--exclude-pattern <regex>',
      'nodes to leave float, by regular expression; may be repeated',
      pattern('--exclude-pattern'),
    )
    .option('--no-fold-batch-norm', 'leave BatchNormalization as it is')
    .option('--fp16', 'make what is not int8 half precision')
    .option('--fp16-io', 'inputs and outputs half precision, too (default: they stay float32)')
    .option(
      '--fp16-exclude <names>',
      'nodes to leave float32, by name, comma-separated; may be repeated',
      listValue('--fp16-exclude', 'names of nodes', (item) => item),
    )
    .option(
      '--fp16-exclude-pattern <regex>',
      'nodes to leave float32, by regular expression; may be repeated',
      pattern('--fp16-exclude-pattern'),
    )
    .option(
      '--fp16-exclude-types <operators>',
      'operators to leave float32, such as Softmax',
      listValue('--fp16-exclude-types', 'names of operators', (item) => item),
    )
    .action(action<[string | undefined], Flags>(io, quantizeAction));
  return examples(command, [
    'quantize model.onnx --calibration calibration --out model.int8.onnx',
    'quantize model.onnx --calibration calibration.json --target tensorrt-rtx --out rtx.onnx',
    'quantize model.onnx --calibration calibration --target tensorrt-rtx --fp16 --out rtx.onnx',
    'quantize model.onnx --fp16 --out model.fp16.onnx',
    'quantize model.onnx --calibration calibration --exclude-file float.txt --out model.int8.onnx',
    'quantize model.onnx --calibration calibration --exclude-types Gemm --out model.int8.onnx',
  ]);
}
