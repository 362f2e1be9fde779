import { type Command, Option } from 'commander';
import { defined } from '../defined.js';
import { type BuildOptions, parseComputeCapabilities, parseMemPoolSize } from '../engine/index.js';
import { FAMILIES, type Family } from '../runtime/index.js';
import { type ProfileFlags, profileFlags, profilesOf } from './profile-flags.js';
import { choiceValue, integerValue } from './values.js';

const HARDWARE_LEVELS = ['none', 'ampere+', 'sameComputeCapability'] as const;

/** What {@link buildFlags} gives. */
export interface BuildFlags extends ProfileFlags {
  computeCapabilities?: string;
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
  layerPrecisions?: string;
  layerOutputTypes?: string;
  precisionConstraints?: 'none' | 'prefer' | 'obey';
  inputIoFormats?: string;
  outputIoFormats?: string;
  tacticSources?: string;
  timingCacheFile?: string;
  hardwareCompatibilityLevel?: (typeof HARDWARE_LEVELS)[number];
  versionCompatible?: boolean;
  excludeLeanRuntime?: boolean;
  stripWeights?: boolean;
  refit?: boolean;
  sparsity?: 'disable' | 'enable' | 'force';
  maxAuxStreams?: number;
  avgTiming?: number;
  directIo?: boolean;
  imageInput?: boolean;
  device?: number;
  family: Family | 'auto';
  libraryDir?: string;
  cache: boolean;
  cacheDir?: string;
}

/** The flags that decide how an engine is built, the same wherever one is. */
export function buildFlags(command: Command): Command {
  profileFlags(command)
    .option('--compute-capabilities <list>', 'GPUs to build for, such as 80,89,120')
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
      '--layer-precisions <spec>',
      'types that layers compute in: name:fp32,pattern*:fp16 (TensorRT 8.6 and 10)',
    )
    .option('--layer-output-types <spec>', 'types that layers put out, in the same form')
    .option(
      '--precision-constraints <how>',
      'whether these types are wishes or orders: none, prefer, obey (default: prefer)',
      choiceValue('--precision-constraints', ['none', 'prefer', 'obey']),
    )
    .option('--input-io-formats <spec>', 'types of the inputs in order: fp16:chw,int32:chw')
    .option('--output-io-formats <spec>', 'types of the outputs in order')
    .option(
      '--image-input',
      "take images as bytes, [batch, height, width, 3]: the recipe's numbers go into the engine",
    );
  return engineFlags(command)
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

/** What an engine may use, and where it may run. */
function engineFlags(command: Command): Command {
  return command
    .option('--tactic-sources <list>', 'kernels to turn off and on: -CUDNN,+CUBLAS')
    .option(
      '--timing-cache-file <file>',
      'what kernels took in earlier builds; written back, and shared by processes',
    )
    .option(
      '--hardware-compatibility-level <level>',
      `other GPUs that the engine runs on: ${HARDWARE_LEVELS.join(', ')}`,
      choiceValue('--hardware-compatibility-level', HARDWARE_LEVELS),
    )
    .option('--version-compatible', 'let later versions of TensorRT run the engine')
    .option('--exclude-lean-runtime', 'leave the runtime out of a version compatible engine')
    .option('--strip-weights', 'leave the weights out of the engine (TensorRT 10 and later)')
    .option('--refit', 'let the weights of the engine be changed')
    .option(
      '--sparsity <how>',
      'use of weights that are pruned 2:4: disable, enable',
      choiceValue('--sparsity', ['disable', 'enable', 'force']),
    )
    .option(
      '--max-aux-streams <n>',
      'streams beside the main one',
      integerValue('--max-aux-streams', 0, 1000),
    )
    .option(
      '--avg-timing <n>',
      'times that a kernel is timed',
      integerValue('--avg-timing', 1, 1000),
    )
    .option('--direct-io', 'make reformats at inputs and outputs an error')
    .option('--device <n>', 'number of the GPU to build for', integerValue('--device', 0, 1023));
}

/** Options that are on when their flag is there. */
const SWITCHES = [
  'int8',
  'fp16',
  'bf16',
  'best',
  'strict',
  'versionCompatible',
  'excludeLeanRuntime',
  'stripWeights',
  'refit',
  'imageInput',
] as const;

/** Options that are handed on as they are. */
const VALUES = [
  'builderOptimizationLevel',
  'profilingVerbosity',
  'layerPrecisions',
  'layerOutputTypes',
  'precisionConstraints',
  'tacticSources',
  'timingCacheFile',
  'hardwareCompatibilityLevel',
  'sparsity',
  'maxAuxStreams',
  'avgTiming',
  'libraryDir',
] as const;

/** Options whose flags commander spells otherwise. */
const RENAMED = {
  inputIoFormats: 'inputIOFormats',
  outputIoFormats: 'outputIOFormats',
  directIo: 'directIO',
  device: 'deviceId',
} as const;

function plainOptions(flags: BuildFlags): BuildOptions {
  const entries: [string, unknown][] = [...SWITCHES, ...VALUES].map((name) => [name, flags[name]]);
  for (const [flag, name] of Object.entries(RENAMED)) {
    entries.push([name, flags[flag as keyof typeof RENAMED]]);
  }
  const given = entries.filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(given), ...(flags.tf32 ? {} : { tf32: false }) };
}

/** The build flags as `buildEngine` takes them. */
export function buildOptionsOf(flags: BuildFlags): Omit<BuildOptions, 'recipe'> {
  const { computeCapabilities, memPoolSize, cacheDir } = flags;
  const calibration = flags.calibration ?? flags.calib;
  const profiles = profilesOf(flags);
  return {
    ...plainOptions(flags),
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
    ...defined({ profiles, calibration }),
    ...(flags.cache ? defined({ cache: cacheDir }) : { cache: false }),
  };
}
