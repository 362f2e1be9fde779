import { createHash } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import {
  type AttributeValue,
  createFloatTensor,
  createNode,
  createTensor,
  TensorProto_DataType as DataType,
  encodeModel,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  type OnnxModel,
  type TensorProto,
  ValueInfoProtoSchema,
} from '../../lib/onnx/index.js';

/** Seeded normal deviates (xorshift128 and Box-Muller), so that every run has the same weights. */
export class Random {
  #a: number;
  #b = 0x243f6a88;
  #c = 0xb7e15162 | 0;
  #d = 0xdeadbeef | 0;
  #spare: number | undefined;

  constructor(seed: number) {
    this.#a = seed ^ 0x9e3779b9;
    for (let i = 0; i < 16; i += 1) this.uniform();
  }

  /** In [0, 1). */
  uniform(): number {
    let t = this.#d;
    t ^= t << 11;
    t ^= t >>> 8;
    this.#d = this.#c;
    this.#c = this.#b;
    this.#b = this.#a;
    this.#a = t ^ this.#a ^ (this.#a >>> 19);
    return (this.#a >>> 0) / 2 ** 32;
  }

  normal(): number {
    if (this.#spare !== undefined) {
      const spare = this.#spare;
      this.#spare = undefined;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    const angle = 2 * Math.PI * this.uniform();
    this.#spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** `count` normal deviates times `scale`. */
  array(count: number, scale = 1): Float32Array {
    const values = new Float32Array(count);
    for (let i = 0; i < count; i += 1) values[i] = this.normal() * scale;
    return values;
  }
}

/** How nodes and tensors are named: as PyTorch's TorchScript exporter does, or as the newer one. */
export type Naming = 'torchscript' | 'dynamo';

export interface BuilderOptions {
  seed?: number;
  opset?: number;
  naming?: Naming;
  /** Element type of weights and activations. */
  half?: boolean;
}

/** Puts small ONNX models together, node by node. Each method returns the name of its result. */
export class GraphBuilder {
  readonly random: Random;
  readonly opset: number;
  readonly naming: Naming;
  readonly type: number;
  readonly nodes: NodeProto[] = [];
  readonly initializers: TensorProto[] = [];
  readonly #used = new Map<string, number>();

  constructor({ seed = 1, opset = 17, naming = 'torchscript', half = false }: BuilderOptions = {}) {
    this.random = new Random(seed);
    this.opset = opset;
    this.naming = naming;
    this.type = half ? DataType.FLOAT16 : DataType.FLOAT;
  }

  weight(name: string, dims: readonly number[], values: Iterable<number>): string {
    this.initializers.push(createFloatTensor(name, this.type, dims, values));
    return name;
  }

  integers(name: string, values: readonly number[]): string {
    const data = BigInt64Array.from(values, BigInt);
    this.initializers.push(createTensor(name, DataType.INT64, [values.length], data));
    return name;
  }

  op(
    opType: string,
    inputs: readonly string[],
    path: string,
    attributes: Readonly<Record<string, AttributeValue>> = {},
    outputs = 1,
  ): string {
    let name: string;
    let results: string[];
    if (this.naming === 'torchscript') {
      name = `/${path}/${opType}`;
      results = Array.from({ length: outputs }, (_, i) => `${name}_output_${i}`);
    } else {
      // node_conv2d, node_conv2d_1, … and values conv2d, conv2d_1, …
      const base = { Conv: 'conv2d', Gemm: 'linear', MatMul: 'val', Add: 'add', Relu: 'relu' }[
        opType
      ];
      const word = base ?? opType.toLowerCase();
      const count = this.#used.get(word) ?? 0;
      this.#used.set(word, count + 1);
      const value = count === 0 ? word : `${word}_${count}`;
      name = `node_${value}`;
      results = Array.from({ length: outputs }, (_, i) =>
        i === 0 ? value : `${value}_split_${i}`,
      );
    }
    this.nodes.push(createNode(opType, inputs, results, { name }, attributes));
    return results[0]!;
  }

  /** The output names of the node made last. */
  get lastOutputs(): readonly string[] {
    return this.nodes.at(-1)!.output;
  }

  /** Conv with He-scaled weights; `spread` is how much channels differ, as folded BN leaves them. */
  conv(
    x: string,
    path: string,
    input: number,
    output: number,
    kernel: number,
    {
      stride = 1,
      group = 1,
      bias = true,
      gain = 1,
      padding = kernel >> 1,
    }: { stride?: number; group?: number; bias?: boolean; gain?: number; padding?: number } = {},
  ): string {
    const fanIn = (input / group) * kernel * kernel;
    const weights = this.random.array(output * fanIn, Math.sqrt(2 / fanIn) * gain);
    for (let o = 0; o < output; o += 1) {
      const spread = Math.exp(this.random.normal() * 0.25);
      for (let i = 0; i < fanIn; i += 1) weights[o * fanIn + i]! *= spread;
    }
    const name = path.replaceAll('/', '.');
    const inputs = [
      x,
      this.weight(`${name}.weight`, [output, input / group, kernel, kernel], weights),
    ];
    if (bias) inputs.push(this.weight(`${name}.bias`, [output], this.random.array(output, 0.2)));
    return this.op('Conv', inputs, path, {
      dilations: [1, 1],
      group,
      kernel_shape: [kernel, kernel],
      pads: [padding, padding, padding, padding],
      strides: [stride, stride],
    });
  }

  relu(x: string, path: string): string {
    return this.op('Relu', [x], path);
  }

  batchNorm(x: string, path: string, channels: number): string {
    const name = path.replaceAll('/', '.');
    const positive = (around: number) =>
      Float32Array.from({ length: channels }, () => around * Math.exp(this.random.normal() * 0.3));
    return this.op(
      'BatchNormalization',
      [
        x,
        this.weight(`${name}.weight`, [channels], positive(1)),
        this.weight(`${name}.bias`, [channels], this.random.array(channels, 0.2)),
        this.weight(`${name}.running_mean`, [channels], this.random.array(channels, 0.3)),
        this.weight(`${name}.running_var`, [channels], positive(1)),
      ],
      path,
      { epsilon: { float: 1e-5 }, momentum: { float: 0.9 } },
    );
  }

  gemm(x: string, path: string, input: number, output: number): string {
    const name = path.replaceAll('/', '.');
    const weights = this.random.array(output * input, Math.sqrt(1 / input));
    return this.op(
      'Gemm',
      [
        x,
        this.weight(`${name}.weight`, [output, input], weights),
        this.weight(`${name}.bias`, [output], this.random.array(output, 0.05)),
      ],
      path,
      { alpha: { float: 1 }, beta: { float: 1 }, transB: 1 },
    );
  }

  /** The finished model, with the last node's output renamed to `output`. */
  finish(
    inputShape: readonly (number | string)[],
    outputShape: readonly (number | string)[],
    { input = 'input', output = 'output' } = {},
  ): OnnxModel {
    this.nodes.at(-1)!.output[0] = output;
    const value = (name: string, shape: readonly (number | string)[]) =>
      create(ValueInfoProtoSchema, {
        name,
        type: {
          value: {
            case: 'tensorType',
            value: {
              elemType: this.type,
              shape: {
                dim: shape.map((dim) =>
                  typeof dim === 'number'
                    ? { value: { case: 'dimValue' as const, value: BigInt(dim) } }
                    : { value: { case: 'dimParam' as const, value: dim } },
                ),
              },
            },
          },
        },
      });
    const proto = create(ModelProtoSchema, {
      irVersion: this.opset >= 21 ? 10n : this.opset >= 19 ? 9n : 8n,
      producerName: 'tensorrt-node-test',
      opsetImport: [{ domain: '', version: BigInt(this.opset) }],
      graph: create(GraphProtoSchema, {
        name: 'main_graph',
        node: this.nodes,
        initializer: this.initializers,
        input: [value(input, inputShape)],
        output: [value(output, outputShape)],
      }),
    });
    const sha256 = createHash('sha256').update(encodeModel(proto)).digest('hex');
    return { proto, sha256 };
  }
}
