import { TensorRTError } from '../errors.js';
import { capturedNames } from './captured-names.js';
import type { GraphProto, NodeProto } from './generated/onnx_pb.js';

/**
 * The nodes in an order in which each comes after what it reads. Nodes that could go in any order
 * keep the graph's, so a sorted graph comes back as it is.
 *
 * @throws TensorRTError `MODEL_INVALID` when nodes form a cycle.
 */
export function topologicalSort(graph: GraphProto): NodeProto[] {
  const producers = new Map<string, number>();
  graph.node.forEach((node, position) => {
    for (const output of node.output) if (output !== '') producers.set(output, position);
  });
  const readers: number[][] = graph.node.map(() => []);
  const waiting = graph.node.map((node, position) => {
    const needs = new Set<number>();
    for (const name of [...node.input, ...capturedNames(node)]) {
      const producer = producers.get(name);
      if (producer !== undefined) needs.add(producer);
    }
    for (const producer of needs) readers[producer]!.push(position);
    return needs.size;
  });
  const sorted: NodeProto[] = [];
  const ready = new MinHeap();
  waiting.forEach((count, position) => {
    if (count === 0) ready.push(position);
  });
  for (let position = ready.pop(); position !== undefined; position = ready.pop()) {
    sorted.push(graph.node[position]!);
    for (const reader of readers[position]!) {
      waiting[reader]! -= 1;
      if (waiting[reader] === 0) ready.push(reader);
    }
  }
  if (sorted.length < graph.node.length) {
    const stuck = graph.node.filter((_, position) => waiting[position]! > 0);
    const names = stuck.slice(0, 5).map(({ name, opType }) => `"${name}" (${opType})`);
    throw new TensorRTError(
      'MODEL_INVALID',
      `Nodes read each other in a cycle: ${names.join(', ')}`,
      {
        remedy: 'Export the model again; an ONNX graph has no cycles.',
      },
    );
  }
  return sorted;
}

/** Smallest number first: among the nodes that could come next, the graph's first one does. */
class MinHeap {
  readonly #items: number[] = [];

  push(value: number): void {
    const items = this.#items;
    let at = items.push(value) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (items[parent]! <= value) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = value;
  }

  pop(): number | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && items[child + 1]! < items[child]!) child += 1;
      if (items[child]! >= last) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = last;
    return top;
  }
}
