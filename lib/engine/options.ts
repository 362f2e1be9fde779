import { expected, integer, oneOf } from '../arguments.js';
import type { CalibrationTable } from '../calibration/index.js';
import type { LongCallOptions } from '../progress.js';
import type { LibraryOptions, NativeBuildOptions, NativeInputRange } from '../runtime/index.js';
import type { CalibratorOptions } from './calibrator/index.js';
import { MEMORY_POOLS, type MemoryPoolSizes } from './trtexec-syntax.js';

/** The shapes of one input in an optimization profile; for a shape tensor, its values. */
export interface ShapeRange {
  /** Smallest shape the engine takes. */
  min: readonly number[];
  /** Shape the engine is tuned for. */
  opt: readonly number[];
  /** Largest shape the engine takes. */
  max: readonly number[];
}

/** An optimization profile: a range of shapes for each input by name. */
export type OptimizationProfile = Readonly<Record<string, ShapeRange>>;

/** How much of its layers an engine can tell. */
export type ProfilingVerbosity = 'none' | 'layer_names_only' | 'detailed';

/** Options of `describeNetwork`. */
export interface DescribeOptions extends LibraryOptions, LongCallOptions {
  /** Path of the model that bytes came from: external data lies beside it. */
  modelPath?: string;
}

/** Options of `buildEngine`; trtexec's names where it has them. */
export interface BuildOptions extends DescribeOptions {
  /**
   * Compute capabilities to build for, without a GPU: `[80, 89, 120]`. TensorRT-RTX only, which they
   * select under `family: 'auto'`. RTX 1.7 takes 75, 80, 86, 89, 120 and 121. By default RTX builds
   * an engine for every GPU it can, and the others for the GPU of this machine.
   */
  computeCapabilities?: readonly number[];
  /** Optimization profiles; needed when an input has dynamic dimensions. */
  profiles?: readonly OptimizationProfile[];
  /** Limits of memory pools in bytes: `{ workspace: 2 ** 32 }`. Default: the library's. */
  memPoolSize?: MemoryPoolSizes;
  /** 0 builds fastest, 5 looks for the fastest engine. Default: the library's, 3. */
  builderOptimizationLevel?: number;
  /**
   * `detailed`, the default, makes the builder report its layers; runtimes can still turn the names
   * off.
   */
  profilingVerbosity?: ProfilingVerbosity;
  /** Lets TensorRT 8.6 and 10 choose INT8 kernels; needs `calibration` or a Q/DQ model. */
  int8?: boolean;
  /** Lets TensorRT 8.6 and 10 choose half precision kernels. */
  fp16?: boolean;
  /** Lets TensorRT 10 choose bfloat16 kernels. */
  bf16?: boolean;
  /** Whether float32 may be computed with TF32, whose mantissa has 10 bits. Default: true. */
  tf32?: boolean;
  /** Every precision that the library can choose: `fp16`, `bf16`, and `int8` where there are ranges. */
  best?: boolean;
  /**
   * INT8 with the ranges of a table: path of a file of any format (TensorRT's own cache too), of a
   * folder that `calibrate` wrote, or the table. TensorRT 8.6 and 10; implies `int8`.
   */
  calibration?: string | CalibrationTable;
  /** Whether a tensor without a range is an error. Default: false, it stays in floating point. */
  strict?: boolean;
  /**
   * The engine cache: its folder, or `false` for none. By default it is on, in the folder that
   * `TENSORRT_NODE_CACHE_DIR` names, else `$XDG_CACHE_HOME/tensorrt-node/engines`, else
   * `~/.cache/tensorrt-node/engines`; with `TENSORRT_NODE_NO_CACHE` set it is off unless this is given.
   */
  cache?: boolean | string;
  /** INT8 with ranges that TensorRT's own calibrator measures, fed with batches; 8.6 and 10 only. */
  calibrator?: CalibratorOptions;
  /** Preprocessing recipe, kept in the manifest of the cached engine; decides nothing. */
  recipe?: unknown;
}

function shape(option: string, value: unknown): number[] {
  if (!Array.isArray(value)) throw expected(option, 'an array of extents', value);
  if (value.length > 8) throw expected(option, 'at most 8 dimensions', value.length, 'range');
  return value.map((extent) => integer(option, extent, 0, 2 ** 31 - 1));
}

function inputRanges(option: string, profile: unknown): NativeInputRange[] {
  if (typeof profile !== 'object' || profile === null || Array.isArray(profile)) {
    throw expected(option, 'an object of { min, opt, max } by input name', profile);
  }
  return Object.entries(profile).map(([name, range]) => {
    const where = `${option}[${JSON.stringify(name)}]`;
    if (typeof range !== 'object' || range === null) {
      throw expected(where, 'an object { min, opt, max }', range);
    }
    return {
      name,
      min: shape(`${where}.min`, range.min),
      opt: shape(`${where}.opt`, range.opt),
      max: shape(`${where}.max`, range.max),
    };
  });
}

function memoryPools(sizes: unknown): { name: string; bytes: number }[] {
  if (typeof sizes !== 'object' || sizes === null || Array.isArray(sizes)) {
    throw expected('memPoolSize', 'an object of bytes by pool', sizes);
  }
  return Object.entries(sizes).map(([name, bytes]) => ({
    name: oneOf('memPoolSize', name, MEMORY_POOLS),
    bytes: integer(`memPoolSize.${name}`, bytes, 0),
  }));
}

function capabilities(values: unknown): number[] {
  if (!Array.isArray(values) || values.length === 0) {
    throw expected('computeCapabilities', 'a list such as [80, 89, 120]', values);
  }
  // Which of them TensorRT knows is for the library to say: later versions know more.
  const list = values.map((value) => integer('computeCapabilities', value, 10, 999));
  const repeated = list.find((value, index) => list.indexOf(value) !== index);
  if (repeated !== undefined) {
    throw expected('computeCapabilities', 'each value once', repeated, 'range');
  }
  return list;
}

/**
 * Checks the options of a build and puts them the way the native module takes them.
 *
 * @param options The caller's.
 * @throws TypeError or RangeError that names the option, what was expected and what came.
 */
export function nativeOptions(
  options: BuildOptions,
): Omit<NativeBuildOptions, 'inferLibrary' | 'parserLibrary'> {
  const { computeCapabilities, profiles, memPoolSize, builderOptimizationLevel } = options;
  if (profiles !== undefined && !Array.isArray(profiles)) {
    throw expected('profiles', 'an array of optimization profiles', profiles);
  }
  return {
    profiles: (profiles ?? []).map((profile, index) => ({
      inputs: inputRanges(`profiles[${index}]`, profile),
    })),
    ...(computeCapabilities === undefined
      ? {}
      : { computeCapabilities: capabilities(computeCapabilities) }),
    ...(memPoolSize === undefined ? {} : { memoryPools: memoryPools(memPoolSize) }),
    ...(builderOptimizationLevel === undefined
      ? {}
      : {
          optimizationLevel: integer('builderOptimizationLevel', builderOptimizationLevel, 0, 5),
        }),
    profilingVerbosity: oneOf('profilingVerbosity', options.profilingVerbosity ?? 'detailed', [
      'none',
      'layer_names_only',
      'detailed',
    ]),
  };
}
