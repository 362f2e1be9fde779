/**
 * What the native modules export. Types only: the modules are loaded by modules.ts, and their side of
 * this contract is native/node.
 */

/** A TensorRT version line with headers and a native module of its own. */
export type Family = 'tensorrt8' | 'tensorrt10' | 'tensorrt11' | 'tensorrt_rtx';

/** Every {@link Family}, in the order of their versions. */
export const FAMILIES = ['tensorrt8', 'tensorrt10', 'tensorrt11', 'tensorrt_rtx'] as const;

/** One GPU, as the NVIDIA driver describes it. */
export interface DeviceInfo {
  /** The driver's number of the device: `deviceId` elsewhere. */
  index: number;
  /** Name, for example `NVIDIA H200`. */
  name: string;
  /** Compute capability, `major.minor`. */
  computeCapability: string;
  /** Number of streaming multiprocessors. */
  multiprocessors: number;
  /** Memory in bytes. */
  memoryBytes: number;
  /** `GPU-…`, as nvidia-smi prints it. */
  uuid: string;
  /** PCI address, for example `0000:3b:00.0`. */
  pciBusId: string;
}

/** How bytes of an image become numbers: `(value / divisor - mean[c]) / std[c]`. */
export interface PlanarOptions {
  /** What each byte is divided by first. */
  divisor: number;
  /** Subtracted next, by output plane; nothing when absent. */
  mean?: readonly number[];
  /** What is divided by last, by output plane; nothing when absent. */
  std?: readonly number[];
  /** Whether the planes are blue, green, red instead of red, green, blue. */
  bgr: boolean;
}

/** Weights of one axis in units of 2⁻²²: output `i` is a sum of `size[i]` inputs from `first[i]` on. */
export interface ResampleAxis {
  /** First input of each output. */
  readonly first: Int32Array;
  /** Number of inputs of each output. */
  readonly size: Int32Array;
  /** `stride` weights for each output. */
  readonly weights: Int32Array;
  /** Distance between the weights of two outputs. */
  readonly stride: number;
}

/** Which part of a resized image is wanted, and the weights of the axes whose size changes. */
export interface ResamplePlan {
  /** First column of the resized image that is kept. */
  left: number;
  /** First row of the resized image that is kept. */
  top: number;
  /** Number of columns that are kept. */
  keptWidth: number;
  /** Number of rows that are kept. */
  keptHeight: number;
  /** Weights of the columns; absent when the width stays. */
  across?: ResampleAxis;
  /** Weights of the rows; absent when the height stays. */
  down?: ResampleAxis;
  /** Whether the memory of the source is given back, so that its array is empty afterwards. */
  consume?: boolean;
}

/** base.node: what needs no NVIDIA header. */
export interface BaseBinding {
  /**
   * Interleaved RGB bytes to three planes of float32, every step rounded to float32.
   *
   * @throws RangeError when `pixels` do not lie within both arrays.
   */
  interleavedToPlanar(
    source: Uint8Array,
    target: Float32Array,
    offset: number,
    pixels: number,
    options: PlanarOptions,
  ): void;
  /**
   * Images of one size, as {@link BaseBinding.interleavedToPlanar} does it, one after the other into
   * `target`, on libuv's pool. None of the arrays may be changed until the promise settles.
   *
   * @throws RangeError when the sizes differ, or `target` has another number of elements.
   */
  packImages(
    images: readonly Uint8Array[],
    target: Float32Array,
    options: PlanarOptions,
  ): Promise<void>;
  /**
   * Resizes interleaved RGB on libuv's pool into `target`, to the bytes that Pillow gives. None of the
   * arrays may be changed until the promise settles.
   *
   * @throws RangeError when the plan does not lie within the arrays.
   */
  resample(
    source: Uint8Array,
    width: number,
    height: number,
    target: Uint8Array,
    plan: ResamplePlan,
  ): Promise<void>;
  /**
   * Adds values to the counts of nearly equal bins, on several threads when they are many. NaN and values
   * outside of the edges are left out.
   *
   * @throws RangeError unless there is one more edge than counts.
   */
  countBins(
    values: Float32Array,
    edges: Float32Array,
    counts: Float64Array,
    absolute: boolean,
    lower: number,
    upper: number,
  ): void;
  /**
   * As {@link BaseBinding.countBins}, one job after the other on libuv's pool. None of the arrays may be
   * changed until the promise settles.
   */
  countLater(jobs: readonly CountJob[]): Promise<void>;
  /**
   * Four numbers for each array: lowest and highest value, smallest magnitude, and 1 where there is NaN,
   * which the others leave out. Infinite, the wrong way, without values; zeros come without a sign.
   */
  scanBounds(arrays: readonly Float32Array[]): Float64Array;
  /** GPUs; empty without a driver. */
  devices(): DeviceInfo[];
  /** The CUDA version of the driver, `12040` for 12.4; undefined without a driver. */
  driverVersion(): number | undefined;
  /** Everything that the driver says, or why it says nothing. */
  queryDriver(): DriverInfo;
  /** `getInferLibVersion()` of a library; throws an Error with `code` and `remedy`. */
  libraryVersion(path: string): number;
}

