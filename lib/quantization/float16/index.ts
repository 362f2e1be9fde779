export { convertToFloat16, type Float16Result } from './convert.js';
export type { Float16Options } from './options.js';
export {
  FLOAT16_REASONS,
  type Float16Node,
  type Float16Reason,
  type Float16Report,
  type Float16Weight,
} from './report.js';
