/**
 * INT8 quantization and TensorRT inference for image classifiers.
 *
 * The main job: {@link calibrateFolder}, {@link quantizeFile}, {@link buildFile}, {@link evaluate},
 * {@link classify}. Each of them is also a command of the CLI, and each is made of the smaller functions
 * below.
 *
 * @module tensorrt-node
 */

export * from './calibration/index.js';
export * from './dataset/index.js';
export * from './engine/index.js';
export { ERROR_CODES, type ErrorCode, TensorRTError, type TensorRTErrorOptions } from './errors.js';
export {
  type DeclaredValue,
  describeModel,
  encodeModel,
  type LoadModelOptions,
  loadModel,
  type ModelDescription,
  modelDigest,
  type OnnxModel,
  type SaveModelOptions,
  saveModel,
} from './onnx/index.js';
export {
  type BatchOptions,
  type BrokenImage as UndecodableImage,
  encodeNpy,
  type FoundSize,
  type ImageBatch,
  type ImageSize,
  imageBatches,
  imageSizes,
  type Kernel,
  type Pixels,
  PRESETS,
  type PresetName,
  pixelBatches,
  pixelsToPng,
  pixelsToTensor,
  preprocessImage,
  type ReadImageOptions,
  type Recipe,
  type RecipeFields,
  type RecipeInput,
  type RecipeOverrides,
  type Resize,
  readImage,
  resolveRecipe,
  savePreview,
  writeNpy,
} from './preprocess/index.js';
export type { LongCallOptions, OnProgress, Progress } from './progress.js';
export * from './quantization/index.js';
export {
  type DeviceInfo,
  type DoctorReport,
  type DriverInfo,
  doctor,
  type ExaminedDevice,
  FAMILIES,
  type Family,
  type FoundLibrary,
  findLibraries,
  type Lack,
  type LayerDescription,
  type LibraryFolder,
  type LibrarySearch,
  type LibrarySearchOptions,
  type ModuleName,
  type ModuleStatus,
  type NetworkDescription,
  queryDriver,
  type TensorDescription,
  threadPoolSize,
  threadPoolWarning,
} from './runtime/index.js';
export { GRAPH_OPTIMIZATION_LEVELS, type GraphOptimizationLevel } from './runtime/onnxruntime.js';
export {
  type AnyTensor,
  DeviceTensor,
  type EngineSource,
  type Feeds,
  type Fetches,
  InferenceSession,
  type InferenceSessionOptions,
  type LayerTimes,
  type LoopOptions,
  type LoopTimes,
  type ModelSession,
  type OnnxRuntimeSessionOptions,
  type Outputs,
  openOnnxRuntimeSession,
  type PingOptions,
  PinnedTensor,
  type ProfileShapes,
  type RunOptions,
  type SessionMemory,
  type TensorRTProviderOptions,
  tensorrtProvider,
  type ValueMetadata,
} from './session/index.js';
export * from './tasks/index.js';
export {
  type NamedTensors,
  TENSOR_ARRAYS,
  Tensor,
  type TensorData,
  type TensorType,
} from './tensor.js';
