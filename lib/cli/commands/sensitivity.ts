import { Command } from 'commander';
import { defined } from '../../defined.js';
import { sensitivityText } from '../../report/index.js';
import {
  SENSITIVITY_METRICS,
  SENSITIVITY_UNITS,
  type SensitivityMetric,
  type SensitivityUnitKind,
  sensitivity,
} from '../../tasks/index.js';
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
import { type PlacementFlags, placementOf, placementOptions } from '../placement-options.js';
import { wrongValue } from '../usage.js';
import { choiceValue, integerValue } from '../values.js';
import { modelOf, modelOption, noteBroken, noteFound, writtenText } from './shared.js';

interface Flags extends ImageFlags, RecipeFlags, BatchFlags, PlacementFlags {
  model?: string;
  calibration: string;
  out: string;
  resume?: string;
  by: SensitivityUnitKind;
  metric: SensitivityMetric;
  maxDrop: number;
  threads?: number;
}

/** A number from 0 to 1. */
function shareValue(text: string): number {
  const value = /^\d*\.?\d+(e-?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
  if (value >= 0 && value <= 1) return value;
  throw wrongValue('--max-drop', 'a number from 0 to 1', text);
}

async function sensitivityAction(context: Context, flags: Flags, argument?: string): Promise<void> {
  const { calibration, out, resume, by, metric, maxDrop } = flags;
  const result = await sensitivity(modelOf(argument, flags), {
    ...imagesOf(flags),
    ...recipeOf(flags),
    ...batchingOf(flags),
    ...context.call,
    ...placementOf(flags),
    ...{ calibration, out, by, metric, maxDrop },
    resume: resume ?? `${out}.partial.json`,
    ...defined({ exclude: flags.exclude, threads: flags.threads }),
    onWarning: (warning) => context.warn(warning),
  });
  noteFound(context, result);
  noteBroken(context, result.broken);
  if (result.reused > 0) {
    context.note(`${result.reused} scores taken from ${resume ?? `${out}.partial.json`}`);
  }
  context.line(sensitivityText(result));
  context.line(`\n${writtenText(result.files)}`);
  context.result({ ...result });
}

/** `sensitivity MODEL --calibration DIR|FILE --images DIR --out FILE`. */
export function sensitivityCommand(io: CliIo): Command {
  const command = modelOption(new Command('sensitivity'))
    .summary('find the layers that lose the most by INT8, and which to leave float')
    .description(
      'Leave one layer, or one block of layers, float at a time, rank them by what their INT8 form ' +
        'costs in agreement and logit distance against FP32, and find the smallest set of float ' +
        'layers that keeps the drop small enough. The set is written as a list for ' +
        '`quantize --exclude-file`, with the spelling of `build --layerPrecisions`; all figures go ' +
        'into <out>.json. A run that was ended goes on where it was.',
    )
    .argument('[model]', 'float ONNX model, or a folder that holds one');
  required(command, '--calibration <dir|file>', 'calibration folder, or a table of any format');
  imageOptions(command);
  required(command, '--out <file>', 'file for the list of nodes to leave float')
    .option(
      '--by <layer|block>',
      'what is left float at a time; a block is what a residual connection spans',
      choiceValue('--by', SENSITIVITY_UNITS),
      'layer',
    )
    .option(
      '--metric <name>',
      'what ranks, and what the drop is measured in: agreement (part of the images with another ' +
        'class than FP32 gives them) or distance (of the logits, as a part of their magnitude)',
      choiceValue('--metric', SENSITIVITY_METRICS),
      'agreement',
    )
    .option('--max-drop <share>', 'largest drop that may be left, 0 to 1', shareValue, 0.01)
    .option(
      '--resume <file>',
      'partial results, read when they are there (default: <out>.partial.json)',
    );
  sampleOptions(command, 'default: up to 200 images, or all of --files');
  recipeOptions(command);
  placementOptions(batchOptions(command))
    .option(
      '--threads <n>',
      'threads of ONNX Runtime (default: one a core)',
      integerValue('--threads', 1, 1024),
    )
    .action(action<[string | undefined], Flags>(io, sensitivityAction));
  return examples(command, [
    'sensitivity model.onnx --calibration calibration --images photos/val --out float.txt',
    'sensitivity model.onnx --calibration calibration --images photos --by block --out float.txt',
    'quantize model.onnx --calibration calibration --exclude-file float.txt --out model.int8.onnx',
  ]);
}
