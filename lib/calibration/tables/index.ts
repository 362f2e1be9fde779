export { decodeCache, encodeCache } from './cache.js';
export { type ConvertResult, type ConvertTableOptions, convertTable } from './convert.js';
export { diffTables, type TableDifference, type TensorDifference } from './diff.js';
export { decodeFlatBuffers, encodeFlatBuffers } from './flatbuffers.js';
export {
  inspectTable,
  type RangeFinding,
  type TableInspection,
  type TensorInspection,
} from './inspect.js';
export { decodeJson, encodeJson } from './json.js';
export type { JsonObject, JsonValue } from './json-value.js';
export { mergeBounds, mergeHistograms, mergeTables } from './merge.js';
export {
  decodeNativeCache,
  encodeNativeCache,
  isNativeCache,
  type NativeAlgorithm,
  type NativeCacheOptions,
  trtVersionNumber,
} from './native.js';
export { onnxRuntimeDynamicRange } from './native-scale.js';
export { type CalibrationPart, checkParts } from './parts.js';
export { decodeTable, readTable, type TableFormat, tableFormat } from './read.js';
export { type RepairedTensor, type RepairResult, repairTable } from './repair.js';
export { recordedValue, TABLE_STYLES, type TableStyle } from './value.js';
export {
  TABLE_FILES,
  type WriteTablesOptions,
  writeNativeCache,
  writeTables,
} from './write.js';
