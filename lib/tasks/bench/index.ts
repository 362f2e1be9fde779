export {
  type BenchResult,
  type BenchSystem,
  type BenchTimes,
  bench,
} from './bench.js';
export {
  type ComparedVariant,
  type CompareOptions,
  type CompareResult,
  compareVariants,
  SHIP_AGREEMENT,
  SHIP_CONFIDENCE,
  type VariantAccuracy,
} from './compare.js';
export type { CompareImages } from './compare-images.js';
export type { BenchEngine } from './engine.js';
export type { EventLoopDelay } from './event-loop.js';
export {
  type ExportedAverage,
  type ExportedLayer,
  type ExportedOutput,
  type ExportedProfile,
  type ExportedTime,
  exportedAverages,
  exportedOutputs,
  exportedProfile,
  exportedTimes,
} from './exports.js';
export type { BenchMemory } from './inputs.js';
export type { BenchOptions, BenchSwitches } from './options.js';
export type { Overhead } from './overhead.js';
export {
  type BenchWarning,
  type BoundTimes,
  benchWarnings,
  summarize,
  type TimeSummary,
} from './statistics.js';
