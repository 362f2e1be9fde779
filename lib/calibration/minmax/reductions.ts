import { editableCopy, graphOf, type OnnxModel } from '../../onnx/index.js';
import { type ObservedTensor, onnxType } from './observed-tensors.js';
import { Reducer } from './reducer.js';

/** What is measured of a tensor, in the order in which an output holds it. */
export type Bound = 'min' | 'max' | 'smallest';

/** One column of a {@link BoundsOutput}, or `width` columns that belong together. */
export interface BoundsColumns {
  tensor: string;
  bound: Bound;
  /** How many numbers the bound is spread over, in each row. */
  width: number;
}

/** One output of a {@link ReducedModel}: rows of numbers, or a single one. */
export interface BoundsOutput {
  /** Name of the graph output. */
  name: string;
  columns: readonly BoundsColumns[];
}

/** A model whose only outputs are minima and maxima of its tensors. */
export interface ReducedModel {
  model: OnnxModel;
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

interface Group {
  type: number;
  axis: 0 | 1;
  names: string[];
  columns: BoundsColumns[];
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
  const groups = new Map<string, Group>();
  const add = (tensor: string, bound: Bound, opType: string, source: ObservedTensor) => {
    const type = onnxType(source);
    const { name, key, axis, width } = reducer.reduce(opType, source, rows);
    const group = groups.get(`${type} ${key}`) ?? { type, axis, names: [], columns: [] };
    // Taken out and put back, so that the group of the tensor that is made first ends up last.
    groups.delete(`${type} ${key}`);
    groups.set(`${type} ${key}`, group);
    group.names.push(name);
    group.columns.push({ tensor, bound, width });
  };
  for (const tensor of [...tensors].reverse()) {
    add(tensor.name, 'max', 'ReduceMax', tensor);
    add(tensor.name, 'min', 'ReduceMin', tensor);
    if (magnitudes) add(tensor.name, 'smallest', 'ReduceMin', reducer.magnitudes(tensor));
  }
  const outputs = Array.from(groups.values(), ({ type, axis, names, columns }) => ({
    name: reducer.output(names, axis, type),
    columns,
  }));
  return { model: copy, outputs };
}
