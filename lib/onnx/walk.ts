import type { GraphProto, ModelProto, NodeProto, TensorProto } from './generated/onnx_pb.js';

/** A tensor of a model, with the words that name it in messages. */
export interface FoundTensor {
  tensor: TensorProto;
  label: string;
}

function* nodeTensors(node: NodeProto): Generator<FoundTensor> {
  const of = `an attribute of node "${node.name}" (${node.opType})`;
  for (const attribute of node.attribute) {
    if (attribute.t !== undefined) yield { tensor: attribute.t, label: of };
    for (const tensor of attribute.tensors) yield { tensor, label: of };
    for (const sparse of [attribute.sparseTensor, ...attribute.sparseTensors]) {
      if (sparse?.values !== undefined) yield { tensor: sparse.values, label: of };
      if (sparse?.indices !== undefined) yield { tensor: sparse.indices, label: of };
    }
    if (attribute.g !== undefined) yield* graphTensors(attribute.g);
    for (const graph of attribute.graphs) yield* graphTensors(graph);
  }
}

function* graphTensors(graph: GraphProto): Generator<FoundTensor> {
  for (const tensor of graph.initializer) yield { tensor, label: `"${tensor.name}"` };
  for (const { values, indices } of graph.sparseInitializer) {
    if (values !== undefined) yield { tensor: values, label: `"${values.name}"` };
    if (indices !== undefined) yield { tensor: indices, label: `indices of "${values?.name}"` };
  }
  for (const node of graph.node) yield* nodeTensors(node);
}

/** Every tensor that a model holds: initialisers, attributes, those of subgraphs and functions. */
export function* allTensors(proto: ModelProto): Generator<FoundTensor> {
  if (proto.graph !== undefined) yield* graphTensors(proto.graph);
  for (const fn of proto.functions) for (const node of fn.node) yield* nodeTensors(node);
}
