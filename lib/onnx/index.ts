export * from './attributes.js';
export { capturedNames } from './captured-names.js';
export { byteLength, dataTypeName, elementCount, tensorDims } from './data-types.js';
export { checkExternalData, isExternal, loadExternalData } from './external-data.js';
export * from './generated/onnx_pb.js';
export { type Consumer, GraphIndex, isStandardDomain } from './graph-index.js';
export { bfloatToFloat, floatToBfloat, floatToHalf, halfToFloat } from './half.js';
export {
  encodeModel,
  graphOf,
  type LoadModelOptions,
  loadModel,
  MAX_MESSAGE_BYTES,
  modelDigest,
  type OnnxModel,
} from './model.js';
export { type SaveModelOptions, saveModel } from './save.js';
export {
  createFloatTensor,
  createTensor,
  isFloatType,
  readFloats,
  readIntegers,
  readTensor,
  type TypedArray,
  tensorBytes,
} from './tensors.js';
export { topologicalSort } from './topological-sort.js';
export { allTensors, type FoundTensor } from './walk.js';
