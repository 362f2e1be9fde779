import { clearField, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import {
  encodeModel,
  GraphProtoSchema,
  graphOf,
  MAX_MESSAGE_BYTES,
  ModelProtoSchema,
  type OnnxModel,
  shallowCopy,
  type TensorProto,
  TensorProtoSchema,
} from '../../onnx/index.js';

/** Smaller weights are not worth the detour. */
const LARGE_BYTES = 65536;

function header(field: { number: number }, length: number): Uint8Array {
  return new BinaryWriter().tag(field.number, WireType.LengthDelimited).uint32(length).finish();
}

/** The parts of `graph { initializer { …, raw_data } }`; the last one is the weights themselves. */
function initializerParts(tensor: TensorProto): Uint8Array[] {
  const small = shallowCopy(TensorProtoSchema, tensor);
  clearField(small, TensorProtoSchema.field.rawData);
  const rest = toBinary(TensorProtoSchema, small);
  const data = tensor.rawData;
  const dataHeader = header(TensorProtoSchema.field.rawData, data.byteLength);
  const size = rest.byteLength + dataHeader.byteLength + data.byteLength;
  const inner = header(GraphProtoSchema.field.initializer, size);
  const outer = header(ModelProtoSchema.field.graph, inner.byteLength + size);
  return [outer, inner, rest, dataHeader, data];
}

/**
 * The bytes of a model for a session, with each large weight copied once; the general encoder
 * copies it once for every level that it is nested in. A protobuf message that comes in parts is
 * the union of the parts, so each large initialiser follows as a part of its own.
 *
 * @param model The model.
 * @throws TensorRTError `MODEL_TOO_LARGE` when one protobuf message cannot hold it.
 */
export function encodeForSession(model: OnnxModel): Uint8Array {
  const graph = graphOf(model);
  const isLarge = ({ rawData }: TensorProto) => rawData.byteLength >= LARGE_BYTES;
  const large = graph.initializer.filter(isLarge);
  const weights = large.reduce((sum, { rawData }) => sum + rawData.byteLength, 0);
  // What does not fit is refused there, in its words.
  if (large.length === 0 || weights > MAX_MESSAGE_BYTES) return encodeModel(model);
  const proto = shallowCopy(ModelProtoSchema, model.proto);
  proto.graph = shallowCopy(GraphProtoSchema, graph);
  proto.graph.initializer = graph.initializer.filter((tensor) => !isLarge(tensor));
  const parts = [encodeModel(proto), ...large.flatMap(initializerParts)];
  const size = parts.reduce((sum, part) => sum + part.byteLength, 0);
  return size > MAX_MESSAGE_BYTES ? encodeModel(model) : Buffer.concat(parts, size);
}
