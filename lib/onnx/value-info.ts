import { shallowCopy } from './copy.js';
import { dataTypeName } from './data-types.js';
import {
  type GraphProto,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from './generated/onnx_pb.js';
import type { GraphIndex } from './graph-index.js';

/** A model's input or output as its file declares it. */
export interface DeclaredValue {
  name: string;
  /** Element type (`float32`), or the kind of a value that is no tensor (`sequence`). */
  type: string;
  /** Extents; a string is a symbolic name, `?` one without a name; absent when not declared. */
  shape?: readonly (number | string)[];
}

/** Name, element type and shape that the file declares for a value. */
export function declaredValue(info: ValueInfoProto): DeclaredValue {
  const value = info.type?.value;
  if (value?.case !== 'tensorType') {
    const kind = value?.case?.replace('Type', '') ?? 'unknown';
    return { name: info.name, type: kind };
  }
  const dims = value.value.shape?.dim.map(({ value: dim }) => {
    if (dim.case === 'dimValue') return Number(dim.value);
    return dim.case === 'dimParam' && dim.value !== '' ? dim.value : '?';
  });
  return {
    name: info.name,
    type: dataTypeName(value.value.elemType),
    ...(dims === undefined ? {} : { shape: dims }),
  };
}

/** The declaration of a tensor with another element type; others come back as they are. */
export function retyped(info: ValueInfoProto, elemType: number): ValueInfoProto {
  if (info.type?.value.case !== 'tensorType') return info;
  const tensor = shallowCopy(TypeProto_TensorSchema, info.type.value.value);
  tensor.elemType = elemType;
  const type = shallowCopy(TypeProtoSchema, info.type);
  type.value = { case: 'tensorType', value: tensor };
  const copy = shallowCopy(ValueInfoProtoSchema, info);
  copy.type = type;
  return copy;
}

/** Operators whose result always has two dims. */
const TWO_DIMS = ['Gemm', 'Flatten'];

/** Operators whose result has as many dims as their first input. */
const SAME_RANK = [
  ...['Add', 'Cast', 'Clip', 'Conv', 'Dropout', 'Identity', 'Mul', 'Relu', 'Sigmoid'],
  ...['BatchNormalization', 'GlobalAveragePool', 'MaxPool', 'AveragePool'],
];

/** Number of dims of a tensor, as far as the file says it; no full shape inference. */
export function rankOf(graph: GraphProto, index: GraphIndex, name: string): number | undefined {
  const constant = index.initializer(name);
  if (constant !== undefined) return constant.dims.length;
  const declared = [graph.input, graph.output, graph.valueInfo]
    .flat()
    .find((info) => info.name === name);
  const shape = declared && declaredValue(declared).shape;
  if (shape !== undefined) return shape.length;
  const producer = index.producer(name);
  if (producer === undefined) return undefined;
  if (TWO_DIMS.includes(producer.opType)) return 2;
  if (!SAME_RANK.includes(producer.opType)) return undefined;
  const ranks = producer.input.slice(0, 2).map((input) => rankOf(graph, index, input));
  return ['Add', 'Mul'].includes(producer.opType)
    ? ranks.includes(undefined)
      ? undefined
      : Math.max(...(ranks as number[]))
    : ranks[0];
}