/** Values to be counted, and where: see {@link BaseBinding.countBins}. */
export interface CountJob {
  values: readonly Float32Array[];
  edges: Float32Array;
  counts: Float64Array;
  absolute: boolean;
  lower: number;
  upper: number;
}

/** The driver and its GPUs. */
export interface DriverInfo {
  /** The CUDA version of the driver, `12040` for 12.4; absent without a driver. */
  driverVersion?: number;
  /** GPUs; empty without a driver. */
  devices: DeviceInfo[];
  /** Why there is no answer. */
  problem?: string;
}

/** A tensor of a network as TensorRT sees it. */
export interface TensorDescription {
  /** Name. */
  name: string;
  /** Element type in onnxruntime's spelling; TensorRT knows some that onnxruntime does not. */
  type: string;
  /** Extents; -1 where dynamic. */
  shape: number[];
}

/** A layer of a network as the ONNX parser made it. */
export interface LayerDescription {
  /** Name; the ONNX node's when it has one. */
  name: string;
  /** TensorRT's layer type: `CONVOLUTION`, `ELEMENTWISE`, … */
  type: string;
  /** Type it computes in, as far as the network fixes it. */
  precision: string;
  /** What the parser noted, for example `[ONNX Layer: conv1]`. */
  metadata: string;
  /** Inputs in order. */
  inputs: TensorDescription[];
  /** Outputs in order. */
  outputs: TensorDescription[];
}

/** A network as the ONNX parser made it. */
export interface NetworkDescription {
  /** The graph's name. */
  name: string;
  /** Inputs that a caller feeds. */
  inputs: TensorDescription[];
  /** Outputs. */
  outputs: TensorDescription[];
  /** Layers in order. */
  layers: LayerDescription[];
}

/** The shapes of one input in an optimization profile. */
export interface NativeInputRange {
  name: string;
  min: number[];
  opt: number[];
  max: number[];
}

/** Options of a native call; checked before. */
export interface NativeBuildOptions {
  inferLibrary: string;
  parserLibrary: string;
  modelPath?: string;
  modelBytes?: Uint8Array;
  profiles?: { inputs: NativeInputRange[] }[];
  computeCapabilities?: number[];
  memoryPools?: { name: string; bytes: number }[];
  optimizationLevel?: number;
  profilingVerbosity?: 'none' | 'layer_names_only' | 'detailed';
  /** Names of builder flags in lower case: `int8`, `fp16`, `strip_plan`. */
  flags?: string[];
  /** Whether TF32 is allowed; yes when absent. */
  tf32?: boolean;
  hardwareCompatibility?: 'none' | 'ampere+' | 'sameComputeCapability';
  maxAuxStreams?: number;
  /** How often each kernel is timed. */
  timingIterations?: number;
  tacticSources?: { name: string; on: boolean }[];
  /** Types by layer name, in onnxruntime's spelling. */
  layerPrecisions?: { name: string; types: string[] }[];
  layerOutputTypes?: { name: string; types: string[] }[];
  /** Types of the inputs: one for all, or one for each. */
  inputTypes?: string[];
  outputTypes?: string[];
  /** What earlier builds measured; empty to begin with. */
  timingCache?: Uint8Array;
  /** For `combineTimings`: what is added to `timingCache`. */
  moreTimings?: Uint8Array;
  /** Number of the GPU that is built for. */
  deviceId?: number;
  /** Magnitudes by tensor name, for families that quantise while building. */
  ranges?: { name: string; amax: number }[];
  /** Tensors that need no range, because they are to stay in floating point. */
  floatTensors?: string[];
  /** Whether a tensor without a range ends the build. */
  strictRanges?: boolean;
  describeLayers?: boolean;
  calibrator?: NativeCalibrator;
}

