import { create, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import {
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
} from './generated/onnx_pb.js';
import { graphOf, type OnnxModel } from './model.js';

/** A copy of a message that shares its sub-messages and arrays; presence and unknown fields stay. */
export function shallowCopy<T extends DescMessage>(
  schema: T,
  message: MessageShape<T>,
): MessageShape<T> {
  return Object.assign(create(schema), message);
}

/** A copy of a node whose inputs, outputs and list of attributes can be changed on their own. */
export function copyNode(node: NodeProto): NodeProto {
  const copy = shallowCopy(NodeProtoSchema, node);
  copy.input = [...node.input];
  copy.output = [...node.output];
  copy.attribute = [...node.attribute];
  return copy;
}

/**
 * A copy of a model whose graph can be edited while the original stays as it is. Tensors are shared:
 * replace them, do not write into them.
 */
export function editableCopy(model: OnnxModel): OnnxModel {
  const source = graphOf(model);
  const graph = shallowCopy(GraphProtoSchema, source);
  graph.node = source.node.map(copyNode);
  graph.initializer = [...source.initializer];
  graph.input = [...source.input];
  graph.output = [...source.output];
  graph.valueInfo = [...source.valueInfo];
  const proto = shallowCopy(ModelProtoSchema, model.proto);
  proto.graph = graph;
  proto.opsetImport = proto.opsetImport.map((entry) =>
    shallowCopy(OperatorSetIdProtoSchema, entry),
  );
  return { ...model, proto };
}
