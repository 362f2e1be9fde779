import { Command } from 'commander';
import { defined } from '../../defined.js';
import { evaluationText } from '../../report/index.js';
import { evaluate, evaluateShard, type Provider, type Shard } from '../../tasks/index.js';
import { action, type Context } from '../context.js';
import { type EngineFlags, engineOf, engineOptions, PROVIDERS } from '../engine-options.js';
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
  sampleOptions,
} from '../options.js';
import { parseShard, shardOption } from '../shard.js';
import { UsageError } from '../usage.js';
import { choiceValue, integerValue } from '../values.js';
import {
  modelOf,
  modelOption,
  noteBroken,
  noteFound,
  noteProvider,
  writtenText,
} from './shared.js';

interface Flags extends ImageFlags, RecipeFlags, BatchFlags, EngineFlags {
  model?: string;
  against?: string;
  againstProvider: Provider;
  /** `false` for --no-labels; commander's default for a negatable flag is `true`. */
  labels: string | boolean;
  threads?: number;
  shard?: string;
  out?: string;
}

/** Which shard, and where it is written. */
function partOf(
  { shard, out }: Flags,
  env: Context['env'],
): { shard: Shard; out: string } | undefined {
  if (shard === undefined) {
    if (out !== undefined) throw new UsageError('--out means nothing without --shard');
    return undefined;
  }
  if (out === undefined) throw new UsageError('Missing option --out <dir> with --shard');
  return { shard: parseShard(shard, env), out };
}

async function evaluateAction(context: Context, flags: Flags, argument?: string): Promise<void> {
  const { labels, against } = flags;
  if (labels === false && against === undefined) {
    throw new UsageError('Expected --against with --no-labels: there is nothing to measure else');
  }
  const options = {
    ...imagesOf(flags),
    ...recipeOf(flags),
    ...batchingOf(flags),
    ...engineOf(flags),
    ...context.call,
    ...(against === undefined ? {} : { against, againstProvider: flags.againstProvider }),
    ...(labels === true ? {} : { labels }),
    ...defined({ threads: flags.threads }),
  };
  const model = modelOf(argument, flags);
  const part = partOf(flags, context.env);
  const written =
    part === undefined ? undefined : await evaluateShard(model, { ...options, ...part });
  const result = written ?? (await evaluate(model, options));
  noteFound(context, result, flags);
  noteProvider(context, result.model.provider, flags);
  noteBroken(context, result.broken);
  context.line(evaluationText(result));
  if (written !== undefined) context.line(`\n${writtenText(written.files)}`);
  context.result({ ...result });
}

/** `evaluate MODEL [--against MODEL2] --images DIR --labels FILE`. */
export function evaluateCommand(io: CliIo): Command {
  const command = modelOption(new Command('evaluate'))
    .summary('measure accuracy, and how close two models are')
    .description(
      'Measure how often a model is right on images that lie in a folder for each class, and how ' +
        'close another model is to it on the same images.',
    )
    .argument('[model]', 'ONNX model, a folder that holds one, or a TensorRT engine')
    .option('--against <model>', 'another model to compare with, such as the quantized one')
    .option(
      '--against-provider <name>',
      'what runs the other model when it is an ONNX one',
      choiceValue('--against-provider', PROVIDERS),
      'onnxruntime',
    );
  imageOptions(command)
    .option('--labels <file>', 'class names (default: *classes.json beside the model or images)')
    .option('--no-labels', 'compare two models on images whose class is not known');
  sampleOptions(command, 'default: all');
  recipeOptions(command);
  shardOption(command, 'writes a part into --out, for `merge`').option(
    '--out <dir>',
    'folder for the part, with --shard',
  );
  engineOptions(batchOptions(command))
    .option(
      '--threads <n>',
      'threads of ONNX Runtime (default: one a core)',
      integerValue('--threads', 1, 1024),
    )
    .action(action<[string | undefined], Flags>(io, evaluateAction));
  return examples(command, [
    'evaluate model.onnx --images photos/test --labels classes.json',
    'evaluate model.onnx --against model.int8.onnx --images photos --files test.txt',
    'evaluate model.engine --against model.onnx --images photos/test --batch 32',
    'evaluate model.onnx --provider tensorrt --fp16 --against model.onnx --images photos/test',
    'evaluate model.onnx --images photos/test --shard 3/16 --out reports/3',
    'evaluate model.onnx --against model.int8.onnx --images unsorted --no-labels --json',
  ]);
}
