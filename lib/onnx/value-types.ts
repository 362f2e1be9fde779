import { intAttribute, tensorAttribute } from './attributes.js';
import { TensorProto_DataType as DataType, type GraphProto } from './generated/onnx_pb.js';
import { GraphIndex, isStandardDomain } from './graph-index.js';

/** Operators whose every result is of one type, whatever they read. */
const FIXED: Readonly<Record<string, number>> = {
  ...Object.fromEntries(
    ['ArgMax', 'ArgMin', 'NonMaxSuppression', 'NonZero', 'Shape', 'Size'].map((opType) => [
      opType,
      DataType.INT64,
    ]),
  ),
  ...Object.fromEntries(
    [
      ...['And', 'Equal', 'Greater', 'GreaterOrEqual', 'IsInf', 'IsNaN', 'Less', 'LessOrEqual'],
      ...['Not', 'Or', 'Xor'],
    ].map((opType) => [opType, DataType.BOOL]),
  ),
};

/** Type of the results behind the first, where it is not the first one's. */
const SECOND: Readonly<Record<string, number>> = {
  Dropout: DataType.BOOL,
  LayerNormalization: DataType.FLOAT,
  MaxPool: DataType.INT64,
  TopK: DataType.INT64,
};

/** Input that gives the result its type, where it is not the first. */
const TYPED_BY_INPUT: Readonly<Record<string, number>> = {
  CastLike: 1,
  DequantizeLinear: 1,
  OneHot: 2,
  QuantizeLinear: 2,
  Where: 1,
};

/** Attribute that names the type of the result, and the type when it is absent. */
const TYPED_BY_ATTRIBUTE: Readonly<Record<string, readonly [string, number]>> = {
  Cast: ['to', 0],
  EyeLike: ['dtype', DataType.FLOAT],
  Multinomial: ['dtype', DataType.INT32],
  RandomNormal: ['dtype', DataType.FLOAT],
  RandomUniform: ['dtype', DataType.FLOAT],
};

/** Operators whose results only their bodies or a container know. */
const OPAQUE =
  /^(If|Loop|Scan|Optional|Sequence|ConcatFromSequence|SplitToSequence|RandomNormalLike)/;

/**
 * Element type of each tensor of a sorted graph: as declared, else as the operators pass it on. What
 * cannot be known (results of operators of other domains, of control flow, sequences) is absent.
 */
export function elementTypes(graph: GraphProto): ReadonlyMap<string, number> {
  const types = new Map<string, number>();
  const index = new GraphIndex(graph);
  for (const tensor of graph.initializer) types.set(tensor.name, tensor.dataType);
  for (const { name, type } of [...graph.valueInfo, ...graph.input, ...graph.output]) {
    if (type?.value.case === 'tensorType' && type.value.value.elemType !== 0) {
      types.set(name, type.value.value.elemType);
    }
  }
  for (const node of graph.node) {
    if (!isStandardDomain(node.domain) || OPAQUE.test(node.opType)) continue;
    const attribute = TYPED_BY_ATTRIBUTE[node.opType];
    let first: number | undefined;
    if (attribute !== undefined) first = intAttribute(node, ...attribute) || undefined;
    else if (node.opType === 'Constant') first = index.constant(node.output[0]!)?.dataType;
    else if (node.opType === 'ConstantOfShape') {
      first = tensorAttribute(node, 'value')?.dataType ?? DataType.FLOAT;
    } else if (node.opType === 'QuantizeLinear' && !node.input[2]) {
      first = intAttribute(node, 'output_dtype', DataType.UINT8);
    } else {
      first = FIXED[node.opType] ?? types.get(node.input[TYPED_BY_INPUT[node.opType] ?? 0] ?? '');
    }
    for (const [i, output] of node.output.entries()) {
      const type = i === 0 ? first : (SECOND[node.opType] ?? first);
      if (output !== '' && type !== undefined && !types.has(output)) types.set(output, type);
    }
  }
  return types;
}
