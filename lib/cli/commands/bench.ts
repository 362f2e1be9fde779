import { Command } from 'commander';
import { defined } from '../../defined.js';
import { writeFile, writeFiles } from '../../files.js';
import { benchText, compareText } from '../../report/index.js';
import {
  type BenchOptions,
  type BenchResult,
  bench,
  type CompareImages,
  compareVariants,
  exportedAverages,
  exportedOutputs,
  exportedProfile,
  exportedTimes,
} from '../../tasks/index.js';
import { benchOptions, type BenchFlags as Flags, runShapes } from '../bench-options.js';
import { buildOptionsOf } from '../build-flags.js';
import { action, type Context, jsonText } from '../context.js';
import type { CliIo } from '../io.js';
import { examples, imagesOf, recipeOf } from '../options.js';
import { UsageError } from '../usage.js';
import { modelOption, writtenText } from './shared.js';

/** The one thing to run. */
function subject(flags: Flags, argument: string | undefined): string {
  const named = [argument, flags.model, flags.onnx, flags.loadEngine].filter(
    (path) => path !== undefined,
  );
  if (named.length > 1) {
    throw new UsageError('Expected one model or engine, by argument or by flag');
  }
  if (named[0] === undefined) throw new UsageError('Missing argument MODEL');
  return named[0];
}

/** What is written beside the loops' own figures: the document of `--json` and `--exportSummary`. */
function summaryOf(result: BenchResult, avgRuns: number): Record<string, unknown> {
  const { loops, layers, outputs, layerInfo, ...rest } = result;
  return {
    ...rest,
    averages: exportedAverages(loops, avgRuns),
    ...(layers === undefined ? {} : { layers: exportedProfile(layers) }),
  };
}

/** The files that were asked for, in trtexec's layouts. */
function exportsOf(flags: Flags, result: BenchResult, summary: object): [string, string][] {
  const { exportTimes, exportProfile, exportOutput, exportLayerInfo, exportSummary } = flags;
  const files: [string | undefined, () => string][] = [
    [exportTimes, () => jsonText(exportedTimes(result.loops))],
    [exportProfile, () => jsonText(exportedProfile(result.layers ?? []))],
    [exportOutput, () => jsonText(exportedOutputs(result.outputs ?? {}))],
    [exportLayerInfo, () => result.layerInfo ?? ''],
    [exportSummary, () => jsonText(summary)],
  ];
  return files.flatMap(([path, text]) => (path === undefined ? [] : [[path, `${text()}\n`]]));
}

/** What both forms of the command take. */
function optionsOf(context: Context, flags: Flags): BenchOptions {
  const shapes = runShapes(flags);
  const { family, libraryDir, ...build } = buildOptionsOf(flags);
  const infStreams = flags.infStreams ?? flags.streams;
  return {
    ...context.call,
    warmUp: flags.warmUp,
    duration: flags.duration,
    iterations: flags.iterations,
    deviceId: flags.device ?? 0,
    useCudaGraph: flags.useCudaGraph === true,
    useSpinWait: flags.useSpinWait === true,
    noDataTransfers: !flags.dataTransfers,
    overhead: flags.overhead,
    profile: flags.exportProfile !== undefined || flags.separateProfileRun === true,
    outputs: flags.exportOutput !== undefined,
    layerInfo: flags.exportLayerInfo !== undefined,
    build,
    ...recipeOf(flags),
    ...defined({ family, libraryDir, shapes, infStreams, percentiles: flags.percentile }),
    ...(flags.loadInputs === undefined ? {} : { loadInputs: Object.fromEntries(flags.loadInputs) }),
  };
}

/** The images of `--compare`, when there are some. */
function comparedImages(flags: Flags): CompareImages | undefined {
  const { images, files, count, labels } = flags;
  if (images === undefined) return undefined;
  return {
    ...imagesOf({
      images,
      ...defined({ files, count }),
    }),
    ...recipeOf(flags),
    ...defined({ labels }),
  };
}

async function compareAction(context: Context, flags: Flags, model: string): Promise<void> {
  const calibration = flags.calibration ?? flags.calib;
  const images = comparedImages(flags);
  // Graphs are on: what is shipped runs with them.
  const { useCudaGraph: _, ...options } = optionsOf(context, flags);
  const result = await compareVariants(model, {
    ...options,
    compare: flags.compare!,
    ...defined({ calibration, evaluate: images }),
  });
  const variants = result.variants.map(({ bench: measured, ...rest }) => ({
    ...rest,
    bench: summaryOf(measured, flags.avgRuns),
  }));
  const summary = { ship: result.ship, variants };
  const { exportSummary } = flags;
  if (exportSummary !== undefined) await writeFile(exportSummary, `${jsonText(summary)}\n`);
  context.line(compareText(result));
  if (exportSummary !== undefined) context.line(writtenText([exportSummary]));
  context.result(summary);
}

async function benchAction(context: Context, flags: Flags, argument?: string): Promise<void> {
  const model = subject(flags, argument);
  if (flags.compare !== undefined) {
    await compareAction(context, flags, model);
    return;
  }
  const result = await bench(model, optionsOf(context, flags));
  const summary = summaryOf(result, flags.avgRuns);
  const files = exportsOf(flags, result, summary);
  await writeFiles(files);
  context.line(benchText(result));
  if (files.length > 0) context.line(writtenText(files.map(([path]) => path)));
  context.result({ ...summary, files: files.map(([path]) => path) });
}

/** `bench MODEL|ENGINE`. */
export function benchCommand(io: CliIo): Command {
  const command = modelOption(new Command('bench'))
    .summary("measure an engine; trtexec's flags")
    .description(
      "Measure an engine on this machine's GPU: the native loop stage by stage, as trtexec does, and " +
        'what session.run adds to it. An ONNX model is built first, through the engine cache. With ' +
        '--compare it is built in several precisions, with CUDA graphs, and their speed and accuracy ' +
        'are compared.',
    )
    .argument('[model]', 'engine, ONNX model (.onnx), or a folder that holds one')
    .option('--load-engine <file>', "the engine, by trtexec's name for the flag")
    .option('--onnx <path>', "the model, by trtexec's name for the flag");
  benchOptions(command).action(action<[string | undefined], Flags>(io, benchAction));
  return examples(command, [
    'bench model.engine --useCudaGraph',
    'bench --loadEngine=model.engine --infStreams=2 --useCudaGraph --exportTimes=times.json',
    'bench model.onnx --shapes=input:1x3x288x416 --useCudaGraph --exportSummary=summary.json',
    'bench model.engine --exportProfile=profile.json --exportLayerInfo=layers.json',
    'bench model.onnx --compare=fp32,fp16,int8,int8+fp16 --calibration=calibration ' +
      '--shapes=input:1x3x288x416 --images=photos/test --labels=classes.json',
  ]);
}
