import { create } from '@bufbuild/protobuf';
import {
  createFloatTensor,
  createNode,
  createTensor,
  TensorProto_DataType as DataType,
  encodeModel,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  OperatorSetIdProtoSchema,
  type TensorProto,
  ValueInfoProtoSchema,
} from '../../lib/onnx/index.js';

export const DIGITS = 'examples/digits/model.onnx';

/** The digits model's profile. */
export const DIGITS_PROFILE = {
  input: { min: [1, 3, 32, 32], opt: [4, 3, 32, 32], max: [8, 3, 32, 32] },
};

function value(name: string, type: number, dims: readonly (number | string)[]) {
  return create(ValueInfoProtoSchema, {
    name,
    type: {
      value: {
        case: 'tensorType',
        value: {
          elemType: type,
          shape: {
            dim: dims.map((extent) => ({
              value:
                typeof extent === 'number'
                  ? { case: 'dimValue' as const, value: BigInt(extent) }
                  : { case: 'dimParam' as const, value: extent },
            })),
          },
        },
      },
    },
  });
}

/** A model of one input `x` and one output `y`, both of `type`. */
export function modelBytes(
  nodes: NodeProto[],
  initializer: TensorProto[],
  {
    type = DataType.FLOAT as number,
    input = [1, 16, 8, 8] as (number | string)[],
    output = ['n', 'c', 'h', 'w'] as (number | string)[],
    opset = 19,
  } = {},
): Uint8Array {
  return encodeModel(
    create(ModelProtoSchema, {
      irVersion: 9n,
      producerName: 'tensorrt-node-test',
      opsetImport: [create(OperatorSetIdProtoSchema, { domain: '', version: BigInt(opset) })],
      graph: create(GraphProtoSchema, {
        name: 'test',
        node: nodes,
        initializer,
        input: [value('x', type, input)],
        output: [value('y', type, output)],
      }),
    }),
  );
}

const ramp = (count: number) => Array.from({ length: count }, (_, i) => ((i % 17) - 8) / 64);

/** Conv(x) + Relu, 16 channels, in the given float type. */
export function convModel(
  type: number = DataType.FLOAT,
  input: (number | string)[] = [1, 16, 8, 8],
): Uint8Array {
  const weights = createFloatTensor('w', type, [16, 16, 3, 3], ramp(16 * 16 * 9));
  const nodes = [
    createNode('Conv', ['x', 'w'], ['c'], { name: 'conv' }, { pads: [1, 1, 1, 1] }),
    createNode('Relu', ['c'], ['y'], { name: 'relu' }),
  ];
  return modelBytes(nodes, [weights], { type, input });
}

/** The same with int8 input and weights; `zeroPoint` other than 0 is one that TensorRT refuses. */
export function quantizedModel(zeroPoint = 0): Uint8Array {
  const w = Int8Array.from({ length: 16 * 16 * 9 }, (_, i) => (i % 251) - 125);
  const scales = Array.from({ length: 16 }, (_, i) => 0.01 + i / 1000);
  const nodes = [
    createNode('QuantizeLinear', ['x', 's', 'z'], ['xq'], { name: 'q' }),
    createNode('DequantizeLinear', ['xq', 's', 'z'], ['xd'], { name: 'dq' }),
    createNode('DequantizeLinear', ['w', 'ws', 'wz'], ['wd'], { name: 'dqw' }, { axis: 0 }),
    createNode('Conv', ['xd', 'wd'], ['c'], { name: 'conv' }, { pads: [1, 1, 1, 1] }),
    createNode('Relu', ['c'], ['y'], { name: 'relu' }),
  ];
  return modelBytes(nodes, [
    createFloatTensor('s', DataType.FLOAT, [], [0.05]),
    createTensor('z', DataType.INT8, [], Int8Array.of(zeroPoint)),
    createTensor('w', DataType.INT8, [16, 16, 3, 3], w),
    createFloatTensor('ws', DataType.FLOAT, [16], scales),
    createTensor('wz', DataType.INT8, [16], new Int8Array(16)),
  ]);
}
