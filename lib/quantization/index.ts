export * from './float16/index.js';
export {
  QUANTIZATION_TARGETS,
  type QuantizationTarget,
  type QuantizeOptions,
} from './options.js';
export { type QuantizeResult, quantizeModel } from './quantize.js';
export {
  type NodeReport,
  type QuantizationReason,
  type QuantizationReport,
  type QuantizedTensor,
  REASONS,
} from './report.js';
