export { restoreCache } from './cache.js';
export { BuildCalibrator } from './calibrator.js';
export {
  CALIBRATOR_ALGORITHMS,
  type CalibratorAlgorithm,
  type CalibratorOptions,
  type CheckedCalibrator,
  checkCalibrator,
} from './options.js';
export type { CalibrationReport } from './report.js';
