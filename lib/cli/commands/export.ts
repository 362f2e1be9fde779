import { Command } from 'commander';
import { defined } from '../../defined.js';
import { exportTriton } from '../../tasks/index.js';
import { action, type Context } from '../context.js';
import type { CliIo } from '../io.js';
import { examples, required } from '../options.js';
import { integerValue, listValue } from '../values.js';
import { noteFound, writtenText } from './shared.js';

interface TritonFlags {
  repository: string;
  name?: string;
  modelVersion?: number;
  maxBatchSize?: number;
  labels?: string;
  instanceCount?: number;
  gpus?: number[];
  preferredBatchSizes?: number[];
  maxQueueDelay?: number;
  libraryDir?: string;
}

async function tritonAction(context: Context, flags: TritonFlags, engine: string): Promise<void> {
  const { repository, maxQueueDelay } = flags;
  const { name, modelVersion, maxBatchSize, labels } = flags;
  const { instanceCount, gpus, preferredBatchSizes, libraryDir } = flags;
  const result = await exportTriton(engine, {
    repository,
    signal: context.signal,
    ...defined({
      name,
      modelVersion,
      maxBatchSize,
      labels,
      instanceCount,
      gpus,
      preferredBatchSizes,
      maxQueueDelayUs: maxQueueDelay,
      libraryDir,
    }),
  });
  noteFound(context, result);
  for (const warning of result.warnings) context.warn(warning);
  for (const note of result.notes) context.line(note);
  context.line(writtenText(result.files));
  const { warnings: _warnings, ...rest } = result;
  context.result(rest);
}

function numbers(flag: string, what: string) {
  return listValue(flag, what, (item) => (/^\d+$/.test(item) ? Number(item) : undefined));
}

function tritonCommand(io: CliIo): Command {
  const command = new Command('triton')
    .summary('write a model repository of the Triton Inference Server')
    .description(
      'Write an engine into a model repository of the Triton Inference Server: config.pbtxt, the plan ' +
        'and the labels. Inputs, outputs and shapes come from the manifest beside the engine; an ' +
        'engine without one is asked, which takes a GPU.',
    )
    .argument('<engine>', 'engine file');
  required(command, '--repository <dir>', 'folder of the model repository')
    .option('--name <name>', 'name of the model (default: the name of the engine file)')
    .option(
      '--max-batch-size <n>',
      'largest batch (default: the largest that the engine takes)',
      integerValue('--max-batch-size', 0),
    )
    .option('--labels <file>', 'class names (default: *classes.json beside the engine)')
    .option(
      '--instance-count <n>',
      'instances on each GPU (default: 1)',
      integerValue('--instance-count', 1),
    )
    .option(
      '--gpus <list>',
      'numbers of the GPUs (default: all)',
      numbers('--gpus', 'numbers of GPUs such as 0,1'),
    )
    .option(
      '--preferred-batch-sizes <list>',
      'batches that are sent at once',
      numbers('--preferred-batch-sizes', 'batch sizes such as 8,16'),
    )
    .option(
      '--max-queue-delay <us>',
      'how long a request may wait for others, in microseconds (default: 0)',
      integerValue('--max-queue-delay', 0),
    )
    .option(
      '--model-version <n>',
      'version, a folder of its own (default: 1)',
      integerValue('--model-version', 1),
    )
    .option('--library-dir <dir>', 'folder of the TensorRT libraries, looked into first')
    .action(action<[string], TritonFlags>(io, tritonAction));
  return examples(command, [
    'export triton model.engine --repository models',
    'export triton model.engine --repository models --name digits --labels classes.json ' +
      '--preferred-batch-sizes 8,16 --max-queue-delay 200',
  ]);
}

/** `export triton ENGINE`. */
export function exportCommand(io: CliIo): Command {
  return new Command('export')
    .summary('write an engine for another server')
    .description('Write an engine in the form that another server takes.')
    .addCommand(tritonCommand(io));
}
