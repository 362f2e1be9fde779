import {
  createNode,
  createTensor,
  TensorProto_DataType as DataType,
  GraphIndex,
  type GraphProto,
  graphOf,
  type OnnxModel,
  opsetVersion,
  tensorInfo,
} from '../../onnx/index.js';
import type { ObservedTensor } from './observed-tensors.js';

/** A reduced tensor: what can be concatenated with others of the same key. */
export interface Reduced {
  name: string;
  /** Equal for results that fit together. */
  key: string;
  /** Axis along which they fit together. */
  axis: 0 | 1;
  /** Extent along that axis. */
  width: number;
}

/** Tensors with fewer elements are reduced at once: two nodes cost more than they save. */
const SMALL_ELEMENTS = 32768;
/** Rows shorter than this leave too many results. */
const SHORTEST_ROW = 16;

function product(dims: readonly (number | string)[]): number {
  return dims.every((dim) => typeof dim === 'number')
    ? dims.reduce((sum: number, dim) => sum * (dim as number), 1)
    : Number.POSITIVE_INFINITY;
}

/**
 * The dims of a row. The first two dims stay when there are more (for images: one result a channel),
 * because ONNX Runtime reduces rows on all threads and a whole tensor on one. `undefined`: all dims
 * in one step, also where little is known of the shape.
 */
function rowAxes({ shape }: ObservedTensor): number[] | undefined {
  // ONNX Runtime gives no dims both for scalars and for shapes that it does not know.
  if (shape === undefined || shape.length < 3) return undefined;
  const row = shape.slice(2);
  // The first dim is the batch, which is 1 or little more.
  if (product(row) < SHORTEST_ROW || product(shape.slice(1)) < SMALL_ELEMENTS) return undefined;
  return row.map((_, position) => 2 + position);
}

/** Appends reductions to a graph. */
export class Reducer {
  readonly #graph: GraphProto;
  readonly #index: GraphIndex;
  readonly #axesAreInputs: boolean;
  readonly #constants = new Map<string, string>();

  /** @param model An editable copy; it is changed. */
  constructor(model: OnnxModel) {
    this.#graph = graphOf(model);
    this.#index = new GraphIndex(this.#graph);
    this.#axesAreInputs = opsetVersion(model.proto) >= 18;
  }

  /**
   * Reduces a tensor to one number, or to one for each row.
   *
   * @param opType `ReduceMin` or `ReduceMax`.
   * @param tensor The tensor.
   * @param rows Whether rows may stay.
   */
  reduce(opType: string, tensor: ObservedTensor, rows: boolean): Reduced {
    const base = `${tensor.name}_${opType}`;
    const axes = rows ? rowAxes(tensor) : undefined;
    if (axes !== undefined) {
      const [batch, width] = tensor.shape!;
      const perRow = this.#node(opType, tensor.name, `${base}_rows`, 0, axes);
      // Rows of the same batch stand side by side (ONNX Runtime itself takes dims of one name to be
      // equal); where it has no name, they are reduced too.
      if (batch !== '' && typeof width === 'number') {
        return { name: perRow, key: `rows of ${JSON.stringify(batch)}`, axis: 1, width };
      }
      return { name: this.#node(opType, perRow, base, 1), key: '2 dims', axis: 0, width: 1 };
    }
    const rank = tensor.shape?.length ?? 0;
    if (rank > 0) {
      const name = this.#node(opType, tensor.name, base, 1);
      return { name, key: `${rank} dims`, axis: 0, width: 1 };
    }
    const scalar = this.#node(opType, tensor.name, `${base}_all`, 0);
    const name = this.#index.uniqueName(base);
    const shape = this.#constant([1]);
    this.#graph.node.push(createNode('Reshape', [scalar, shape], [name], { name }));
    return { name, key: '1 dims', axis: 0, width: 1 };
  }

  /** The magnitudes of a tensor, as a tensor of their own. */
  magnitudes(tensor: ObservedTensor): ObservedTensor {
    const name = this.#index.uniqueName(`${tensor.name}_Abs`);
    this.#graph.node.push(createNode('Abs', [tensor.name], [name], { name }));
    return { ...tensor, name };
  }

  /** Joins results into a new output of the graph; returns its name. */
  output(names: readonly string[], axis: 0 | 1, elemType: number): string {
    const name = this.#index.uniqueName('tensorrt_node_bounds');
    this.#graph.node.push(createNode('Concat', names, [name], { name }, { axis }));
    this.#graph.output.push(tensorInfo(name, elemType));
    return name;
  }

  #node(
    opType: string,
    input: string,
    base: string,
    keepdims: 0 | 1,
    axes?: readonly number[],
  ): string {
    const output = this.#index.uniqueName(base);
    const inputs = [input];
    const attributes: Record<string, number | readonly number[]> = { keepdims };
    if (axes !== undefined && this.#axesAreInputs) inputs.push(this.#constant(axes));
    else if (axes !== undefined) attributes.axes = axes;
    this.#graph.node.push(createNode(opType, inputs, [output], { name: output }, attributes));
    return output;
  }

  #constant(values: readonly number[]): string {
    const key = values.join('_');
    let name = this.#constants.get(key);
    if (name === undefined) {
      name = this.#index.uniqueName(`tensorrt_node_${key}`);
      this.#constants.set(key, name);
      const data = BigInt64Array.from(values, BigInt);
      this.#graph.initializer.push(createTensor(name, DataType.INT64, [values.length], data));
    }
    return name;
  }
}
