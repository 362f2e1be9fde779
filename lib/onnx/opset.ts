import { TensorRTError } from '../errors.js';
import {
  createAttribute,
  floatAttribute,
  intAttribute,
  intsAttribute,
  stringAttribute,
} from './attributes.js';
import {
  TensorProto_DataType as DataType,
  type GraphProto,
  type ModelProto,
  type NodeProto,
} from './generated/onnx_pb.js';
import { GraphIndex, isStandardDomain } from './graph-index.js';
import { graphOf, type OnnxModel } from './model.js';
import { createTensor } from './tensors.js';
import { tensorRanks } from './value-info.js';

/** Version of the standard operator set that a model imports; 1 when it imports none. */
export function opsetVersion(proto: ModelProto): number {
  const entry = proto.opsetImport.find(({ domain }) => isStandardDomain(domain));
  return entry === undefined ? 1 : Number(entry.version);
}

/** Below this version broadcasting was an attribute, and much else differs. */
const OLDEST = 7;

/** Rewrites a node for a newer version; false when its meaning cannot be carried over. */
type Rewrite = (node: NodeProto, context: Context) => boolean;

interface Context {
  graph: GraphProto;
  index: GraphIndex;
}

function removeAttribute(node: NodeProto, name: string): void {
  node.attribute = node.attribute.filter((attribute) => attribute.name !== name);
}

function addInput(
  node: NodeProto,
  { graph, index }: Context,
  what: string,
  values: BigInt64Array | Float32Array,
  scalar = false,
): void {
  const name = index.uniqueName(`${node.output[0]}_${what}`);
  const type = values instanceof Float32Array ? DataType.FLOAT : DataType.INT64;
  graph.initializer.push(createTensor(name, type, scalar ? [] : [values.length], values));
  node.input.push(name);
}

/** An integer-list attribute that became the next input. */
function attributeToInput(attribute: string): Rewrite {
  return (node, context) => {
    const values = intsAttribute(node, attribute);
    removeAttribute(node, attribute);
    if (values !== undefined)
      addInput(node, context, attribute, BigInt64Array.from(values, BigInt));
    return true;
  };
}

const clip: Rewrite = (node, context) => {
  const limits = ['min', 'max'].map((name) => floatAttribute(node, name, Number.NaN));
  for (const [i, name] of ['min', 'max'].entries()) {
    removeAttribute(node, name);
    const limit = limits[i]!;
    if (!Number.isNaN(limit)) addInput(node, context, name, Float32Array.of(limit), true);
    else if (i === 0) node.input.push('');
  }
  if (node.input.at(-1) === '') node.input.pop();
  return true;
};

const pad: Rewrite = (node, context) => {
  const value = floatAttribute(node, 'value', 0);
  attributeToInput('pads')(node, context);
  removeAttribute(node, 'value');
  if (value !== 0 && stringAttribute(node, 'mode', 'constant') === 'constant') {
    addInput(node, context, 'value', Float32Array.of(value), true);
  }
  return node.input.length > 1;
};

/** Until 13 the input was flattened at `axis` (default 1); that is the same at the last axis only. */
const softmax: Rewrite = (node, { graph, index }) => {
  const axis = intAttribute(node, 'axis', 1);
  if (axis !== -1) {
    const ranks = tensorRanks(graph, index);
    const rank = ranks.get(node.input[0]!) ?? ranks.get(node.output[0]!);
    if (rank === undefined || axis !== rank - 1) return false;
  }
  removeAttribute(node, 'axis');
  node.attribute.push(createAttribute('axis', axis));
  return true;
};

const split18: Rewrite = (node) => {
  if (node.input.length < 2)
    node.attribute.push(createAttribute('num_outputs', node.output.length));
  return true;
};

const without =
  (attribute: string, allowed?: number): Rewrite =>
  (node) => {
    if (allowed !== undefined && intAttribute(node, attribute, allowed) !== allowed) return false;
    removeAttribute(node, attribute);
    return true;
  };

