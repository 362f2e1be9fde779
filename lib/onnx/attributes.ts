import { create } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
} from './generated/onnx_pb.js';

function find(node: NodeProto, name: string): AttributeProto | undefined {
  return node.attribute.find((attribute) => attribute.name === name);
}

/** Value of an integer attribute, or `fallback` when the node does not have it. */
export function intAttribute(node: NodeProto, name: string, fallback: number): number {
  const attribute = find(node, name);
  return attribute === undefined ? fallback : Number(attribute.i);
}

/** Values of an integer-list attribute; `undefined` when the node does not have it. */
export function intsAttribute(node: NodeProto, name: string): number[] | undefined {
  return find(node, name)?.ints.map(Number);
}

/** Value of a float attribute, or `fallback` when the node does not have it. */
export function floatAttribute(node: NodeProto, name: string, fallback: number): number {
  return find(node, name)?.f ?? fallback;
}

/** Value of a string attribute, or `fallback` when the node does not have it. */
export function stringAttribute(node: NodeProto, name: string, fallback: string): string {
  const attribute = find(node, name);
  return attribute === undefined ? fallback : Buffer.from(attribute.s).toString('utf8');
}

/** Value of a tensor attribute; `undefined` when the node does not have it. */
export function tensorAttribute(node: NodeProto, name: string): TensorProto | undefined {
  return find(node, name)?.t;
}

/** What {@link createNode} takes as attributes: integers, integer lists, strings, tensors, floats. */
export type AttributeValue =
  | number
  | readonly number[]
  | string
  | TensorProto
  | { readonly float: number };

/** Makes an attribute of the type that `value` has. */
export function createAttribute(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === 'number') {
    return create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(value) });
  }
  if (typeof value === 'string') {
    const s = new TextEncoder().encode(value);
    return create(AttributeProtoSchema, { name, type: AttributeType.STRING, s });
  }
  if ('float' in value) {
    return create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: value.float });
  }
  if ('$typeName' in value) {
    return create(AttributeProtoSchema, { name, type: AttributeType.TENSOR, t: value });
  }
  return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: value.map(BigInt) });
}

/** Makes a node: `createNode('Conv', ['x', 'w'], ['y'], { name: 'conv' }, { group: 1 })`. */
export function createNode(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  options: { name?: string; domain?: string } = {},
  attributes: Readonly<Record<string, AttributeValue>> = {},
): NodeProto {
  return create(NodeProtoSchema, {
    opType,
    input: [...input],
    output: [...output],
    ...options,
    attribute: Object.entries(attributes).map(([name, value]) => createAttribute(name, value)),
  });
}
