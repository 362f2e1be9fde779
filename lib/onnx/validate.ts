import { isFieldSet } from '@bufbuild/protobuf';
import { defined } from '../defined.js';
import { TensorRTError } from '../errors.js';
import { capturedNames } from './captured-names.js';
import { type GraphProto, type ModelProto, ModelProtoSchema } from './generated/onnx_pb.js';

const REMEDY = 'Export the model again, or check that the file was copied completely.';

/** The error for a file that is not a usable ONNX model. */
export function invalidModel(label: string, why: string, cause?: unknown): TensorRTError {
  return new TensorRTError('MODEL_INVALID', `${label} is not a valid ONNX model: ${why}`, {
    remedy: REMEDY,
    ...defined({ cause }),
  });
}

/**
 * Refuses what decodes as protobuf without being a model. An empty file, plain text and some random
 * bytes do decode, and TensorRT's parser reports success for them.
 */
export function validateModel(proto: ModelProto, label: string): GraphProto {
  const graph = proto.graph;
  if (graph === undefined) throw invalidModel(label, 'it has no graph');
  if (!isFieldSet(proto, ModelProtoSchema.field.irVersion)) {
    throw invalidModel(label, 'it has no IR version');
  }
  if (proto.opsetImport.length === 0) throw invalidModel(label, 'it imports no operator set');
  if (graph.node.length === 0) throw invalidModel(label, 'its graph has no nodes');
  if (graph.output.length === 0) throw invalidModel(label, 'its graph has no outputs');
  const known = new Set<string>(['']);
  for (const tensor of graph.initializer) known.add(tensor.name);
  for (const sparse of graph.sparseInitializer) known.add(sparse.values?.name ?? '');
  let inputs = 0;
  for (const input of graph.input) {
    if (input.name === '') throw invalidModel(label, 'an input of its graph has no name');
    if (!known.has(input.name)) inputs += 1;
    known.add(input.name);
  }
  if (inputs === 0) throw invalidModel(label, 'its graph has no inputs');
  for (const node of graph.node) {
    if (node.opType === '') throw invalidModel(label, `node "${node.name}" has no operator type`);
    for (const output of node.output) {
      if (output === '') continue;
      if (known.has(output)) throw invalidModel(label, `tensor "${output}" is produced twice`);
      known.add(output);
    }
  }
  for (const node of graph.node) {
    for (const input of [...node.input, ...capturedNames(node)]) {
      if (!known.has(input)) {
        throw invalidModel(
          label,
          `node "${node.name}" (${node.opType}) reads "${input}", which nothing produces`,
        );
      }
    }
  }
  for (const output of graph.output) {
    if (output.name === '' || !known.has(output.name)) {
      throw invalidModel(label, `nothing produces its output "${output.name}"`);
    }
  }
  return graph;
}
