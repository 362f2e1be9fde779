export { type CalibrateOptions, calibrate, type ModelToCalibrate } from './calibrate.js';
export {
  type CalibrateEachOptions,
  type CandidateTable,
  calibrateEach,
} from './calibrate-each.js';
export {
  type CalibratedPart,
  calibratePart,
  checkPartable,
  writePart,
} from './calibrate-part.js';
export type { GraphProvider, GraphRunner, InnerTensor, OpenGraphOptions } from './graph-runner.js';
export * from './histogram/index.js';
export * from './meta.js';
export { checkMethodOptions, type MethodOptions, methodOptionsOf } from './method-options.js';
export type { Batches, CollectOptions } from './minmax/batches.js';
export { MinMaxCalibrator, type MinMaxOptions } from './minmax/calibrator.js';
export { ChannelCalibrator } from './minmax/channels.js';
export type { Derivation } from './minmax/derivation.js';
export type { ObservedTensor } from './minmax/observed-tensors.js';
export type { MinMaxPlan } from './minmax/plan.js';
export { type OnnxRuntimeProviderOptions, onnxRuntimeProvider } from './onnxruntime/provider.js';
export * from './ranges.js';
export * from './tables/index.js';
export { HistogramCalibrator } from './values/calibrator.js';
export { collectHistogramPart } from './values/part.js';
export type { RepeatableBatches } from './values/passes.js';
