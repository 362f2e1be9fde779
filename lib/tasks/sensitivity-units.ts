import {
  capturedNames,
  GraphIndex,
  type GraphProto,
  type NodeProto,
  topologicalSort,
} from '../onnx/index.js';
import type { QuantizationReport } from '../quantization/index.js';

/** What is left float together. */
export const SENSITIVITY_UNITS = ['layer', 'block'] as const;

/** What is left float together: one layer, or the layers of one block. */
export type SensitivityUnitKind = (typeof SENSITIVITY_UNITS)[number];

/** Nodes that are left float together. */
export interface SensitivityUnit {
  /** The layer's name; for a block the part of their names that its layers share. */
  name: string;
  /** Names of the nodes that run in int8 otherwise: what an exclusion must name. */
  nodes: readonly string[];
  /** Their operators. */
  opTypes: readonly string[];
}

/** Position of the last node that reads each tensor. */
function lastReaders(nodes: readonly NodeProto[]): Map<string, number> {
  const last = new Map<string, number>();
  nodes.forEach((node, position) => {
    for (const name of [...node.input, ...capturedNames(node)]) last.set(name, position);
  });
  return last;
}

/**
 * Cuts a graph into blocks: wherever a single tensor connects what comes before with what comes
 * after. Nodes in a row are blocks of one node; what a residual connection spans is one block, and so
 * is a dense block.
 *
 * @param graph The graph.
 * @returns For each node's name and outputs, the number of its block.
 */
export function blocksOf(graph: GraphProto): Map<string, number> {
  const index = new GraphIndex(graph);
  const nodes = topologicalSort(graph);
  const last = lastReaders(nodes);
  const moving = new Set(index.inputs.map(({ name }) => name));
  // How many tensors are alive behind each node, as differences.
  const change = new Array<number>(nodes.length + 1).fill(0);
  const lives = (name: string, from: number) => {
    const to = last.get(name);
    if (to === undefined || to <= from) return;
    change[Math.max(from, 0)]! += 1;
    change[to]! -= 1;
  };
  for (const name of moving) lives(name, -1);
  nodes.forEach((node, position) => {
    const reads = [...node.input, ...capturedNames(node)];
    if (!reads.some((name) => moving.has(name))) return;
    for (const output of node.output) {
      if (output === '') continue;
      moving.add(output);
      lives(output, position);
    }
  });
  const blocks = new Map<string, number>();
  let alive = 0;
  let block = 0;
  nodes.forEach((node, position) => {
    for (const name of [node.name, ...node.output]) if (name !== '') blocks.set(name, block);
    alive += change[position]!;
    if (alive <= 1) block += 1;
  });
  return blocks;
}

/** The leading parts, between slashes, that paths share; never the whole of one. */
function commonPath(names: readonly string[]): string {
  const paths = names.map((name) => name.split('/').slice(0, -1));
  const [first = [], ...others] = paths;
  let length = 0;
  while (length < first.length && others.every((path) => path[length] === first[length])) {
    length += 1;
  }
  return first.slice(0, length).join('/');
}

/**
 * The parts of a model that can be left float, one at a time.
 *
 * @param graph The graph before anything was folded.
 * @param report What was quantized.
 * @param kind Whether a part is one layer or a block of them.
 */
export function sensitivityUnits(
  graph: GraphProto,
  report: QuantizationReport,
  kind: SensitivityUnitKind,
): SensitivityUnit[] {
  const layers = report.nodes.filter(({ quantized }) => quantized);
  if (kind === 'layer') {
    return layers.map(({ name, opType }) => ({ name, nodes: [name], opTypes: [opType] }));
  }
  const blocks = blocksOf(graph);
  const groups = new Map<number | string, { name: string; opType: string }[]>();
  for (const layer of layers) {
    const key = blocks.get(layer.name) ?? layer.name;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [layer]);
    else group.push(layer);
  }
  const taken = new Set<string>();
  return Array.from(groups.values(), (group) => {
    const nodes = group.map(({ name }) => name);
    const path = nodes.length === 1 ? '' : commonPath(nodes);
    const name = path === '' || taken.has(path) ? nodes.at(-1)! : path;
    taken.add(name);
    return { name, nodes, opTypes: group.map(({ opType }) => opType) };
  });
}
