import { TensorRTError } from '../errors.js';
import {
  createAttribute,
  editableCopy,
  GraphIndex,
  type GraphProto,
  graphOf,
  intAttribute,
  isStandardDomain,
  type NodeProto,
  type OnnxModel,
  readIntegers,
} from '../onnx/index.js';

/** Reductions whose axes became an input with opset 18; those of ReduceSum 8.6 reads as an input. */
const REDUCTIONS: ReadonlySet<string> = new Set([
  ...['ReduceL1', 'ReduceL2', 'ReduceLogSum', 'ReduceLogSumExp', 'ReduceMax', 'ReduceMean'],
  ...['ReduceMin', 'ReduceProd', 'ReduceSumSquare'],
]);

/** Those that change nothing when there is nothing to reduce. */
const PLAIN: ReadonlySet<string> = new Set(['ReduceMax', 'ReduceMean', 'ReduceMin', 'ReduceProd']);

function refused({ name, opType }: NodeProto, what: string): TensorRTError {
  return new TensorRTError(
    'MODEL_UNSUPPORTED',
    `TensorRT 8.6 cannot run ${opType} ${name}: ${what}`,
    {
      remedy: 'Export the model with opset 17 or lower, or use TensorRT 10.',
    },
  );
}

/** The axes of a reduction; empty for all, undefined for none at all. */
function axesOf(node: NodeProto, index: GraphIndex, folder?: string): number[] | undefined {
  const name = node.input[1] ?? '';
  const none = intAttribute(node, 'noop_with_empty_axes', 0) !== 0;
  const tensor = name === '' ? undefined : index.constant(name);
  if (name !== '' && tensor === undefined) throw refused(node, 'its axes are computed');
  const axes = tensor === undefined ? [] : readIntegers(tensor, folder);
  return none && axes.length === 0 ? undefined : axes;
}

function affected({ opType, domain, input, attribute }: NodeProto): boolean {
  return (
    REDUCTIONS.has(opType) &&
    isStandardDomain(domain) &&
    (input.length > 1 || attribute.some(({ name }) => name === 'noop_with_empty_axes'))
  );
}

/** The graphs of a control flow operator. */
function bodiesOf({ attribute }: NodeProto): GraphProto[] {
  return attribute.flatMap(({ g, graphs }) => (g === undefined ? graphs : [g, ...graphs]));
}

function affectedWithin({ node }: GraphProto): NodeProto[] {
  return node.flatMap((one) => [
    ...(affected(one) ? [one] : []),
    ...bodiesOf(one).flatMap(affectedWithin),
  ]);
}

/**
 * A model whose reductions say their axes the way that TensorRT 8.6 reads them: as an attribute, whatever
 * the opset. Its parser passes over axes that are an input (opset 18) without a word and reduces over
 * everything (`reduceTensor` in onnx-tensorrt, release/8.6-GA; mended in 10.0).
 *
 * @param model The model; it stays as it is.
 * @returns undefined when there is nothing to change.
 * @throws TensorRTError `MODEL_UNSUPPORTED` for axes that only a run knows, and for such reductions in
 *   bodies of control flow.
 */
export function withAxesAttributes(model: OnnxModel): OnnxModel | undefined {
  for (const node of graphOf(model).node) {
    const inner = bodiesOf(node).flatMap(affectedWithin)[0];
    if (inner !== undefined) throw refused(inner, `it is in a body of ${node.opType} ${node.name}`);
  }
  if (!graphOf(model).node.some(affected)) return undefined;
  const copy = editableCopy(model);
  const graph = graphOf(copy);
  const index = new GraphIndex(graph);
  for (const node of graph.node.filter(affected)) {
    const axes = axesOf(node, index, model.folder);
    node.input.length = 1;
    node.attribute = node.attribute.filter(({ name }) => name !== 'noop_with_empty_axes');
    if (axes === undefined) {
      if (!PLAIN.has(node.opType)) throw refused(node, 'it reduces over no axis');
      node.opType = 'Identity';
      node.attribute = [];
    } else if (axes.length > 0) {
      node.attribute.push(createAttribute('axes', axes));
    }
  }
  return copy;
}
