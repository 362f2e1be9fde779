import { defined } from '../defined.js';
import {
  createFloatTensor,
  createNode,
  createTensor,
  TensorProto_DataType as DataType,
  floatToHalf,
  floatTypes,
  type GraphIndex,
  type GraphProto,
  halfToFloat,
  type NodeProto,
  readFloats,
  removeUnused,
  tensorDims,
} from '../onnx/index.js';
import { separateBiases } from './bias.js';
import type { Candidate } from './candidates.js';
import type { RangeLookup } from './ranges.js';
import type { QuantizedTensor } from './report.js';
import { biasFloor, pairMagnitudes, quantizeWeights } from './weights.js';

/** Smallest positive normal float16: a smaller scale would lose its digits. */
const MIN_HALF = 2 ** -14;

/** Largest finite float16. */
const MAX_HALF = 65504;

interface Context {
  graph: GraphProto;
  index: GraphIndex;
  ranges: RangeLookup;
  folder: string | undefined;
  /** Whether scales are to be numbers that float16 holds, since they will become that. */
  half: boolean;
}

/** Writes Q/DQ pairs and int8 weights into a graph, one pair a tensor. */
class Inserter {
  readonly tensors: QuantizedTensor[] = [];
  readonly #context: Context;
  /** Nodes to go right behind the producer of each tensor. */
  readonly #behind = new Map<string, NodeProto[]>();
  /** Nodes to go right before each node. */
  readonly #before = new Map<NodeProto, NodeProto>();
  readonly #pairs = new Map<string, { output: string; scale: number }>();
  readonly #weights = new Map<string, string>();

  constructor(context: Context) {
    this.#context = context;
  }

  #initializer(base: string, type: number, dims: readonly number[], values: ArrayLike<number>) {
    const { graph, index } = this.#context;
    const name = index.uniqueName(base);
    graph.initializer.push(
      type === DataType.INT8
        ? createTensor(name, type, dims, Int8Array.from(values))
        : createFloatTensor(name, type, dims, Array.from(values)),
    );
    return name;
  }

  /** The tensor that readers of the int8 form read instead, and its scale. */
  activation(tensor: string, type: number): { output: string; scale: number } {
    const known = this.#pairs.get(tensor);
    if (known !== undefined) return known;
    const { index, ranges } = this.#context;
    const amax = ranges.get(tensor)!;
    let scale = Math.fround(amax / 127);
    if (type === DataType.FLOAT16 || this.#context.half) {
      scale = Math.max(MIN_HALF, halfToFloat(floatToHalf(Math.min(scale, MAX_HALF))));
    }
    const scaleName = this.#initializer(`${tensor}_scale`, type, [], [scale]);
    const zeroName = this.#initializer(`${tensor}_zero_point`, DataType.INT8, [], [0]);
    const quantized = index.uniqueName(`${tensor}_QuantizeLinear_Output`);
    const output = index.uniqueName(`${tensor}_DequantizeLinear_Output`);
    const node = (opType: string, from: string, to: string) =>
      createNode(opType, [from, scaleName, zeroName], [to], {
        name: index.uniqueName(`${tensor}_${opType}`),
      });
    this.#behind.set(tensor, [
      node('QuantizeLinear', tensor, quantized),
      node('DequantizeLinear', quantized, output),
    ]);
    const pair = { output, scale };
    this.#pairs.set(tensor, pair);
    this.tensors.push({ name: tensor, amax, scale });
    return pair;
  }

  /** The dequantized form of a node's weights; weights that several nodes share are made once. */
  weights(node: NodeProto, axis: number, inputScale: number): string {
    const { index, folder, half } = this.#context;
    const name = node.input[1]!;
    const key = `${axis} ${name}`;
    const known = this.#weights.get(key);
    if (known !== undefined) return known;
    const weight = index.constant(name)!;
    const dims = tensorDims(weight);
    const bias = index.constant(node.input[2] ?? '');
    const values = readFloats(weight, folder);
    const isHalf = half || weight.dataType === DataType.FLOAT16;
    let floor = bias && biasFloor(readFloats(bias, folder), inputScale);
    // What ONNX Runtime makes an integer product of: it does not with float16, nor with a bias.
    if (bias === undefined && !isHalf && dims.length === 2) {
      const together = pairMagnitudes(values, dims as [number, number], axis);
      floor = (channel) => Math.fround(together[channel]! / 127);
    }
    const { data, scales } = quantizeWeights(values, dims, {
      axis,
      half: isHalf,
      ...defined({ floor }),
    });
    const inputs = [
      this.#initializer(`${name}_quantized`, DataType.INT8, dims, data),
      this.#initializer(`${name}_scale`, weight.dataType, [scales.length], scales),
      this.#initializer(
        `${name}_zero_point`,
        DataType.INT8,
        [scales.length],
        new Int8Array(scales.length),
      ),
    ];
    const output = index.uniqueName(`${name}_DequantizeLinear_Output`);
    const options = { name: index.uniqueName(`${name}_DequantizeLinear`) };
    this.#before.set(node, createNode('DequantizeLinear', inputs, [output], options, { axis }));
    this.#weights.set(key, output);
    return output;
  }

  /** Puts the new nodes where they belong in the order of nodes. */
  finish(separated: ReadonlyMap<NodeProto, NodeProto>): void {
    const { graph } = this.#context;
    const behind = (name: string) => this.#behind.get(name) ?? [];
    const nodes = graph.input.flatMap(({ name }) => behind(name));
    for (const node of graph.node) {
      const dequantize = this.#before.get(node);
      if (dequantize !== undefined) nodes.push(dequantize);
      nodes.push(node);
      const bias = separated.get(node);
      if (bias !== undefined) nodes.push(bias);
      nodes.push(...[...node.output, ...(bias?.output ?? [])].flatMap(behind));
    }
    graph.node = nodes;
    removeUnused(graph);
  }
}

/**
 * Inserts QuantizeLinear and DequantizeLinear as the candidates say: one shared pair a tensor, right
 * behind its producer, read by the candidates alone; int8 weights with a DequantizeLinear each.
 *
 * @param half Whether the model becomes half precision afterwards.
 * @returns The tensors that got a pair.
 */
export function insertQuantization(
  candidates: readonly Candidate[],
  given: Omit<Context, 'half'>,
  half = false,
): readonly QuantizedTensor[] {
  const context = { ...given, half };
  const types = floatTypes(context.graph);
  const inserter = new Inserter(context);
  const separated = separateBiases(candidates, context);
  for (const candidate of candidates) {
    const { node, activation, weightAxis } = candidate;
    if (activation === undefined) continue;
    const tensor = node.input[activation]!;
    const type = types.get(tensor) ?? DataType.FLOAT;
    const { output, scale } = inserter.activation(tensor, type);
    node.input[activation] = output;
    if (weightAxis !== undefined) node.input[1] = inserter.weights(node, weightAxis, scale);
  }
  inserter.finish(separated);
  return inserter.tensors;
}
