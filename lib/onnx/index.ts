export * from './attributes.js';
export { foldBatchNormalization } from './batch-normalization.js';
export { capturedNames } from './captured-names.js';
export { foldConstants, removeUnused } from './constant-folding.js';
export { constantValue } from './constant-node.js';
export { copyNode, editableCopy, shallowCopy } from './copy.js';
export { byteLength, dataTypeName, elementCount, tensorDims } from './data-types.js';
export { dropDefaultInputs } from './default-inputs.js';
export { describeModel, isQuantizationOperator, type ModelDescription } from './describe.js';
export { floatTypes } from './element-types.js';
export {
  checkExternalData,
  externalDataDigest,
  isExternal,
  loadExternalData,
} from './external-data.js';
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
export { opsetVersion, raiseOpset } from './opset.js';
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
export {
  type DeclaredValue,
  declaredValue,
  retyped,
  tensorInfo,
  tensorRanks,
} from './value-info.js';
export { elementTypes } from './value-types.js';
export { allTensors, type FoundTensor } from './walk.js';
