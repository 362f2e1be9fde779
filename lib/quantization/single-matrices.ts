import {
  createTensor,
  GraphIndex,
  type GraphProto,
  isStandardDomain,
  tensorBytes,
  tensorDims,
  tensorRanks,
} from '../onnx/index.js';

/**
 * Makes constant operands of MatMul that are stacks of one matrix plain matrices, where that does not
 * change the result: ONNX Runtime refuses int8 weights with scales per channel otherwise.
 *
 * @param folder Folder of external data.
 */
export function unstackWeights(graph: GraphProto, folder: string | undefined): void {
  const index = new GraphIndex(graph);
  const ranks = tensorRanks(graph, index);
  const made = new Map<string, string>();
  for (const node of graph.node) {
    if (node.opType !== 'MatMul' || !isStandardDomain(node.domain)) continue;
    const name = node.input[1] ?? '';
    const weight = index.constant(name);
    if (weight === undefined || weight.dims.length < 3) continue;
    const dims = tensorDims(weight);
    if (dims.slice(0, -2).some((dim) => dim !== 1)) continue;
    // With fewer dims on the other side the stack gives the result its dims.
    if ((ranks.get(node.input[0]!) ?? 0) < dims.length) continue;
    let matrix = made.get(name);
    if (matrix === undefined) {
      matrix = index.uniqueName(`${name}_matrix`);
      made.set(name, matrix);
      const bytes = tensorBytes(weight, folder);
      graph.initializer.push(createTensor(matrix, weight.dataType, dims.slice(-2), bytes));
    }
    node.input[1] = matrix;
  }
}
