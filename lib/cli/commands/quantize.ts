import { Command } from 'commander';
import { QUANTIZATION_TARGETS, type QuantizationTarget } from '../../quantization/index.js';
import { quantizationText } from '../../report/index.js';
import { quantizeFile } from '../../tasks/index.js';
import { action, type Context } from '../context.js';
import type { CliIo } from '../io.js';
import { examples, required } from '../options.js';
import { UsageError } from '../usage.js';
import { choiceValue, listValue } from '../values.js';
import { modelOf, modelOption, writtenText } from './shared.js';

interface Flags {
  model?: string;
  calibration: string;
  out: string;
  target: QuantizationTarget;
  exclude?: string[];
  excludePattern?: RegExp[];
  excludeTypes?: string[];
  lastGemm?: boolean;
  missingRanges: 'error' | 'float';
  foldBatchNorm: boolean;
}

function pattern(text: string, before: RegExp[] | undefined): RegExp[] {
  try {
    return [...(before ?? []), new RegExp(text)];
  } catch (error) {
    throw new UsageError(
      `Expected a regular expression for --exclude-pattern but received ${JSON.stringify(text)}`,
      (error as Error).message,
    );
  }
}

async function quantizeAction(context: Context, flags: Flags, argument?: string): Promise<void> {
  const { signal } = context;
  const exclude = [...(flags.exclude ?? []), ...(flags.excludePattern ?? [])];
  const result = await quantizeFile(modelOf(argument, flags), {
    calibration: flags.calibration,
    out: flags.out,
    target: flags.target,
    missingRanges: flags.missingRanges,
    foldBatchNormalization: flags.foldBatchNorm,
    signal,
    ...(exclude.length === 0 ? {} : { exclude }),
    ...(flags.excludeTypes === undefined ? {} : { excludeTypes: flags.excludeTypes }),
    ...(flags.lastGemm === undefined ? {} : { lastGemm: flags.lastGemm }),
  });
  for (const warning of result.warnings) context.warn(warning);
  context.line(quantizationText(result.report));
  context.line(`\n${writtenText(result.files)}`);
  context.result({ files: result.files, report: result.report });
}

/** `quantize MODEL --calibration DIR|FILE --out FILE`. */
export function quantizeCommand(io: CliIo): Command {
  const command = modelOption(new Command('quantize'))
    .summary('write the INT8 (Q/DQ) form of a model from a table')
    .description(
      'Write the INT8 form of a model: QuantizeLinear and DequantizeLinear where the target runs ' +
        'int8, from a calibration table. This is INT8 for TensorRT 10 and 11, TensorRT-RTX and ONNX ' +
        'Runtime. The recipe of the calibration is kept beside the model.',
    )
    .argument('[model]', 'ONNX model, or a folder that holds one');
  required(command, '--calibration <dir|file>', 'calibration folder, or a table of any format');
  required(command, '--out <file>', 'path of the quantized model')
    .option(
      '--target <name>',
      `what will run the model: ${QUANTIZATION_TARGETS.join(', ')}`,
      choiceValue('--target', QUANTIZATION_TARGETS),
      'tensorrt',
    )
    .option(
      '--exclude <names>',
      'nodes to leave float, by name, comma-separated; may be repeated',
      listValue('--exclude', 'names of nodes', (item) => item),
    )
    .option(
      '--exclude-pattern <regex>',
      'nodes to leave float, by regular expression; may be repeated',
      pattern,
    )
    .option(
      '--exclude-types <operators>',
      'operators to leave float, such as Gemm,Add',
      listValue('--exclude-types', 'names of operators', (item) => item),
    )
    .option('--last-gemm', 'quantize the classifier head too')
    .option(
      '--missing-ranges <error|float>',
      'what a tensor without a range does: stop, or leave its nodes float',
      choiceValue('--missing-ranges', ['error', 'float']),
      'error',
    )
    .option('--no-fold-batch-norm', 'leave BatchNormalization as it is')
    .action(action<[string | undefined], Flags>(io, quantizeAction));
  return examples(command, [
    'quantize model.onnx --calibration calibration --out model.int8.onnx',
    'quantize model.onnx --calibration calibration.json --target tensorrt-rtx --out rtx.onnx',
    'quantize model.onnx --calibration calibration --exclude-types Gemm --out model.int8.onnx',
  ]);
}
