import type { CalibrationTable } from '../calibration/index.js';
import type { LongCallOptions } from '../progress.js';
import type { LibraryOptions } from '../runtime/index.js';
import type { CalibratorOptions } from './calibrator/index.js';
import type { ImageInputOptions } from './image-input.js';
import type { LayerTypeMap } from './network-types.js';
import type { ProviderOptions } from './provider-options.js';
import type { MemoryPoolSizes } from './trtexec-syntax.js';

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
  /** Types that layers compute in, by name; `*` stands for any text. TensorRT 8.6 and 10. */
  layerPrecisions?: string | LayerTypeMap;
  /** Types that layers put out, by name; of several outputs joined by `+`. TensorRT 8.6 and 10. */
  layerOutputTypes?: string | LayerTypeMap;
  /**
   * Whether the types of layers are wishes or must be obeyed. Default: `prefer` where there are some,
   * else `none`.
   */
  precisionConstraints?: 'none' | 'prefer' | 'obey';
  /** Types of the inputs in order, `fp16:chw`; one for all, or one for each. Linear memory only. */
  inputIOFormats?: string | readonly string[];
  /** Types of the outputs, as `inputIOFormats`. */
  outputIOFormats?: string | readonly string[];
  /** Sources of kernels to turn on and off: `-CUDNN,+CUBLAS`. */
  tacticSources?: string | readonly string[];
  /**
   * File of a timing cache, trtexec's too: what kernels took in earlier builds, which makes this one
   * faster. Written back with what the build adds; processes may share it.
   */
  timingCacheFile?: string;
  /** On which other GPUs the engine runs; none by default. RTX: see `computeCapabilities`. */
  hardwareCompatibilityLevel?: 'none' | 'ampere+' | 'sameComputeCapability';
  /** Lets later versions of the library run the engine. */
  versionCompatible?: boolean;
  /** Leaves the runtime out that a version compatible plan otherwise brings along. */
  excludeLeanRuntime?: boolean;
  /** Leaves the weights out of the plan: they are given by a refit. TensorRT 10 and later. */
  stripWeights?: boolean;
  /** Lets the weights of the engine be changed. */
  refit?: boolean;
  /** `enable` lets kernels use that weights are pruned in the 2:4 pattern. Default: `disable`. */
  sparsity?: 'disable' | 'enable' | 'force';
  /** Streams beside the main one that an engine may use at most. Default: the library's. */
  maxAuxStreams?: number;
  /** How often each kernel is timed. Default: the library's. */
  avgTiming?: number;
  /** Makes reformats at inputs and outputs an error. */
  directIO?: boolean;
  /** TensorRT 8.6: guesses which kernels are fast rather than timing all of them. */
  heuristic?: boolean;
  /**
   * Makes the engine take images as bytes, uint8 of [batch, height, width, 3] with red, green, blue, in
   * place of the model's float input of the same name: `true` divides by 255. Profiles may have either
   * form. A calibrator beside it takes the model's own floats, in a first build that is thrown away
   * unless its cache can be used.
   */
  imageInput?: true | ImageInputOptions;
  /**
   * Options by the names of ONNX Runtime's TensorRT execution provider, as a notebook has them; what is
   * given beside them under this package's names comes first.
   */
  providerOptions?: ProviderOptions;
  /** Number of the GPU that is built for. Default: 0. */
  deviceId?: number;
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
