import { defined } from '../../defined.js';
import {
  TensorProto_DataType as DataType,
  declaredValue,
  type GraphIndex,
  type GraphProto,
  graphOf,
  type OnnxModel,
} from '../../onnx/index.js';
import type { GraphProvider, InnerTensor } from '../graph-runner.js';

/** A tensor whose range is wanted. */
export interface ObservedTensor {
  name: string;
  type: 'float32' | 'float16';
  /** Extents as far as they are known; absent when not even their number is. */
  shape?: readonly (number | string)[];
}

/**
 * Names that the nodes of the main graph read or make, in node order, without initialisers: bodies
 * of If and Loop are not entered. As ONNX Runtime's calibrators choose them, before types.
 */
function namesOfNodes(graph: GraphProto, index: GraphIndex): string[] {
  const names = new Set<string>();
  for (const node of graph.node) {
    for (const name of [...node.input, ...node.output]) {
      if (name === '' || index.initializer(name) !== undefined) continue;
      if (index.producer(name) !== undefined || index.isGraphInput(name)) names.add(name);
    }
  }
  return [...names];
}

/**
 * The tensors that ONNX Runtime's calibrators observe: every float32 or float16 tensor that a node
 * of the main graph reads or makes, initialisers left out, in node order.
 *
 * @param model The model.
 * @param index Index of its graph.
 * @param provider Tells the element types of tensors inside the graph.
 */
export async function observedTensors(
  model: OnnxModel,
  index: GraphIndex,
  provider: GraphProvider,
): Promise<ObservedTensor[]> {
  const graph = graphOf(model);
  const names = namesOfNodes(graph, index);
  const inner = await provider.describe(
    model,
    names.filter((name) => index.producer(name) !== undefined),
  );
  const declared = new Map(graph.input.map((info) => [info.name, declaredValue(info)]));
  return names.flatMap((name) => {
    const found: InnerTensor | undefined = inner.get(name) ?? declared.get(name);
    if (found?.type !== 'float32' && found?.type !== 'float16') return [];
    const { type, shape } = found;
    return [{ name, type, ...defined({ shape }) }];
  });
}

/** ONNX's number of the element type of an observed tensor. */
export function onnxType(tensor: ObservedTensor): DataType {
  return tensor.type === 'float16' ? DataType.FLOAT16 : DataType.FLOAT;
}
