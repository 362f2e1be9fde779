import {
  TensorProto_DataType as DataType,
  elementTypes,
  GraphIndex,
  type GraphProto,
  intAttribute,
  type NodeProto,
} from '../../onnx/index.js';

/**
 * Drops Casts that have nothing to do: to the type that the tensor has, or back to the type that it
 * had before the Cast right in front (when nothing was lost on the way: float16 to float32 and back).
 *
 * @returns How many Casts were dropped.
 */
export function dropIdleCasts(graph: GraphProto): number {
  const types = elementTypes(graph);
  const index = new GraphIndex(graph);
  const aliases = new Map<string, string>();
  const isCast = (node: NodeProto | undefined) => node?.opType === 'Cast';
  for (const node of graph.node) {
    node.input = node.input.map((name) => aliases.get(name) ?? name);
    if (!isCast(node)) continue;
    const [from, to] = [node.input[0]!, intAttribute(node, 'to', 0)];
    const before = index.producer(from);
    const output = node.output[0]!;
    // A name that the caller, or the body of a node, knows has to stay.
    if (index.isGraphOutput(output) || index.consumers(output).some((c) => c.index < 0)) continue;
    if (types.get(from) === to) aliases.set(output, from);
    else if (
      isCast(before) &&
      types.get(from) === DataType.FLOAT &&
      to === DataType.FLOAT16 &&
      types.get(before!.input[0]!) === to
    ) {
      aliases.set(output, before!.input[0]!);
    }
  }
  const count = graph.node.length;
  const used = new Set(graph.node.flatMap(({ input }) => input));
  graph.node = graph.node.filter(({ opType, output }) => {
    if (opType !== 'Cast') return true;
    const [name] = output as [string];
    if (aliases.has(name)) return false;
    return (
      used.has(name) || index.isGraphOutput(name) || index.consumers(name).some((c) => c.index < 0)
    );
  });
  return count - graph.node.length;
}