/**
 * What a calibrated build tells: `inputs` (the network's, as {@link TensorDescription}s) when it wants
 * the first batch, `copied` when it wants the next, `calibrated` when the cache is there, `failed` (a
 * {@link NativeFailure}) when batches are of no use any more.
 */
export type CalibratorEvent = 'inputs' | 'copied' | 'calibrated' | 'failed';

/** How a build is calibrated. */
export interface NativeCalibrator {
  algorithm: 'minmax' | 'entropy';
  /** A cache that TensorRT takes; no batch is asked for then. */
  cache?: Uint8Array;
  /**
   * The cache is all that is wanted: there is no plan, and TensorRT 10 stops once it has calibrated. 8.6
   * builds to its end.
   */
  cacheOnly?: boolean;
  /** Must not throw. */
  onEvent(event: CalibratorEvent, payload: unknown): void;
}

/** What TensorRT's calibrator came to. */
export interface NativeCalibration {
  cache: Uint8Array<ArrayBuffer>;
  fromCache: boolean;
  batches: number;
  waitMs: number;
  calibrationMs: number;
}

/** Why a native call failed. */
export interface NativeFailure {
  code: string;
  message: string;
  remedy: string;
}

/** One error of TensorRT's ONNX parser. */
export interface ParserError {
  /** The parser's number; 0 when the parser had none. */
  code: number;
  /** Name of that number: `UNSUPPORTED_NODE`, `MODEL_DESERIALIZE_FAILED`, … */
  codeName: string;
  /** Index of the node, -1 when the error belongs to none. */
  node: number;
  /** Name of the node. */
  nodeName: string;
  /** Operator of the node. */
  operator: string;
  /** The parser's words. */
  description: string;
}

/** One message of the library. */
export interface LogLine {
  severity: 'internal-error' | 'error' | 'warning';
  text: string;
}

/** Which tensors of a network have a range; names. */
export interface NativeRangeReport {
  covered: string[];
  derived: string[];
  missing: string[];
  unused: string[];
}

/** What a native call came to. */
export interface NativeOutcome {
  plan?: Uint8Array<ArrayBuffer>;
  failure?: NativeFailure;
  calibration?: NativeCalibration;
  parserErrors: ParserError[];
  network: NetworkDescription;
  /** Names among the layer types that no layer has. */
  unusedLayerTypes?: string[];
  /** What the build and earlier ones measured, when a timing cache was given. */
  timingCache?: Uint8Array;
  /** Whether the timing cache that was given did not fit. */
  timingCacheIgnored?: boolean;
  /** When ranges were given and the model was parsed. */
  ranges?: NativeRangeReport;
  layerReport: string;
  log: LogLine[];
  libraryVersion: number;
  elapsedMs: number;
}

/** A report of TensorRT's progress monitor. */
export interface NativePhase {
  phase: string;
  step: number;
  steps: number;
  elapsedMs: number;
}

/** A native call under way. */
export interface NativeCall {
  /** Never rejects. */
  promise: Promise<NativeOutcome>;
  /** Asks the library to stop; the promise resolves when it has. */
  cancel(): void;
}

/** A build with a calibrator under way. */
export interface NativeCalibratorCall extends NativeCall {
  /**
   * Offers a batch: for each input in the network's order its data and shape. The data is read until
   * the event `copied`.
   */
  supply(data: readonly ArrayBufferView[], shapes: readonly (readonly number[])[]): void;
  /** There are no more batches. */
  end(): void;
}

/** The module of one family. */
export interface FamilyBinding {
  readonly family: Family;
  readonly headersVersion: string;
  build(
    options: NativeBuildOptions & { calibrator: NativeCalibrator },
    onPhase?: (phase: NativePhase) => void,
  ): NativeCalibratorCall;
  build(options: NativeBuildOptions, onPhase?: (phase: NativePhase) => void): NativeCall;
  /** Joins `timingCache` and `moreTimings`. */
  combineTimings(options: NativeBuildOptions): NativeCall;
  describe(options: NativeBuildOptions): NativeCall;
  /**
   * The process is about to end: cancels every build, and sees to it that builds and sessions end before
   * the exit handlers of NVIDIA's libraries run. Sessions work until then.
   */
  announceExit(): void;
}
