import { create } from '@bufbuild/protobuf';
import {
  byteLength,
  editableCopy,
  graphOf,
  isFloatType,
  type OnnxModel,
  type TensorProto,
  tensorDims,
  tensorInfo,
  ValueInfoProtoSchema,
} from '../../onnx/index.js';

/** Smaller initialisers may be shapes, scales or limits that operators need as constants. */
const LARGE_BYTES = 4096;

function isWeight(tensor: TensorProto): boolean {
  return (
    isFloatType(tensor.dataType) &&
    tensor.dims.length >= 2 &&
    (byteLength(tensor) ?? 0) >= LARGE_BYTES
  );
}

/**
 * A model to open but not to run, whose outputs are tensors of the graph, so that a session's
 * metadata tells their types and shapes.
 *
 * @param model The model; it stays as it is.
 * @param names Tensors that nodes make.
 * @param weightless Turn large weights into inputs of the same type, so that nothing large is
 *   copied.
 */
export function probeModel(
  model: OnnxModel,
  names: readonly string[],
  weightless: boolean,
): OnnxModel {
  const copy = editableCopy(model);
  const graph = graphOf(copy);
  // What the exporter says of tensors inside may be wrong; ONNX Runtime infers it from the inputs.
  graph.valueInfo = [];
  graph.output = names.map((name) => create(ValueInfoProtoSchema, { name }));
  if (weightless) {
    const listed = new Set(graph.input.map(({ name }) => name));
    const weights = graph.initializer.filter(isWeight);
    graph.initializer = graph.initializer.filter((tensor) => !isWeight(tensor));
    graph.input.push(
      ...weights
        .filter(({ name }) => !listed.has(name))
        .map((tensor) => tensorInfo(tensor.name, tensor.dataType, tensorDims(tensor))),
    );
  }
  return copy;
}
