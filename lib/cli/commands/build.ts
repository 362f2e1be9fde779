import { Command } from 'commander';
import { defined } from '../../defined.js';
import {
  type BuildResult,
  type BuildWarning,
  countOutputTypes,
  type RangeCoverage,
} from '../../engine/index.js';
import { formatBytes, formatDuration } from '../../report/index.js';
import { buildFile } from '../../tasks/index.js';
import { type BuildFlags, buildFlags, buildOptionsOf } from '../build-flags.js';
import { action, type Context } from '../context.js';
import type { CliIo } from '../io.js';
import { examples, required } from '../options.js';
import {
  type BuildImageFlags,
  buildFromImages,
  buildImageFlags,
  checkImageFlags,
} from './build-images.js';
import { buildRecipeOption, modelOf, modelOption, writtenText } from './shared.js';

interface Flags extends BuildFlags, BuildImageFlags {
  model?: string;
  onnx?: string;
  saveEngine: string;
  recipe?: string;
  skipInference?: boolean;
}

/** Harmless warnings are notes with their explanation; all others are warnings. */
function tell(context: Context, warnings: readonly BuildWarning[]): void {
  for (const { text, explanation } of warnings) {
    if (explanation === undefined) context.warn(text);
    else context.note(`note: ${text}\n      ${explanation}`);
  }
}

/** Where the engine comes from: built now, or when. */
function originText({ cache, library, elapsedMs, created }: Omit<BuildResult, 'plan'>): string {
  const by = `${library.family} ${library.version}`;
  const took = formatDuration(elapsedMs);
  return cache.hit
    ? `from the cache, built by ${by} in ${took} on ${created}`
    : `built by ${by} in ${took}`;
}

function coverageText({ covered, derived, missing, unused }: RangeCoverage): string {
  const all = covered.length + derived.length + missing.length;
  const more = unused.length === 0 ? '' : `; ${unused.length} entries of the table match no tensor`;
  return (
    `Ranges: ${covered.length} of ${all} tensors from the table, ${derived.length} derived, ` +
    `${missing.length} without${more}`
  );
}

async function buildAction(context: Context, flags: Flags, argument?: string): Promise<void> {
  checkImageFlags(flags);
  const model = modelOf(argument, flags);
  const { images } = flags;
  const options = {
    ...context.call,
    ...buildOptionsOf(flags),
    out: flags.saveEngine,
    ...defined({ recipe: flags.recipe }),
  };
  const { build, files, manifest, json } =
    images === undefined
      ? { ...(await buildFile(model, options)), json: {} }
      : await buildFromImages(context, model, { ...flags, images }, options);
  tell(context, build.warnings);
  const types = Object.entries(countOutputTypes(build.layers));
  context.line(
    `${formatBytes(manifest.plan.bytes)} engine ${originText(build)}` +
      (build.computeCapabilities === undefined
        ? ''
        : ` for compute capabilities ${build.computeCapabilities.join(', ')}`),
  );
  if (build.ranges !== undefined) context.line(coverageText(build.ranges));
  if (types.length > 0) {
    const list = types.map(([type, count]) => `${count} ${type}`).join(', ');
    context.line(`${build.layers.length} layers; by the type of their output: ${list}`);
  }
  context.line(writtenText(files));
  const { network, ...rest } = build;
  context.result({ files, manifest, networkLayers: network.layers.length, ...rest, ...json });
}

/** `build MODEL --saveEngine=FILE`. */
export function buildCommand(io: CliIo): Command {
  const command = modelOption(new Command('build'))
    .summary("build a TensorRT engine; trtexec's flags")
    .description(
      "Build a TensorRT engine from an ONNX model. Flags are trtexec's. Precision is the model's own: " +
        'a model from `quantize` makes an INT8 engine. TensorRT 8.6 and 10 choose other precisions ' +
        'when they may (--int8, --fp16, --bf16, --best). With --computeCapabilities and the TensorRT-RTX ' +
        'libraries no GPU is needed. An engine that was built before, from the same model with the same ' +
        'options for the same GPU, comes from the cache.',
    )
    .argument('[model]', 'ONNX model, or a folder that holds one')
    .option('--onnx <path>', "the model, by trtexec's name for the flag");
  required(command, '--save-engine <file>', 'path of the engine');
  buildRecipeOption(buildImageFlags(buildFlags(command)))
    .option('--skip-inference', 'does nothing: `build` never runs the engine')
    .action(action<[string | undefined], Flags>(io, buildAction));
  return examples(command, [
    'build model.int8.onnx --saveEngine=model.engine --computeCapabilities=80,89,120',
    'build --onnx=model.onnx --saveEngine=model.engine --optShapes=input:1x3x224x224',
    'build model.onnx --int8 --fp16 --calibration calibration --saveEngine=model.engine',
    'build model.onnx --int8 --fp16 --images photos --count 500 --calib=model.cache --saveEngine=model.engine',
    'build model.onnx --fp16 --profile=0 --shapes=input:1x3x224x224 --profile=1 ' +
      '--minShapes=input:2x3x224x224 --optShapes=input:8x3x224x224 ' +
      '--maxShapes=input:32x3x224x224 --saveEngine=model.engine',
    'build model.onnx --saveEngine=model.engine --minShapes=input:1x3x224x224 ' +
      '--optShapes=input:8x3x224x224 --maxShapes=input:32x3x224x224 --memPoolSize=workspace:4096M',
  ]);
}
