import {
  createNode,
  createTensor,
  TensorProto_DataType as DataType,
  declaredValue,
  editableCopy,
  GraphIndex,
  graphOf,
  type OnnxModel,
  tensorInfo,
} from '../../onnx/index.js';
import { type NamedTensors, Tensor } from '../../tensor.js';

/** Fewer outputs are not worth the detour. */
const FEWEST_OUTPUTS = 4;

/** Values of one input, over all outputs, beyond which copying them costs more than it saves. */
const MOST_VALUES = 2 ** 16;

/** An output, and where its values lie. */
interface Part {
  readonly name: string;
  /** Extents of one input: without the first dim. */
  readonly item: readonly number[];
  /** Input whose first extent is this output's too, or the number. */
  readonly batch: string | number;
}

/** A model with one output that holds the values of all, one after the other. */
export interface JoinedOutputs {
  readonly model: OnnxModel;
  /**
   * The outputs of a run.
   *
   * @param joined The values.
   * @param feeds What the run was given.
   * @returns Undefined when the number of values is not what the graph declares.
   */
  split(joined: Tensor, feeds: NamedTensors): NamedTensors | undefined;
}

const product = (extents: readonly number[]) => extents.reduce((all, extent) => all * extent, 1);

function partsOf(model: OnnxModel): Part[] | undefined {
  const graph = graphOf(model);
  const batches = new Map<string | number, string>();
  for (const info of new GraphIndex(graph).inputs) {
    const { name, shape } = declaredValue(info);
    if (typeof shape?.[0] === 'string') batches.set(shape[0], name);
  }
  const parts: Part[] = [];
  for (const info of graph.output) {
    const { name, type, shape } = declaredValue(info);
    const [first, ...item] = shape ?? [];
    const batch = typeof first === 'number' ? first : batches.get(first ?? '?');
    if (type !== 'float32' || batch === undefined || first === '?') return undefined;
    if (item.some((extent) => typeof extent !== 'number')) return undefined;
    parts.push({ name, item: item as number[], batch });
  }
  const values = parts.reduce((sum, { item }) => sum + product(item), 0);
  return parts.length < FEWEST_OUTPUTS || values > MOST_VALUES ? undefined : parts;
}

/**
 * Joins the outputs of a model into one, where they are many and small: each costs a run some 10 µs in
 * JavaScript, which is as much as it takes to compute one.
 *
 * @param model The model, whose outputs declare their shapes; it stays as it is.
 * @returns Undefined where it does not pay, or a shape is not known.
 */
export function joinOutputs(model: OnnxModel): JoinedOutputs | undefined {
  const parts = partsOf(model);
  if (parts === undefined) return undefined;
  const copy = editableCopy(model);
  const graph = graphOf(copy);
  const index = new GraphIndex(graph);
  const shape = index.uniqueName('tensorrt_node_flat');
  graph.initializer.push(createTensor(shape, DataType.INT64, [1], BigInt64Array.of(-1n)));
  const flat = parts.map(({ name: output }) => {
    const name = index.uniqueName(`${output}_flat`);
    graph.node.push(createNode('Reshape', [output, shape], [name], { name }));
    return name;
  });
  const name = index.uniqueName('tensorrt_node_values');
  graph.node.push(createNode('Concat', flat, [name], { name }, { axis: 0 }));
  graph.output = [tensorInfo(name, DataType.FLOAT)];
  return { model: copy, split: (joined, feeds) => split(parts, joined, feeds) };
}

function split(
  parts: readonly Part[],
  { data }: Tensor,
  feeds: NamedTensors,
): NamedTensors | undefined {
  const outputs: Record<string, Tensor> = Object.create(null);
  let end = 0;
  for (const { name, item, batch } of parts) {
    const first = typeof batch === 'number' ? batch : (feeds[batch]?.dims[0] ?? 0);
    const start = end;
    end += first * product(item);
    if (end > data.length) return undefined;
    const values = (data as Float32Array<ArrayBuffer>).subarray(start, end);
    outputs[name] = new Tensor('float32', values, [first, ...item]);
  }
  return end === data.length ? outputs : undefined;
}
