import { type Command, Option } from 'commander';
import {
  type BuildOptions,
  parseComputeCapabilities,
  parseMemPoolSize,
  profileFromShapes,
} from '../engine/index.js';
import { FAMILIES, type Family } from '../runtime/index.js';
import { choiceValue, integerValue } from './values.js';

/** What {@link buildFlags} gives. */
export interface BuildFlags {
  computeCapabilities?: string;
  minShapes?: string;
  optShapes?: string;
  maxShapes?: string;
  memPoolSize?: string;
  builderOptimizationLevel?: number;
  profilingVerbosity?: 'none' | 'layer_names_only' | 'detailed';
  int8?: boolean;
  fp16?: boolean;
  bf16?: boolean;
  tf32: boolean;
  best?: boolean;
  calibration?: string;
  calib?: string;
  strict?: boolean;
  family: Family | 'auto';
  libraryDir?: string;
  cache: boolean;
  cacheDir?: string;
}

/** The flags that decide how an engine is built, the same wherever one is. */
export function buildFlags(command: Command): Command {
  return command
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
    .option('--int8', 'let TensorRT 8.6 and 10 choose INT8; needs --calibration or a Q/DQ model')
    .option('--fp16', 'let TensorRT 8.6 and 10 choose half precision')
    .option('--bf16', 'let TensorRT 10 choose bfloat16')
    .option('--no-tf32', 'keep float32 from being computed with TF32')
    .option('--best', 'every precision that the library can choose')
    .addOption(
      new Option(
        '--calibration <dir|file>',
        'INT8 with the ranges of a table: a calibration folder, or a table of any format',
      ).conflicts('calib'),
    )
    .option('--calib <file>', "INT8 with a table, by trtexec's name for TensorRT's own cache")
    .option('--strict', 'stop when a tensor has no range, in place of leaving it float')
    .option(
      '--family <name>',
      `which TensorRT: auto, ${FAMILIES.join(', ')}`,
      choiceValue('--family', ['auto', ...FAMILIES]),
      'auto',
    )
    .option('--library-dir <dir>', 'folder of the TensorRT libraries, looked into first')
    .option(
      '--cache-dir <dir>',
      'folder of the engine cache (default: $TENSORRT_NODE_CACHE_DIR, else ~/.cache/tensorrt-node/engines)',
    )
    .option('--no-cache', 'build anew, and keep no copy in the engine cache');
}

/** Options that are on when their flag is there. */
const SWITCHES = ['int8', 'fp16', 'bf16', 'best', 'strict'] as const;

function switchesOf(
  flags: BuildFlags,
): Partial<Record<(typeof SWITCHES)[number] | 'tf32', boolean>> {
  const on = SWITCHES.filter((name) => flags[name] === true).map((name) => [name, true] as const);
  return { ...Object.fromEntries(on), ...(flags.tf32 ? {} : { tf32: false }) };
}

/** The build flags as `buildEngine` takes them. */
export function buildOptionsOf(flags: BuildFlags): Omit<BuildOptions, 'recipe'> {
  const { computeCapabilities, memPoolSize, minShapes, optShapes, maxShapes, cacheDir } = flags;
  const calibration = flags.calibration ?? flags.calib;
  const profile = profileFromShapes(minShapes, optShapes, maxShapes);
  return {
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
    ...switchesOf(flags),
    ...(calibration === undefined ? {} : { calibration }),
    ...(flags.libraryDir === undefined ? {} : { libraryDir: flags.libraryDir }),
    ...(flags.cache ? (cacheDir === undefined ? {} : { cache: cacheDir }) : { cache: false }),
  };
}
