import { Command } from 'commander';
import { defined } from '../../defined.js';
import { formatPercent } from '../../report/index.js';
import { classifyStream, expandImages, type ImageClassification } from '../../tasks/index.js';
import { action, type Context } from '../context.js';
import { type EngineFlags, engineOf, engineOptions } from '../engine-options.js';
import type { CliIo } from '../io.js';
import {
  type BatchFlags,
  batchingOf,
  batchOptions,
  examples,
  type RecipeFlags,
  recipeOf,
  recipeOptions,
} from '../options.js';
import { UsageError } from '../usage.js';
import { integerValue } from '../values.js';
import { modelOf, modelOption, noteBroken, noteFound, noteProvider } from './shared.js';

interface Flags extends RecipeFlags, BatchFlags, EngineFlags {
  model?: string;
  labels?: string;
  topK: number;
  threads?: number;
}

function text({ source, predictions }: ImageClassification): string {
  const list = predictions.map(({ label, confidence }) => `${label} ${formatPercent(confidence)}`);
  return `${source}: ${list.join(', ')}`;
}

async function classifyAction(
  context: Context,
  flags: Flags,
  given: readonly string[],
): Promise<void> {
  const [first, ...rest] = given;
  const named = flags.model !== undefined || flags.engine !== undefined;
  const model = modelOf(named ? undefined : first, flags);
  const sources = named ? given : rest;
  if (sources.length === 0) throw new UsageError('Missing argument IMAGES');
  const images = await expandImages(sources, context.call);
  const stream = await classifyStream(model, images, {
    ...recipeOf(flags),
    ...batchingOf(flags),
    ...engineOf(flags),
    ...context.call,
    topK: flags.topK,
    ...defined({ labels: flags.labels, threads: flags.threads }),
  });
  noteFound(context, stream.summary(), flags);
  noteProvider(context, stream.summary().provider, flags);
  const results: ImageClassification[] = [];
  let softmaxSaid = false;
  for await (const result of stream) {
    if (context.json) results.push(result);
    if (!softmaxSaid && stream.summary().softmaxApplied) {
      softmaxSaid = true;
      context.note('Softmax was applied: the outputs of the model are no probabilities.');
    }
    context.line(text(result));
  }
  results.sort((a, b) => a.position - b.position);
  const summary = stream.summary();
  noteBroken(context, summary.broken);
  context.result({ model, results, ...summary });
}

/** `classify MODEL IMAGES…`. */
export function classifyCommand(io: CliIo): Command {
  const command = modelOption(new Command('classify'))
    .summary('name what images show')
    .description('Name what images show: the most probable classes with their confidence.')
    .argument('[model]', 'ONNX model, a folder that holds one, or a TensorRT engine')
    .argument('[images...]', 'images: paths, folders, or http(s) addresses')
    .option('--labels <file>', 'class names (default: *classes.json beside the model)')
    .option('--top-k <n>', 'classes to show for each image', integerValue('--top-k', 1), 5);
  recipeOptions(command);
  engineOptions(batchOptions(command))
    .option(
      '--threads <n>',
      'threads of ONNX Runtime (default: one a core)',
      integerValue('--threads', 1, 1024),
    )
    .action(
      action<[string | undefined, string[]], Flags>(io, (context, flags, model, images) =>
        classifyAction(context, flags, model === undefined ? images : [model, ...images]),
      ),
    );
  return examples(command, [
    'classify model.onnx cat.jpg --labels classes.json',
    'classify model.int8.onnx photos https://example.org/dog.jpg --top-k 3',
    'classify model.engine photos --batch 32 --json',
    'classify model.onnx photos --provider tensorrt --int8 --fp16 --calibration calibration',
  ]);
}
