export { type BuildResult, buildEngine, describeNetwork, type ParsedNetwork } from './build.js';
export type { CacheReport } from './cache/cached-build.js';
export {
  type CacheDifference,
  keyDifferences,
  optionName,
  valueText,
} from './cache/differences.js';
export type { CacheEntry } from './cache/entries.js';
export { type CacheExplanation, explainCache, type NearEntry } from './cache/explain.js';
export { cacheFolderOf, defaultCacheFolder } from './cache/folder.js';
export type { CacheKeyParts } from './cache/key.js';
export {
  type ListCacheOptions,
  listCache,
  type PruneCacheOptions,
  type PruneCacheResult,
  pruneCache,
} from './cache/prune.js';
export {
  CALIBRATOR_ALGORITHMS,
  type CalibrationReport,
  type CalibratorAlgorithm,
  type CalibratorOptions,
} from './calibrator/index.js';
export type { BuildWarning } from './failures.js';
export type { ImageInputInfo, ImageInputOptions } from './image-input.js';
export {
  type EngineInspection,
  inspectEngine,
  type PlanHeader,
  readPlanHeader,
} from './inspect.js';
export {
  countOutputTypes,
  type EngineLayer,
  type EngineTensor,
  parseLayerReport,
} from './layers.js';
export {
  type EngineManifest,
  MANIFEST_FORMAT,
  manifestPath,
  readManifest,
  type SaveEngineOptions,
  type StoredResult,
  saveEngine,
} from './manifest.js';
export type { LayerTypeMap } from './network-types.js';
export type {
  BuildOptions,
  DescribeOptions,
  OptimizationProfile,
  ProfilingVerbosity,
  ShapeRange,
} from './options.js';
export {
  buildOptionsFromProviderOptions,
  type ProviderOptions,
  type TranslatedOptions,
} from './provider-options.js';
export type { RangeCoverage } from './ranges.js';
export {
  MEMORY_POOLS,
  type MemoryPool,
  type MemoryPoolSizes,
  parseComputeCapabilities,
  parseMemPoolSize,
  parseShapes,
  profileFromShapes,
  type Shapes,
} from './trtexec-syntax.js';
