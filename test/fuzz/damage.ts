import type { GraphProto, NodeProto } from '../../lib/onnx/index.js';
import type { Random } from '../support/graph-builder.js';

const NUMBERS = [0n, -1n, 1n, 2n, 7n, 2n ** 31n, 2n ** 40n, -(2n ** 62n)];

/** One change of the kind that no check of the format alone would find. */
export function damage(graph: GraphProto, random: Random): void {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random.uniform() * items.length)]!;
  const node: NodeProto = pick(graph.node);
  const tensor = pick(graph.initializer);
  const attribute = node.attribute.length > 0 ? pick(node.attribute) : undefined;
  const kind = Math.floor(random.uniform() * 10);
  if (kind === 0) tensor.dims[0] = pick(NUMBERS);
  else if (kind === 1) tensor.dims.push(pick(NUMBERS));
  else if (kind === 2) tensor.dataType = Math.floor(random.uniform() * 30);
  else if (kind === 3) tensor.rawData = tensor.rawData.subarray(0, 5);
  else if (kind === 4 && attribute) attribute.i = pick(NUMBERS);
  else if (kind === 5 && attribute) attribute.ints = [pick(NUMBERS), pick(NUMBERS)];
  else if (kind === 6) node.opType = pick(graph.node).opType;
  else if (kind === 7) node.input = [...node.input].reverse();
  else if (kind === 8) node.input[0] = pick(graph.initializer).name;
  else node.input.length = Math.floor(random.uniform() * 2);
}
