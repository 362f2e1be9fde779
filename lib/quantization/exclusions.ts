import { expected } from '../arguments.js';
import type { GraphProto, NodeProto } from '../onnx/index.js';

/** Options that leave nodes out. */
export interface ExclusionOptions {
  /** Names of nodes or of their outputs, or patterns for them. */
  exclude: readonly (string | RegExp)[];
  /** Operators. */
  excludeTypes: readonly string[];
}

function list(
  option: string,
  value: unknown,
  what: string,
  test: (item: unknown) => boolean,
): void {
  if (!Array.isArray(value)) throw expected(option, `an array of ${what}`, value);
  for (const item of value) if (!test(item)) throw expected(option, what, item);
}

/**
 * Checks the two lists; both are empty by default.
 *
 * @param prefix What stands before their names in messages.
 */
export function checkExclusions(options: Partial<ExclusionOptions>, prefix = ''): ExclusionOptions {
  const exclude = options.exclude ?? [];
  const excludeTypes = options.excludeTypes ?? [];
  const isText = (item: unknown) => typeof item === 'string';
  const isName = (item: unknown) => isText(item) || item instanceof RegExp;
  list(`${prefix}exclude`, exclude, 'names or regular expressions', isName);
  list(`${prefix}excludeTypes`, excludeTypes, 'operator names', isText);
  return { exclude, excludeTypes };
}

/** The nodes that options leave out. */
export class Exclusions {
  readonly #names = new Set<string>();

  /**
   * @param original The graph as the caller knows it: before anything was folded.
   * @param prefix What stands before the options' names in messages.
   * @throws RangeError when a name or pattern fits no node, or an operator does not occur.
   */
  constructor(original: GraphProto, { exclude, excludeTypes }: ExclusionOptions, prefix = '') {
    for (const item of exclude) {
      const fits = (name: string) =>
        // search() starts at the front whatever a global pattern's lastIndex says.
        typeof item === 'string' ? item === name : name.search(item) >= 0;
      this.#add(original, `${prefix}exclude`, String(item), (node) => namesOf(node).some(fits));
    }
    for (const type of excludeTypes) {
      this.#add(original, `${prefix}excludeTypes`, type, ({ opType }) => opType === type);
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
