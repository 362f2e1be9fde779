export { decodeCache, encodeCache } from './cache.js';
export { decodeFlatBuffers, encodeFlatBuffers } from './flatbuffers.js';
export { decodeJson, encodeJson } from './json.js';
export type { JsonObject, JsonValue } from './json-value.js';
export {
  decodeNativeCache,
  encodeNativeCache,
  isNativeCache,
  type NativeAlgorithm,
  type NativeCacheOptions,
  trtVersionNumber,
} from './native.js';
export { onnxRuntimeDynamicRange } from './native-scale.js';
export { decodeTable, readTable, type TableFormat, tableFormat } from './read.js';
export { recordedValue, TABLE_STYLES, type TableStyle } from './value.js';
export {
  TABLE_FILES,
  type WriteTablesOptions,
  writeNativeCache,
  writeTables,
} from './write.js';
