export type { Accuracy, ClassMetrics } from './accuracy.js';
export type { AgreementScore } from './agreement.js';
export {
  type CalibrateAutoOptions,
  type CalibrateAutoResult,
  calibrateAuto,
  type MethodScore,
} from './auto-method.js';
export type { BatchingOptions, BrokenImage } from './batches.js';
export * from './bench/index.js';
export {
  type BuildCalibratedOptions,
  type BuildCalibratedResult,
  buildCalibrated,
  explainCalibrated,
} from './build-calibrated.js';
export {
  type BuildFileOptions,
  type BuildFileResult,
  buildFile,
  explainBuild,
} from './build-file.js';
export {
  type CalibrateFolderOptions,
  type CalibrateFolderResult,
  calibrateFolder,
} from './calibrate-folder.js';
export {
  type CalibrateShardOptions,
  type CalibrateShardResult,
  calibrateShard,
} from './calibrate-shard.js';
export type { CalibrationProviderOptions } from './calibration-runner.js';
export type { ClassifierOptions, ModelSource } from './classifier.js';
export {
  type Classification,
  type ClassifyOptions,
  type ClassifyResult,
  classify,
  classifyStream,
  type ImageClassification,
  type Prediction,
} from './classify.js';
export {
  CONFIDENCE_TOLERANCE,
  type Comparison,
  type Disagreement,
  MAX_DISAGREEMENTS,
} from './comparison.js';
export {
  type EvaluateOptions,
  type EvaluateResult,
  evaluate,
  type ModelEvaluation,
} from './evaluate.js';
export {
  type EvaluateShardOptions,
  type EvaluateShardResult,
  evaluateShard,
} from './evaluate-shard.js';
export { readExcludeList } from './exclude-list.js';
export {
  type ExportTritonOptions,
  type ExportTritonResult,
  exportTriton,
} from './export-triton.js';
export {
  calibrationSource,
  DEFAULT_FRACTION,
  expandImages,
  type ImageSource,
  type ImageSourceOptions,
  imageSource,
} from './image-source.js';
export type { LabelsInput } from './labels.js';
export { holdsEvaluation, mergeEvaluations } from './merge-evaluations.js';
export type { EngineOptions, Provider } from './open-engine.js';
export {
  type PreprocessFileOptions,
  type PreprocessFileResult,
  preprocessFile,
} from './preprocess-file.js';
export {
  type QuantizeFileOptions,
  type QuantizeFileResult,
  quantizeFile,
} from './quantize-file.js';
export {
  type FoundRecipe,
  type RecipeOptions,
  type RecordedRecipe,
  recipeFile,
  taskRecipe,
} from './recipe.js';
export { type SensitivityOptions, sensitivity } from './sensitivity.js';
export type { SensitivityProposal, SensitivityResult } from './sensitivity-result.js';
export {
  SENSITIVITY_METRICS,
  type SensitivityMetric,
  type UnitSensitivity,
} from './sensitivity-search.js';
export {
  SENSITIVITY_UNITS,
  type SensitivityUnit,
  type SensitivityUnitKind,
} from './sensitivity-units.js';
export type { Shard } from './shard.js';
export type { TritonServing } from './triton-config.js';
