import { create } from '@bufbuild/protobuf';
import { defined } from '../defined.js';
import { intAttribute, intsAttribute } from './attributes.js';
import { shallowCopy } from './copy.js';
import { dataTypeName } from './data-types.js';
import {
  type GraphProto,
  type NodeProto,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from './generated/onnx_pb.js';
import { type GraphIndex, isStandardDomain } from './graph-index.js';

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
    ...defined({ shape: dims }),
  };
}

/**
 * The declaration of a tensor.
 *
 * @param name Name of the tensor.
 * @param elemType ONNX's number of its element type.
 * @param shape Extents; a string is a symbolic name, an empty one stands for one without a name. Absent when
 *   nothing is known.
 */
export function tensorInfo(
  name: string,
  elemType: number,
  shape?: readonly (number | string)[],
): ValueInfoProto {
  const dim = shape?.map((extent) => {
    if (typeof extent === 'number') {
      return { value: { case: 'dimValue' as const, value: BigInt(extent) } };
    }
    return extent === '' ? {} : { value: { case: 'dimParam' as const, value: extent } };
  });
  const value = { elemType, ...(dim === undefined ? {} : { shape: { dim } }) };
  return create(ValueInfoProtoSchema, { name, type: { value: { case: 'tensorType', value } } });
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
  ...['Cast', 'Clip', 'Conv', 'Dropout', 'Erf', 'Gelu', 'HardSigmoid', 'HardSwish', 'Identity'],
  ...['Relu', 'Sigmoid', 'Softmax', 'Sqrt', 'Tanh', 'Transpose', 'LayerNormalization'],
  ...['BatchNormalization', 'GlobalAveragePool', 'MaxPool', 'AveragePool', 'Slice', 'Concat'],
];

/** Operators whose result has as many dims as the longer of their inputs. */
const LONGER_RANK = ['Add', 'Div', 'MatMul', 'Mul', 'Pow', 'Sub'];

function resultRank(
  node: NodeProto,
  index: GraphIndex,
  rank: (name: string) => number | undefined,
): number | undefined {
  const { opType, input } = node;
  if (TWO_DIMS.includes(opType)) return 2;
  if (opType === 'Transpose') return intsAttribute(node, 'perm')?.length ?? rank(input[0]!);
  if (opType === 'Reshape') {
    const length = index.constant(input[1] ?? '')?.dims[0];
    return length === undefined ? undefined : Number(length);
  }
  if (opType.startsWith('Reduce') && intAttribute(node, 'keepdims', 1) === 0) return undefined;
  if (SAME_RANK.includes(opType) || opType.startsWith('Reduce')) return rank(input[0] ?? '');
  if (!LONGER_RANK.includes(opType)) return undefined;
  const ranks = input.map(rank);
  return ranks.includes(undefined) ? undefined : Math.max(...(ranks as number[]));
}

/**
 * Number of dims of each tensor, as far as the file says it and operators pass it on; no full shape
 * inference. In a graph that is not sorted some are missing.
 */
export function tensorRanks(graph: GraphProto, index: GraphIndex): ReadonlyMap<string, number> {
  const ranks = new Map<string, number>();
  const learn = (name: string, rank: number | undefined) => {
    if (rank !== undefined && !ranks.has(name)) ranks.set(name, rank);
  };
  for (const { name, dims } of graph.initializer) learn(name, dims.length);
  for (const info of [...graph.input, ...graph.output, ...graph.valueInfo]) {
    learn(info.name, declaredValue(info).shape?.length);
  }
  const rank = (name: string) => ranks.get(name) ?? index.constant(name)?.dims.length;
  for (const node of graph.node) {
    if (isStandardDomain(node.domain)) learn(node.output[0] ?? '', resultRank(node, index, rank));
  }
  return ranks;
}
