import { intAttribute, tensorAttribute } from './attributes.js';
import { TensorProto_DataType as DataType, type GraphProto } from './generated/onnx_pb.js';
import { isFloatType } from './tensors.js';

/** Operators whose result is of the type that an attribute names. */
const TYPED_BY_ATTRIBUTE: Readonly<Record<string, string>> = { Cast: 'to', RandomNormal: 'dtype' };

/**
 * Float type of each tensor of a sorted graph: declared, or as operators pass it on (Cast changes it,
 * every other one keeps that of its first float input). No shape inference; tensors that are not
 * float have no entry, or one that does not matter.
 */
export function floatTypes(graph: GraphProto): ReadonlyMap<string, number> {
  const types = new Map<string, number>();
  const learn = (name: string, type: number | undefined) => {
    if (type !== undefined && isFloatType(type)) types.set(name, type);
  };
  for (const tensor of graph.initializer) learn(tensor.name, tensor.dataType);
  for (const { name, type } of [...graph.input, ...graph.valueInfo, ...graph.output]) {
    if (type?.value.case === 'tensorType') learn(name, type.value.value.elemType);
  }
  for (const node of graph.node) {
    const attribute = TYPED_BY_ATTRIBUTE[node.opType];
    const type =
      attribute === undefined
        ? (tensorAttribute(node, 'value')?.dataType ??
          node.input.map((input) => types.get(input)).find((known) => known !== undefined))
        : intAttribute(node, attribute, DataType.FLOAT);
    for (const output of node.output) if (!types.has(output)) learn(output, type);
  }
  return types;
}