const refuse: Rewrite = () => false;
const axes = attributeToInput('axes');

/** Operators whose meaning or form changed, by the version that changed it. All others only grew. */
const CHANGES: readonly (readonly [version: number, Readonly<Record<string, Rewrite>>])[] = [
  [9, { BatchNormalization: without('spatial', 1), Upsample: refuse, Scan: refuse }],
  [10, { Slice: refuse, TopK: refuse, Upsample: refuse }],
  [11, { Clip: clip, Pad: pad, Resize: refuse, Scatter: refuse }],
  // Dropout does nothing in inference, whatever its ratio.
  [12, { Dropout: without('ratio') }],
  [
    13,
    {
      Softmax: softmax,
      LogSoftmax: softmax,
      Hardmax: softmax,
      Squeeze: axes,
      Unsqueeze: axes,
      ReduceSum: axes,
      Split: attributeToInput('split'),
    },
  ],
  [
    18,
    {
      Split: split18,
      ReduceL1: axes,
      ReduceL2: axes,
      ReduceLogSum: axes,
      ReduceLogSumExp: axes,
      ReduceMax: axes,
      ReduceMean: axes,
      ReduceMin: axes,
      ReduceProd: axes,
      ReduceSumSquare: axes,
    },
  ],
];

/** Newest version that {@link raiseOpset} knows the changes up to. */
const NEWEST = 19;

/** IR version that came with each operator set: a reader may refuse a set newer than its IR. */
function irVersionFor(opset: number): bigint {
  return opset >= 19 ? 9n : opset >= 15 ? 8n : 7n;
}

function unsupported(model: OnnxModel, from: number, to: number, why: string): TensorRTError {
  return new TensorRTError(
    'MODEL_UNSUPPORTED',
    `${model.path ?? 'The model'} uses operator set ${from}, version ${to} is needed, and ${why}`,
    { remedy: `Export the model again with opset_version=${Math.max(17, to)}.` },
  );
}

/**
 * Raises the standard operator set of a model to at least `to`, rewriting the operators whose form
 * changed on the way.
 *
 * @param model An editable copy; it is changed.
 * @param to Version that is needed, at most 19.
 * @throws TensorRTError `MODEL_UNSUPPORTED`, naming the node, when an operator cannot be carried
 *   over.
 */
export function raiseOpset(model: OnnxModel, to: number): void {
  const from = opsetVersion(model.proto);
  if (from >= to) return;
  if (from < OLDEST || to > NEWEST) {
    throw unsupported(model, from, to, `only versions ${OLDEST} to ${NEWEST} can be raised`);
  }
  const graph = graphOf(model);
  const context = { graph, index: new GraphIndex(graph) };
  for (const [version, rewrites] of CHANGES) {
    if (version <= from || version > to) continue;
    for (const node of graph.node) {
      const rewrite = isStandardDomain(node.domain) ? rewrites[node.opType] : undefined;
      const inside = innerNodes(node).find(({ opType }) => Object.hasOwn(rewrites, opType));
      if ((rewrite === undefined || rewrite(node, context)) && inside === undefined) continue;
      const culprit = inside ?? node;
      const why = `${culprit.opType} ("${culprit.name}") means something else from ${version} on`;
      throw unsupported(model, from, to, why);
    }
  }
  const entry = model.proto.opsetImport.find(({ domain }) => isStandardDomain(domain))!;
  entry.version = BigInt(to);
  const ir = irVersionFor(to);
  if (model.proto.irVersion < ir) model.proto.irVersion = ir;
}

function innerNodes(node: NodeProto): NodeProto[] {
  return node.attribute.flatMap(({ g, graphs }) =>
    [...(g === undefined ? [] : [g]), ...graphs].flatMap((graph) =>
      graph.node.flatMap((inner) => [inner, ...innerNodes(inner)]),
    ),
  );
}
