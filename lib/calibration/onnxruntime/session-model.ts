import { create } from '@bufbuild/protobuf';
import {
  allTensors,
  encodeModel,
  GraphProtoSchema,
  graphOf,
  isExternal,
  ModelProtoSchema,
  type OnnxModel,
  StringStringEntryProtoSchema,
  shallowCopy,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProtoSchema,
} from '../../onnx/index.js';

/** Smaller weights are not worth the detour. */
const LARGE_BYTES = 65536;

/** Bytes that ONNX Runtime takes for a file of external data. */
export interface MemoryFile {
  path: string;
  data: Uint8Array;
}

/** A model as a session takes it: without its large weights, which lie in memory files. */
export interface SessionModel {
  bytes: Uint8Array;
  files: readonly MemoryFile[];
}

function isLarge(tensor: TensorProto): boolean {
  return tensor.rawData.byteLength >= LARGE_BYTES;
}

/** The same tensor, with its data at a place in a file. */
function inFile(tensor: TensorProto, location: string): TensorProto {
  const { byteOffset: offset, byteLength: length } = tensor.rawData;
  const copy = shallowCopy(TensorProtoSchema, tensor);
  copy.rawData = new Uint8Array(0);
  copy.dataLocation = TensorProto_DataLocation.EXTERNAL;
  copy.externalData = Object.entries({ location, offset, length }).map(([key, value]) =>
    create(StringStringEntryProtoSchema, { key, value: String(value) }),
  );
  return copy;
}

/**
 * Takes the large weights of a model out of it, without copying them: they are declared as external
 * data, and the memory that they lie in (that of the .onnx file as it was read) as its file.
 *
 * @param model The model; it stays as it is.
 */
export function sessionModel(model: OnnxModel): SessionModel {
  const graph = graphOf(model);
  // ONNX Runtime looks for external data either in memory or in the file system, not in both.
  const external = Array.from(allTensors(model.proto)).some(({ tensor }) => isExternal(tensor));
  if (external || !graph.initializer.some(isLarge)) {
    return { bytes: encodeModel(model), files: [] };
  }
  const files = new Map<ArrayBufferLike, MemoryFile>();
  const initializer = graph.initializer.map((tensor) => {
    if (!isLarge(tensor)) return tensor;
    const { buffer } = tensor.rawData;
    let file = files.get(buffer);
    if (file === undefined) {
      file = { path: `tensorrt-node-weights-${files.size}`, data: new Uint8Array(buffer) };
      files.set(buffer, file);
    }
    return inFile(tensor, file.path);
  });
  const proto = shallowCopy(ModelProtoSchema, model.proto);
  proto.graph = Object.assign(shallowCopy(GraphProtoSchema, graph), { initializer });
  return { bytes: encodeModel(proto), files: [...files.values()] };
}
