import {
  capturedNames,
  createAttribute,
  createFloatTensor,
  createNode,
  TensorProto_DataType as DataType,
  type GraphIndex,
  type GraphProto,
  intAttribute,
  type NodeProto,
  tensorAttribute,
} from '../../onnx/index.js';
import { inputWidth, isFloatOutput, SCALED } from './operators.js';
import type { Float16Weight } from './report.js';
import { halfTensor } from './weights.js';

const { FLOAT, FLOAT16 } = DataType;

type Width = typeof FLOAT | typeof FLOAT16;

/** What the rewriting works on. */
export interface RewriteContext {
  graph: GraphProto;
  index: GraphIndex;
  types: ReadonlyMap<string, number>;
  folder: string | undefined;
  keepIo: boolean;
  isKept: (node: NodeProto) => boolean;
}

function suffixed(name: string, width: Width): string {
  return `${name}_${width === FLOAT16 ? 'float16' : 'float32'}`;
}

/** Replaces an attribute. */
function setAttribute(node: NodeProto, attribute: NodeProto['attribute'][number]): void {
  node.attribute = node.attribute.filter(({ name }) => name !== attribute.name);
  node.attribute.push(attribute);
}

/** Gives every float32 tensor its new type, with a Cast where one is made and the other is read. */
export class Rewriter {
  /** Weights that became float16. */
  weights = 0;
  /** Those of them that float16 cannot hold exactly enough. */
  readonly inexact: Float16Weight[] = [];
  readonly #context: RewriteContext;
  /** Of each tensor that was float32: the name under which it is to be had in each type. */
  readonly #forms = new Map<string, Map<Width, string>>();
  /** Casts to go behind what makes the tensor that they read. */
  readonly #behind = new Map<string, NodeProto[]>();
  /** Tensors whose name must hold one type: the graph's outputs, and what bodies of nodes read. */
  readonly #pinned = new Map<string, Width>();
  /** Constants that something still reads as float32. */
  readonly #floatConstants = new Set<string>();
  readonly #halfConstants = new Map<string, string>();

  constructor(context: RewriteContext) {
    this.#context = context;
    const { graph, index, keepIo } = context;
    for (const { name } of graph.output) {
      const constant = index.constant(name) !== undefined;
      if (this.#isFloat(name)) this.#pinned.set(name, keepIo || constant ? FLOAT : FLOAT16);
    }
    for (const node of graph.node) {
      for (const name of capturedNames(node)) this.#pinned.set(name, FLOAT);
      for (const [i, name] of node.input.entries()) {
        if (this.#wanted(node, i) !== FLOAT16) this.#floatConstants.add(name);
      }
    }
    for (const name of this.#pinned.keys()) this.#floatConstants.add(name);
  }

  #isFloat(name: string): boolean {
    return this.#context.types.get(name) === FLOAT;
  }

  /** Type that a node reads an input in; `any` when both will do. */
  #wanted(node: NodeProto, position: number): Width | 'any' {
    const width = inputWidth(node.opType, position);
    if (width === 'any') return 'any';
    return width === 'float' || this.#context.isKept(node) ? FLOAT : FLOAT16;
  }

  #cast(from: string, to: string, width: Width): void {
    const name = this.#context.index.uniqueName(`${to}_Cast`);
    const list = this.#behind.get(from) ?? [];
    list.push(createNode('Cast', [from], [to], { name }, { to: width }));
    this.#behind.set(from, list);
  }

  /** Notes that `name` is made as `width`; returns the name that its producer is to write. */
  #produce(name: string, width: Width): string {
    const pinned = this.#pinned.get(name) ?? width;
    if (pinned === width) {
      this.#forms.set(name, new Map([[width, name]]));
      return name;
    }
    const inner = this.#context.index.uniqueName(suffixed(name, width));
    this.#forms.set(name, new Map([[width, inner] as const, [pinned, name] as const]));
    this.#cast(inner, name, pinned);
    return inner;
  }

  /** The name of a constant as float16. */
  #halfConstant(name: string, positive: boolean): string {
    const known = this.#halfConstants.get(name);
    if (known !== undefined) return known;
    const { graph, index, folder } = this.#context;
    const shared = this.#floatConstants.has(name);
    const own = shared ? index.uniqueName(suffixed(name, FLOAT16)) : name;
    const { half, inexact } = halfTensor(index.constant(name)!, own, folder, positive);
    if (!shared) graph.initializer = graph.initializer.filter((tensor) => tensor.name !== name);
    graph.initializer.push(half);
    this.#halfConstants.set(name, own);
    this.weights += 1;
    if (inexact !== undefined) this.inexact.push({ name, ...inexact });
    return own;
  }

  #read(node: NodeProto, position: number): string {
    const name = node.input[position]!;
    if (!this.#isFloat(name)) return name;
    const wanted = this.#wanted(node, position);
    if (this.#context.index.constant(name) !== undefined) {
      const scale = SCALED.has(node.opType) && position === 1;
      return wanted === FLOAT16 ? this.#halfConstant(name, scale) : name;
    }
    const forms = this.#forms.get(name);
    if (forms === undefined) return name;
    const known = wanted === 'any' ? [...forms.values()][0] : forms.get(wanted);
    if (known !== undefined || wanted === 'any') return known ?? name;
    const [made] = forms.values();
    const to = this.#context.index.uniqueName(suffixed(name, wanted));
    forms.set(wanted, to);
    this.#cast(made!, to, wanted);
    return to;
  }

  /** Changes what attributes say about the type of the result. */
  #retype(node: NodeProto): void {
    if (node.opType === 'Cast' && intAttribute(node, 'to', 0) === FLOAT) {
      setAttribute(node, createAttribute('to', FLOAT16));
    }
    if (node.opType !== 'ConstantOfShape') return;
    const value = tensorAttribute(node, 'value') ?? createFloatTensor('', FLOAT, [1], [0]);
    const { half } = halfTensor(value, value.name, this.#context.folder);
    setAttribute(node, createAttribute('value', half));
  }

  /** Rewrites the graph. */
  run(): void {
    const { graph, keepIo, isKept } = this.#context;
    for (const { name } of graph.input) {
      if (this.#isFloat(name)) this.#produce(name, keepIo ? FLOAT : FLOAT16);
    }
    for (const node of graph.node) {
      node.input = node.input.map((_, i) => this.#read(node, i));
      const kept = isKept(node);
      if (!kept && this.#isFloat(node.output[0]!)) this.#retype(node);
      node.output = node.output.map((name, i) =>
        this.#isFloat(name)
          ? this.#produce(name, kept || isFloatOutput(node.opType, i) ? FLOAT : FLOAT16)
          : name,
      );
    }
    const casts = (name: string) => this.#behind.get(name) ?? [];
    const nodes = graph.input.flatMap(({ name }) => casts(name));
    for (const node of graph.node) nodes.push(node, ...node.output.flatMap(casts));
    graph.node = nodes;
  }

  /** Type that the tensor of that name has now; `undefined` when it was not float32. */
  widths(): ReadonlyMap<string, number> {
    const widths = new Map<string, number>();
    for (const forms of this.#forms.values()) {
      for (const [width, name] of forms) widths.set(name, width);
    }
    return widths;
  }
}
