import type { Command } from 'commander';
import { parseShapes } from '../engine/index.js';
import { type BuildFlags, buildFlags } from './build-flags.js';
import { type RecipeFlags, recipeOptions } from './options.js';
import { integerValue, listValue, numberValue } from './values.js';

/** What {@link benchOptions} gives. */
export interface BenchFlags extends BuildFlags, RecipeFlags {
  model?: string;
  onnx?: string;
  loadEngine?: string;
  warmUp: number;
  duration: number;
  iterations: number;
  avgRuns: number;
  percentile?: number[];
  infStreams?: number;
  streams?: number;
  useCudaGraph?: boolean;
  useSpinWait?: boolean;
  dataTransfers: boolean;
  overhead: boolean;
  separateProfileRun?: boolean;
  loadInputs?: [string, string][];
  exportTimes?: string;
  exportProfile?: string;
  exportOutput?: string;
  exportLayerInfo?: string;
  exportSummary?: string;
  compare?: string[];
  images?: string;
  files?: string;
  count?: number;
  labels?: string;
}

/** The shapes to run with: those of the first profile. */
export function runShapes({ shapes }: BenchFlags): Record<string, readonly number[]> | undefined {
  const text = shapes?.[0];
  return text === undefined ? undefined : Object.fromEntries(parseShapes('--shapes', text));
}

/** `name:file`; the last colon separates, as in shapes. */
function inputFile(text: string): [string, string] | undefined {
  const colon = text.lastIndexOf(':');
  const name = text.slice(0, Math.max(colon, 0)).replace(/^'(.*)'$/, '$1');
  return name === '' || colon === text.length - 1 ? undefined : [name, text.slice(colon + 1)];
}

function percentage(text: string): number | undefined {
  const value = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN;
  return value > 0 && value <= 100 ? value : undefined;
}

const atLeastZero = (value: number) => value >= 0;

function measuringOptions(command: Command): Command {
  return command
    .option(
      '--warm-up <ms>',
      'milliseconds of runs before those that count',
      numberValue('--warm-up', 'milliseconds, at least 0', atLeastZero),
      200,
    )
    .option(
      '--duration <s>',
      'seconds to measure at least',
      numberValue('--duration', 'seconds, at least 0', atLeastZero),
      3,
    )
    .option('--iterations <n>', 'runs to measure at least', integerValue('--iterations', 1), 10)
    .option(
      '--avg-runs <n>',
      'runs in each average of the summary',
      integerValue('--avg-runs', 1),
      10,
    )
    .option(
      '--percentile <list>',
      'percentiles to report (default: 90,95,99)',
      listValue('--percentile', 'numbers over 0 to 100', percentage),
    )
    .option('--inf-streams <n>', 'streams at the same time', integerValue('--inf-streams', 1, 64))
    .option('--streams <n>', 'the same, by its older name', integerValue('--streams', 1, 64))
    .option('--use-cuda-graph', 'launch CUDA graphs')
    .option('--use-spin-wait', 'poll in place of sleeping')
    .option('--no-data-transfers', 'leave inputs and outputs on the GPU')
    .option('--no-overhead', 'leave out the measurement of session.run')
    .option('--separate-profile-run', 'measure every layer, in a pass of its own')
    .option(
      '--load-inputs <list>',
      'raw elements of inputs: name:file (default: random)',
      listValue('--load-inputs', 'a list such as input:input.bin', inputFile),
    );
}

function exportOptions(command: Command): Command {
  return command
    .option('--export-times <file>', "write every iteration, in trtexec's layout")
    .option('--export-profile <file>', "write the time of every layer, in trtexec's layout")
    .option('--export-output <file>', "write the outputs of one run, in trtexec's layout")
    .option('--export-layer-info <file>', 'write what the engine says of its layers')
    .option('--export-summary <file>', 'write everything that was measured, as one JSON document');
}

function compareOptions(command: Command): Command {
  command
    .option(
      '--compare <list>',
      'build and compare variants: precisions joined by +, such as fp32,int8+fp16,int8+imageInput',
      listValue('--compare', 'variants such as fp16,int8+fp16', (item) => item),
    )
    .option('--images <dir>', 'folder of images to compare on')
    .option('--files <list>', 'file with one path a line, relative to --images')
    .option('--count <n>', 'number of images to take', integerValue('--count', 1))
    .option('--labels <file>', 'class names (default: *classes.json beside the model or images)');
  return recipeOptions(command);
}

/** The flags of `bench`: what is measured, what is written, what is compared, how it is built. */
export function benchOptions(command: Command): Command {
  return buildFlags(compareOptions(exportOptions(measuringOptions(command))));
}
