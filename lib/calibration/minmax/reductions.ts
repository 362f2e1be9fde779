import { create } from '@bufbuild/protobuf';
import {
  createNode,
  createTensor,
  TensorProto_DataType as DataType,
  editableCopy,
  GraphIndex,
  graphOf,
  type NodeProto,
  type OnnxModel,
  opsetVersion,
  ValueInfoProtoSchema,
} from '../../onnx/index.js';
import { type ObservedTensor, onnxType } from './observed-tensors.js';

/** The two graph outputs that hold what was found of one tensor. */
export interface Reduction {
  /** The tensor that is measured. */
  tensor: string;
  /** Output with its smallest values: one for each row that was reduced. */
  min: string;
  /** Output with its largest values. */
  max: string;
}

/** A model whose only outputs are minima and maxima of its tensors. */
export interface ReducedModel {
  model: OnnxModel;
  reductions: readonly Reduction[];
}

/** Rows shorter than this cost more to hand out than a look at the whole tensor costs. */
const SHORTEST_ROW = 16;

/**
 * The dims to reduce. The first two stay when there are more (for images: one result a channel),
 * because ONNX Runtime reduces rows on all threads and vectorised, and a whole tensor on one thread
 * (measured: 9% less of the run on two cores). `undefined`: all, also where little is known.
 */
function reducedAxes({ shape }: ObservedTensor): number[] | undefined {
  // ONNX Runtime gives no dims both for scalars and for shapes that it does not know.
  if (shape === undefined || shape.length < 2) return undefined;
  const first = Math.min(2, shape.length - 1);
  const row = shape.slice(first);
  const known = row.every((dim): dim is number => typeof dim === 'number');
  if (known && row.reduce((product, dim) => product * dim, 1) < SHORTEST_ROW) return undefined;
  return row.map((_, position) => first + position);
}

/** Makes the nodes, with `axes` in the form that the operator set has it. */
class ReductionNodes {
  readonly #index: GraphIndex;
  readonly #axesAreInputs: boolean;
  readonly #axes = new Map<string, string>();
  readonly #add: (name: string, axes: readonly number[]) => void;

  constructor(model: OnnxModel, index: GraphIndex) {
    this.#index = index;
    this.#axesAreInputs = opsetVersion(model.proto) >= 18;
    this.#add = (name, axes) => {
      const values = BigInt64Array.from(axes, BigInt);
      graphOf(model).initializer.push(createTensor(name, DataType.INT64, [axes.length], values));
    };
  }

  node(opType: string, tensor: string, axes: readonly number[] | undefined): NodeProto {
    const output = this.#index.uniqueName(`${tensor}_${opType}`);
    const inputs = [tensor];
    const attributes: Record<string, number | readonly number[]> = { keepdims: 0 };
    if (axes !== undefined && this.#axesAreInputs) inputs.push(this.#initializer(axes));
    else if (axes !== undefined) attributes.axes = axes;
    return createNode(opType, inputs, [output], { name: output }, attributes);
  }

  #initializer(axes: readonly number[]): string {
    const key = axes.join();
    let name = this.#axes.get(key);
    if (name === undefined) {
      name = this.#index.uniqueName(`tensorrt_node_axes_${axes.join('_')}`);
      this.#axes.set(key, name);
      this.#add(name, axes);
    }
    return name;
  }
}

/**
 * Replaces the outputs of a model by the minima and maxima of tensors.
 *
 * The nodes are appended last tensor first: ONNX Runtime orders nodes by walking back from the ends
 * of the graph, last end first, so each tensor is reduced right after it is made, while it is in
 * the cache, and is freed early. In the other order all reductions would come at the end.
 *
 * @param model The model; it stays as it is.
 * @param tensors What is measured, in the order in which the graph makes them.
 * @param rows Whether rows are reduced where that is faster; otherwise every tensor is reduced at
 *   once, as ONNX Runtime's calibrator does it.
 */
export function addReductions(
  model: OnnxModel,
  tensors: readonly ObservedTensor[],
  rows: boolean,
): ReducedModel {
  const copy = editableCopy(model);
  const graph = graphOf(copy);
  const nodes = new ReductionNodes(copy, new GraphIndex(graph));
  const reductions: Reduction[] = [];
  graph.output = [];
  for (const tensor of [...tensors].reverse()) {
    const axes = rows ? reducedAxes(tensor) : undefined;
    const max = nodes.node('ReduceMax', tensor.name, axes);
    const min = nodes.node('ReduceMin', tensor.name, axes);
    graph.node.push(max, min);
    for (const { output } of [max, min]) {
      graph.output.push(outputInfo(output[0]!, onnxType(tensor)));
    }
    reductions.push({ tensor: tensor.name, min: min.output[0]!, max: max.output[0]! });
  }
  return { model: copy, reductions };
}

function outputInfo(name: string, elemType: number) {
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: 'tensorType', value: { elemType } } },
  });
}
