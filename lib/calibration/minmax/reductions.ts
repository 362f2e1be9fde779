import { create } from '@bufbuild/protobuf';
import {
  createNode,
  createTensor,
  TensorProto_DataType as DataType,
  editableCopy,
  GraphIndex,
  type GraphProto,
  graphOf,
  type OnnxModel,
  opsetVersion,
  ValueInfoProtoSchema,
} from '../../onnx/index.js';
import { type ObservedTensor, onnxType } from './observed-tensors.js';

/**
 * One output of a {@link ReducedModel}: the minimum and the maximum of each tensor, in turn, and the
 * smallest magnitude after them where it is asked for.
 */
export interface BoundsOutput {
  /** Name of the graph output. */
  name: string;
  /** The tensors whose bounds it holds. */
  tensors: readonly string[];
}

/** A model whose only outputs are minima and maxima of its tensors. */
export interface ReducedModel {
  model: OnnxModel;
  /** One output for each element type and number of dims. */
  outputs: readonly BoundsOutput[];
}

/** What {@link addReductions} takes besides the model. */
export interface ReductionOptions {
  /**
   * Whether large tensors are reduced row by row; otherwise every tensor is reduced at once, as ONNX
   * Runtime's calibrator does it.
   */
  rows: boolean;
  /** Whether the smallest magnitude is measured too. */
  magnitudes: boolean;
}

/** Tensors with fewer elements are reduced at once: two nodes cost more than they save. */
const SMALL_ELEMENTS = 32768;
/** Rows shorter than this leave too many results. */
const SHORTEST_ROW = 16;

/**
 * The dims of a row. The first two dims stay when there are more (for images: one result a channel)
 * and are reduced in a second step, because ONNX Runtime reduces rows on all threads and a whole
 * tensor on one. `undefined`: all dims in one step, also where little is known of the shape.
 */
function rowAxes({ shape }: ObservedTensor): number[] | undefined {
  // ONNX Runtime gives no dims both for scalars and for shapes that it does not know.
  if (shape === undefined || shape.length < 3) return undefined;
  const row = shape.slice(2);
  const known = (dims: readonly (number | string)[]) =>
    dims.every((dim) => typeof dim === 'number')
      ? dims.reduce((product: number, dim) => product * (dim as number), 1)
      : Number.POSITIVE_INFINITY;
  // The first dim is the batch, which is 1 or little more.
  if (known(row) < SHORTEST_ROW || known(shape.slice(1)) < SMALL_ELEMENTS) return undefined;
  return row.map((_, position) => 2 + position);
}

/** Appends reductions to a graph. */
class Reducer {
  readonly #graph: GraphProto;
  readonly #index: GraphIndex;
  readonly #axesAreInputs: boolean;
  readonly #constants = new Map<string, string>();

  constructor(model: OnnxModel) {
    this.#graph = graphOf(model);
    this.#index = new GraphIndex(this.#graph);
    this.#axesAreInputs = opsetVersion(model.proto) >= 18;
  }

  uniqueName(base: string): string {
    return this.#index.uniqueName(base);
  }

  /** Reduces a tensor to one element of `rank` dims. */
  reduce(opType: string, tensor: ObservedTensor, rows: boolean): { name: string; rank: number } {
    const base = `${tensor.name}_${opType}`;
    const axes = rows ? rowAxes(tensor) : undefined;
    if (axes !== undefined) {
      const perRow = this.#node(opType, tensor.name, `${base}_rows`, 0, axes);
      return { name: this.#node(opType, perRow, base, 1), rank: 2 };
    }
    const rank = tensor.shape?.length ?? 0;
    if (rank > 0) return { name: this.#node(opType, tensor.name, base, 1), rank };
    const scalar = this.#node(opType, tensor.name, `${base}_all`, 0);
    const name = this.uniqueName(base);
    const shape = this.#constant([1]);
    this.#graph.node.push(createNode('Reshape', [scalar, shape], [name], { name }));
    return { name, rank: 1 };
  }

  /** The magnitudes of a tensor, as a tensor of their own. */
  magnitudes(tensor: ObservedTensor): ObservedTensor {
    const name = this.uniqueName(`${tensor.name}_Abs`);
    this.#graph.node.push(createNode('Abs', [tensor.name], [name], { name }));
    return { ...tensor, name };
  }

  #node(
    opType: string,
    input: string,
    base: string,
    keepdims: 0 | 1,
    axes?: readonly number[],
  ): string {
    const output = this.uniqueName(base);
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
      name = this.uniqueName(`tensorrt_node_${key}`);
      this.#constants.set(key, name);
      const data = BigInt64Array.from(values, BigInt);
      this.#graph.initializer.push(createTensor(name, DataType.INT64, [values.length], data));
    }
    return name;
  }

  /** Hands the bounds of n tensors out as one output of 2n elements. */
  output(bounds: readonly string[], elemType: number): string {
    const name = this.uniqueName('tensorrt_node_bounds');
    this.#graph.node.push(createNode('Concat', bounds, [name], { name }, { axis: 0 }));
    const type = { value: { case: 'tensorType' as const, value: { elemType } } };
    this.#graph.output.push(create(ValueInfoProtoSchema, { name, type }));
    return name;
  }
}

/**
 * Replaces the outputs of a model by the minima and maxima of tensors.
 *
 * The nodes are appended last tensor first: ONNX Runtime orders nodes by walking back from the ends
 * of the graph, the node of the highest number first, so each tensor is reduced right after it is
 * made, while it is in the cache, and is freed early. In the other order all reductions would come
 * at the end. Bounds leave the graph in few tensors: each output costs a run some 10 µs in
 * JavaScript.
 *
 * @param model The model; it stays as it is.
 * @param tensors What is measured, in the order in which the graph makes them.
 * @param options How they are reduced.
 */
export function addReductions(
  model: OnnxModel,
  tensors: readonly ObservedTensor[],
  { rows, magnitudes }: ReductionOptions,
): ReducedModel {
  const copy = editableCopy(model);
  const reducer = new Reducer(copy);
  graphOf(copy).output = [];
  const groups = new Map<string, { type: number; tensors: string[]; bounds: string[] }>();
  for (const tensor of [...tensors].reverse()) {
    const type = onnxType(tensor);
    const max = reducer.reduce('ReduceMax', tensor, rows);
    const min = reducer.reduce('ReduceMin', tensor, rows);
    const key = `${type}/${min.rank}`;
    const group = groups.get(key) ?? { type, tensors: [], bounds: [] };
    // Taken out and put back, so that the group of the tensor that is made first ends up last.
    groups.delete(key);
    groups.set(key, group);
    group.tensors.push(tensor.name);
    group.bounds.push(min.name, max.name);
    if (magnitudes) {
      const absolute = reducer.magnitudes(tensor);
      group.bounds.push(reducer.reduce('ReduceMin', absolute, rows).name);
    }
  }
  const outputs = Array.from(groups.values(), ({ type, tensors, bounds }) => ({
    name: reducer.output(bounds, type),
    tensors,
  }));
  return { model: copy, outputs };
}
