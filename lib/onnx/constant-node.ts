import {
  TensorProto_DataType as DataType,
  type NodeProto,
  type TensorProto,
} from './generated/onnx_pb.js';
import { createFloatTensor, createTensor } from './tensors.js';

/** The value of a Constant node, in whichever attribute it stands; `undefined` for text and sparse. */
export function constantValue(node: NodeProto): TensorProto | undefined {
  const name = node.output[0] ?? '';
  for (const attribute of node.attribute) {
    const { f, floats, i, ints } = attribute;
    switch (attribute.name) {
      case 'value':
        return attribute.t;
      case 'value_float':
        return createFloatTensor(name, DataType.FLOAT, [], [f]);
      case 'value_floats':
        return createFloatTensor(name, DataType.FLOAT, [floats.length], floats);
      case 'value_int':
        return createTensor(name, DataType.INT64, [], BigInt64Array.of(i));
      case 'value_ints':
        return createTensor(name, DataType.INT64, [ints.length], BigInt64Array.from(ints));
    }
  }
  return undefined;
}
