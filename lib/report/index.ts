export { benchText } from './bench.js';
export { compareText } from './bench-compare.js';
export { cacheExplanationText, cacheText } from './cache.js';
export { doctorText } from './doctor.js';
export { evaluationText } from './evaluation.js';
export { engineText, modelText, tableText } from './inspection.js';
export { methodScoresText } from './methods.js';
export { quantizationText } from './quantization.js';
export { sensitivityText } from './sensitivity.js';
export { diffText, repairText, sparkline } from './tables.js';
export { type Align, textTable } from './text-table.js';
export {
  formatBytes,
  formatCount,
  formatDuration,
  formatNumber,
  formatPercent,
} from './units.js';
