import { create } from '@bufbuild/protobuf';
import {
  createFloatTensor,
  createTensor,
  TensorProto_DataType as DataType,
  encodeModel,
  floatToHalf,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  type TensorProto,
  ValueInfoProtoSchema,
} from '../../../lib/onnx/index.js';
import { Tensor } from '../../../lib/tensor.js';

export type Dims = readonly (number | string)[];

export function value(name: string, dims?: Dims, elemType: number = DataType.FLOAT) {
  const dim = dims?.map((extent) =>
    typeof extent === 'number'
      ? { value: { case: 'dimValue' as const, value: BigInt(extent) } }
      : { value: { case: 'dimParam' as const, value: extent } },
  );
  return create(ValueInfoProtoSchema, {
    name,
    type: {
      value: {
        case: 'tensorType',
        value: { elemType, ...(dim === undefined ? {} : { shape: { dim } }) },
      },
    },
  });
}

/** A float initialiser. */
export function floats(
  name: string,
  dims: readonly number[],
  values: Iterable<number>,
): TensorProto {
  return createFloatTensor(name, DataType.FLOAT, dims, values);
}

/** An int64 initialiser of one dim. */
export function integers(name: string, values: readonly number[]): TensorProto {
  return createTensor(
    name,
    DataType.INT64,
    [values.length],
    BigInt64Array.from(values, (number) => BigInt(number)),
  );
}

export interface ModelParts {
  nodes: NodeProto[];
  inputs: ReturnType<typeof value>[];
  outputs: ReturnType<typeof value>[];
  initializers?: TensorProto[];
  opset?: number;
  irVersion?: number;
}

/** The bytes of a model. */
export function modelBytes(parts: ModelParts): Uint8Array {
  const { nodes, inputs, outputs, initializers = [], opset = 17, irVersion = 8 } = parts;
  return encodeModel(
    create(ModelProtoSchema, {
      irVersion: BigInt(irVersion),
      opsetImport: [{ domain: '', version: BigInt(opset) }],
      graph: create(GraphProtoSchema, {
        name: 'g',
        node: nodes,
        input: inputs,
        output: outputs,
        initializer: initializers,
      }),
    }),
  );
}

/** A float32 tensor. */
export function tensor(dims: readonly number[], values: Iterable<number>): Tensor<'float32'> {
  return new Tensor('float32', Float32Array.from(values), dims);
}

/** A float16 tensor. */
export function halfTensor(dims: readonly number[], values: Iterable<number>): Tensor<'float16'> {
  return new Tensor('float16', Uint16Array.from(values, floatToHalf), dims);
}

/** `count` zeros with single values put at positions. */
export function planted(count: number, values: Readonly<Record<number, number>>): Float32Array {
  const data = new Float32Array(count);
  for (const [position, number] of Object.entries(values)) data[Number(position)] = number;
  return data;
}
