import { capturedNames } from './captured-names.js';
import { constantValue } from './constant-node.js';
import type { GraphProto, NodeProto, TensorProto, ValueInfoProto } from './generated/onnx_pb.js';

/** One reader of a tensor. */
export interface Consumer {
  node: NodeProto;
  /** Position in the node's inputs; -1 when a body of the node (If, Loop, Scan) reads the tensor. */
  index: number;
}

/**
 * Who makes and who reads each tensor of a graph. A snapshot: after an edit of the graph, make a new
 * one. Names made by {@link GraphIndex.uniqueName} are remembered.
 */
export class GraphIndex {
  /** Inputs that a caller must feed: those that no initialiser gives a default. */
  readonly inputs: readonly ValueInfoProto[];
  readonly #producers = new Map<string, NodeProto>();
  readonly #consumers = new Map<string, Consumer[]>();
  readonly #initializers = new Map<string, TensorProto>();
  readonly #inputs = new Set<string>();
  readonly #outputs = new Set<string>();
  readonly #names = new Set<string>();

  constructor(graph: GraphProto) {
    for (const tensor of graph.initializer) this.#initializers.set(tensor.name, tensor);
    for (const { values } of graph.sparseInitializer) this.#names.add(values?.name ?? '');
    this.inputs = graph.input.filter(({ name }) => !this.#initializers.has(name));
    for (const input of graph.input) this.#inputs.add(input.name);
    for (const output of graph.output) this.#outputs.add(output.name);
    for (const node of graph.node) {
      this.#names.add(node.name);
      for (const output of node.output) if (output !== '') this.#producers.set(output, node);
      node.input.forEach((name, index) => {
        this.#consume(name, { node, index });
      });
      for (const name of capturedNames(node)) this.#consume(name, { node, index: -1 });
    }
  }

  #consume(name: string, consumer: Consumer): void {
    if (name === '') return;
    const list = this.#consumers.get(name);
    if (list === undefined) this.#consumers.set(name, [consumer]);
    else list.push(consumer);
  }

  /** The node that makes a tensor; `undefined` for inputs, initialisers and unknown names. */
  producer(name: string): NodeProto | undefined {
    return this.#producers.get(name);
  }

  /** The readers of a tensor, in node order; being a graph output does not count as one. */
  consumers(name: string): readonly Consumer[] {
    return this.#consumers.get(name) ?? [];
  }

  /** The initialiser of that name. */
  initializer(name: string): TensorProto | undefined {
    return this.#initializers.get(name);
  }

  /**
   * The value of a tensor that never changes: an initialiser that is no graph input (a caller could
   * feed another value for one that is), or what a Constant node holds.
   */
  constant(name: string): TensorProto | undefined {
    const initializer = this.#initializers.get(name);
    if (initializer !== undefined) return this.#inputs.has(name) ? undefined : initializer;
    const node = this.#producers.get(name);
    return node !== undefined && node.opType === 'Constant' && isStandardDomain(node.domain)
      ? constantValue(node)
      : undefined;
  }

  /** Whether a graph input has that name, with or without a default. */
  isGraphInput(name: string): boolean {
    return this.#inputs.has(name);
  }

  /** Whether the graph hands that tensor to its caller. */
  isGraphOutput(name: string): boolean {
    return this.#outputs.has(name);
  }

  /** The only reader of a tensor that nothing else sees, neither another node nor the caller. */
  soleConsumer(name: string): Consumer | undefined {
    const consumers = this.consumers(name);
    const only = consumers.length === 1 && !this.#outputs.has(name) ? consumers[0] : undefined;
    return only === undefined || only.index < 0 ? undefined : only;
  }

  /** `base`, or `base_1`, `base_2`… when that name is taken by a tensor or node of this graph. */
  uniqueName(base: string): string {
    let name = base;
    for (let n = 1; this.#isTaken(name); n += 1) name = `${base}_${n}`;
    this.#names.add(name);
    return name;
  }

  #isTaken(name: string): boolean {
    return (
      this.#names.has(name) ||
      this.#producers.has(name) ||
      this.#consumers.has(name) ||
      this.#initializers.has(name) ||
      this.#inputs.has(name) ||
      this.#outputs.has(name)
    );
  }
}

/** Whether a node's domain is ONNX's own operator set. */
export function isStandardDomain(domain: string): boolean {
  return domain === '' || domain === 'ai.onnx';
}
