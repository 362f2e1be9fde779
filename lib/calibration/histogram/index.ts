export { movingAverage, nanMean32 } from './average.js';
export { emptyBounds, mergeValueBounds, scanBounds, type ValueBounds } from './bounds.js';
export {
  HISTOGRAM_METHODS,
  HistogramCalibration,
  type HistogramMethodOptions,
  type ResolvedHistogramOptions,
  resolveHistogramOptions,
} from './calibration.js';
export { type CollectedHistogram, HistogramCollector } from './collector.js';
export { entropyRange } from './entropy.js';
export { LatticeHistogram } from './lattice.js';
export { LatticeCalibration } from './lattice-calibration.js';
export { decodeLattices, encodeLattices, LATTICE_FILE } from './lattice-file.js';
export { mergeFolders, writeHistogramPart } from './shards.js';
export { distributionRange, percentileRange } from './thresholds.js';
