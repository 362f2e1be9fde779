import { Command } from 'commander';
import {
  type BuildWarning,
  countOutputTypes,
  parseComputeCapabilities,
  parseMemPoolSize,
  profileFromShapes,
} from '../../engine/index.js';
import { formatBytes, formatDuration } from '../../report/index.js';
import { FAMILIES, type Family } from '../../runtime/index.js';
import { buildFile } from '../../tasks/index.js';
import { action, type Context } from '../context.js';
import type { CliIo } from '../io.js';
import { examples, required } from '../options.js';
import { choiceValue, integerValue } from '../values.js';
import { modelOf, modelOption, writtenText } from './shared.js';

interface Flags {
  model?: string;
  onnx?: string;
  saveEngine: string;
  computeCapabilities?: string;
  minShapes?: string;
  optShapes?: string;
  maxShapes?: string;
  memPoolSize?: string;
  builderOptimizationLevel?: number;
  profilingVerbosity?: 'none' | 'layer_names_only' | 'detailed';
  recipe?: string;
  family: Family | 'auto';
  libraryDir?: string;
}

/** Harmless warnings are notes with their explanation; all others are warnings. */
function tell(context: Context, warnings: readonly BuildWarning[]): void {
  for (const { text, explanation } of warnings) {
    if (explanation === undefined) context.warn(text);
    else context.note(`note: ${text}\n      ${explanation}`);
  }
}

async function buildAction(context: Context, flags: Flags, argument?: string): Promise<void> {
  const { computeCapabilities, memPoolSize, minShapes, optShapes, maxShapes } = flags;
  const profile = profileFromShapes(minShapes, optShapes, maxShapes);
  const { build, files, manifest } = await buildFile(modelOf(argument, flags), {
    ...context.call,
    out: flags.saveEngine,
    family: flags.family,
    ...(computeCapabilities === undefined
      ? {}
      : {
          computeCapabilities: parseComputeCapabilities(
            '--compute-capabilities',
            computeCapabilities,
          ),
        }),
    ...(memPoolSize === undefined
      ? {}
      : { memPoolSize: parseMemPoolSize('--mem-pool-size', memPoolSize) }),
    ...(profile === undefined ? {} : { profiles: [profile] }),
    ...(flags.builderOptimizationLevel === undefined
      ? {}
      : { builderOptimizationLevel: flags.builderOptimizationLevel }),
    ...(flags.profilingVerbosity === undefined
      ? {}
      : { profilingVerbosity: flags.profilingVerbosity }),
    ...(flags.recipe === undefined ? {} : { recipe: flags.recipe }),
    ...(flags.libraryDir === undefined ? {} : { libraryDir: flags.libraryDir }),
  });
  tell(context, build.warnings);
  const types = Object.entries(countOutputTypes(build.layers));
  context.line(
    `${formatBytes(manifest.plan.bytes)} engine built by ${build.library.family} ` +
      `${build.library.version} in ${formatDuration(build.elapsedMs)}` +
      (build.computeCapabilities === undefined
        ? ''
        : ` for compute capabilities ${build.computeCapabilities.join(', ')}`),
  );
  if (types.length > 0) {
    const list = types.map(([type, count]) => `${count} ${type}`).join(', ');
    context.line(`${build.layers.length} layers; by the type of their output: ${list}`);
  }
  context.line(writtenText(files));
  const { network, ...rest } = build;
  context.result({ files, manifest, networkLayers: network.layers.length, ...rest });
}

/** `build MODEL --saveEngine=FILE`. */
export function buildCommand(io: CliIo): Command {
  const command = modelOption(new Command('build'))
    .summary("build a TensorRT engine; trtexec's flags")
    .description(
      "Build a TensorRT engine from an ONNX model. Flags are trtexec's. Precision is the model's own: " +
        'a model from `quantize` makes an INT8 engine. With --computeCapabilities and the TensorRT-RTX ' +
        'libraries no GPU is needed.',
    )
    .argument('[model]', 'ONNX model, or a folder that holds one')
    .option('--onnx <path>', "the model, by trtexec's name for the flag");
  required(command, '--save-engine <file>', 'path of the engine')
    .option('--compute-capabilities <list>', 'GPUs to build for, such as 80,89,120')
    .option('--min-shapes <shapes>', 'smallest shapes of dynamic inputs: name:1x3x224x224')
    .option('--opt-shapes <shapes>', 'shapes to tune for')
    .option('--max-shapes <shapes>', 'largest shapes')
    .option('--mem-pool-size <sizes>', 'limits of memory pools: workspace:4096M')
    .option(
      '--builder-optimization-level <n>',
      '0 builds fastest, 5 looks for the fastest engine',
      integerValue('--builder-optimization-level', 0, 5),
    )
    .option(
      '--profiling-verbosity <level>',
      'what the engine can tell of its layers: none, layer_names_only, detailed',
      choiceValue('--profiling-verbosity', ['none', 'layer_names_only', 'detailed']),
    )
    .option(
      '--recipe <file|name>',
      'recipe of the images, kept beside the engine (default: the one beside the model)',
    )
    .option(
      '--family <name>',
      `which TensorRT: auto, ${FAMILIES.join(', ')}`,
      choiceValue('--family', ['auto', ...FAMILIES]),
      'auto',
    )
    .option('--library-dir <dir>', 'folder of the TensorRT libraries, looked into first')
    .action(action<[string | undefined], Flags>(io, buildAction));
  return examples(command, [
    'build model.int8.onnx --saveEngine=model.engine --computeCapabilities=80,89,120',
    'build --onnx=model.onnx --saveEngine=model.engine --optShapes=input:1x3x224x224',
    'build model.onnx --saveEngine=model.engine --minShapes=input:1x3x224x224 ' +
      '--optShapes=input:8x3x224x224 --maxShapes=input:32x3x224x224 --memPoolSize=workspace:4096M',
  ]);
}
