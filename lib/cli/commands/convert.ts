import { Command, Option } from 'commander';
import {
  convertTable,
  type NativeAlgorithm,
  TABLE_STYLES,
  type TableStyle,
  trtVersionNumber,
} from '../../calibration/index.js';
import { defined } from '../../defined.js';
import { formatCount } from '../../report/index.js';
import { action, type Context } from '../context.js';
import type { CliIo } from '../io.js';
import { examples, required } from '../options.js';
import { UsageError, wrongValue } from '../usage.js';
import { choiceValue } from '../values.js';
import { writtenText } from './shared.js';

/** TensorRT's calibrators, as the first line of its cache names them. */
const ALGORITHMS = {
  minmax: 'MinMaxCalibration',
  entropy2: 'EntropyCalibration2',
  entropy: 'EntropyCalibration',
} as const satisfies Record<string, NativeAlgorithm>;

interface Flags {
  out: string;
  to: 'onnxruntime' | 'tensorrt';
  style?: TableStyle;
  trtVersion?: number;
  algorithm?: keyof typeof ALGORITHMS;
}

function version(text: string): number {
  try {
    return trtVersionNumber(text);
  } catch {
    throw wrongValue('--trt-version', 'a TensorRT version such as 8601, 100300 or 10.3.0', text);
  }
}

/** Flags that mean something to one target only. */
function checkTarget({ to, style, trtVersion, algorithm }: Flags): void {
  const misplaced =
    to === 'tensorrt'
      ? style !== undefined && '--style'
      : (trtVersion !== undefined && '--trt-version') || (algorithm !== undefined && '--algorithm');
  if (misplaced !== false) throw new UsageError(`${misplaced} means nothing with --to ${to}`);
}

async function convertAction(context: Context, flags: Flags, input: string): Promise<void> {
  checkTarget(flags);
  const { to, out, style = 'exact', trtVersion, algorithm } = flags;
  const { table, files, header, warnings } = await convertTable(input, out, {
    to,
    style,
    ...defined({ trtVersion }),
    ...(algorithm === undefined ? {} : { algorithm: ALGORITHMS[algorithm] }),
  });
  for (const warning of warnings) context.warn(warning);
  const form = header ?? `style ${style}`;
  context.line(`${formatCount(table.size, 'tensor')}, ${form}`);
  context.line(writtenText(files));
  const written = header === undefined ? { style } : { header };
  context.result({ files, tensors: table.size, to, ...written });
}

/** `convert IN [--to onnxruntime|tensorrt] --out DIR`. */
export function convertCommand(io: CliIo): Command {
  const command = new Command('convert')
    .summary('convert a calibration table between formats and styles')
    .description(
      'Read a calibration table of any format and write calibration.cache, .flatbuffers and .json ' +
        "for ONNX Runtime, or TensorRT's own calibration.cache.",
    )
    .argument('<in>', "table: one of ONNX Runtime's three files, TensorRT's cache, or a folder");
  required(command, '--out <dir>', 'folder for the files')
    .option(
      '--to <format>',
      "onnxruntime: its three files; tensorrt: TensorRT's own calibration.cache",
      choiceValue('--to', ['onnxruntime', 'tensorrt']),
      'onnxruntime',
    )
    .option(
      '--style <style>',
      'onnxruntime: exact (default), the right values and the newest layout; onnxruntime-1.20 and ' +
        'onnxruntime-1.12, the files of those versions, faults included',
      choiceValue('--style', TABLE_STYLES),
    )
    .option(
      '--trt-version <v>',
      'tensorrt: version that the cache names, such as 8601 or 10.3.0; TensorRT reads its own only ' +
        '(default: that of the source, else 8601)',
      version,
    )
    .addOption(
      new Option(
        '--algorithm <name>',
        `tensorrt: calibrator that the cache names: ${Object.keys(ALGORITHMS).join(', ')} ` +
          '(default: that of the source, else by its method)',
      ).argParser(
        choiceValue('--algorithm', Object.keys(ALGORITHMS) as (keyof typeof ALGORITHMS)[]),
      ),
    )
    .action(action<[string], Flags>(io, convertAction));
  return examples(command, [
    'convert calibration.json --out converted',
    'convert calibration.cache --out converted --style onnxruntime-1.12',
    'convert calibration --to tensorrt --trt-version 10.3.0 --algorithm entropy2 --out native',
  ]);
}
