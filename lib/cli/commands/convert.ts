import { Command } from 'commander';
import { convertTable, TABLE_STYLES, type TableStyle } from '../../calibration/index.js';
import { formatCount } from '../../report/index.js';
import { action, type Context } from '../context.js';
import type { CliIo } from '../io.js';
import { examples, required } from '../options.js';
import { choiceValue } from '../values.js';
import { writtenText } from './shared.js';

interface Flags {
  out: string;
  style: TableStyle;
}

async function convertAction(context: Context, flags: Flags, input: string): Promise<void> {
  const { style, out } = flags;
  const { table, files, warnings } = await convertTable(input, out, { style });
  for (const warning of warnings) context.warn(warning);
  context.line(`${formatCount(table.size, 'tensor')}, style ${style}`);
  context.line(writtenText(files));
  context.result({ files, tensors: table.size, style });
}

/** `convert IN --out DIR`. */
export function convertCommand(io: CliIo): Command {
  const command = new Command('convert')
    .summary('convert a calibration table between formats and styles')
    .description(
      'Read a calibration table of any format and write calibration.cache, .flatbuffers and .json.',
    )
    .argument('<in>', "table: one of ONNX Runtime's three files, TensorRT's cache, or a folder");
  required(command, '--out <dir>', 'folder for the files')
    .option(
      '--style <style>',
      'exact: the right values, newest layout; onnxruntime-1.20 and onnxruntime-1.12: the files of ' +
        'those versions, faults included',
      choiceValue('--style', TABLE_STYLES),
      'exact',
    )
    .action(action<[string], Flags>(io, convertAction));
  return examples(command, [
    'convert calibration.json --out converted',
    'convert calibration.cache --out converted --style onnxruntime-1.12',
  ]);
}
