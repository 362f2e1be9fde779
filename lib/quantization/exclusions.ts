import type { GraphProto, NodeProto } from '../onnx/index.js';
import type { ResolvedOptions } from './options.js';

/** The nodes that options leave out. */
export class Exclusions {
  readonly #names = new Set<string>();

  /**
   * @param original The graph as the caller knows it: before anything was folded.
   * @throws RangeError when a name or pattern fits no node, or an operator does not occur.
   */
  constructor(
    original: GraphProto,
    { exclude, excludeTypes }: Pick<ResolvedOptions, 'exclude' | 'excludeTypes'>,
  ) {
    for (const item of exclude) {
      const fits = (name: string) =>
        // search() starts at the front whatever a global pattern's lastIndex says.
        typeof item === 'string' ? item === name : name.search(item) >= 0;
      this.#add(original, 'exclude', String(item), (node) => namesOf(node).some(fits));
    }
    for (const type of excludeTypes) {
      this.#add(original, 'excludeTypes', type, ({ opType }) => opType === type);
    }
  }

  #add(graph: GraphProto, option: string, item: string, test: (node: NodeProto) => boolean): void {
    const nodes = graph.node.filter(test);
    if (nodes.length === 0) {
      throw new RangeError(`Expected nodes of the model for ${option} but "${item}" fits none`);
    }
    for (const node of nodes) for (const name of namesOf(node)) this.#names.add(name);
  }

  /** Whether a node of the folded graph is to stay float. */
  covers(node: NodeProto): boolean {
    return namesOf(node).some((name) => this.#names.has(name));
  }
}

/** A node goes by its own name and by those of what it makes. */
function namesOf(node: NodeProto): string[] {
  return [node.name, ...node.output].filter((name) => name !== '');
}
