import { elementCount } from './data-types.js';
import { isExternal } from './external-data.js';
import { GraphIndex } from './graph-index.js';
import { graphOf, type OnnxModel } from './model.js';
import { type DeclaredValue, declaredValue } from './value-info.js';

/** Operators that mark a model as quantized already. */
const QUANTIZATION_OPERATORS = [
  ...['QuantizeLinear', 'DequantizeLinear', 'DynamicQuantizeLinear', 'QLinearConv'],
  ...['QLinearMatMul', 'ConvInteger', 'MatMulInteger', 'QGemm', 'QLinearAdd'],
];

/** What `inspect` says of an ONNX model. */
export interface ModelDescription {
  /** SHA-256 of the .onnx file, in hex. */
  sha256: string;
  /** IR version of the file. */
  irVersion: number;
  /** Who exported it: name and version. */
  producer: string;
  /** Operator sets by domain; ONNX's own is `ai.onnx`. */
  opsets: Readonly<Record<string, number>>;
  /** Inputs that a caller feeds. */
  inputs: readonly DeclaredValue[];
  /** Outputs. */
  outputs: readonly DeclaredValue[];
  /** How many nodes of each operator, most first. */
  operators: Readonly<Record<string, number>>;
  /** Number of weights (elements of initialisers). */
  parameters: number;
  /** Whether weights lie in other files. */
  externalData: boolean;
  /** Whether the graph holds quantization operators. */
  quantized: boolean;
}

/** Whether a node belongs to a quantized model. */
export function isQuantizationOperator(opType: string): boolean {
  return QUANTIZATION_OPERATORS.includes(opType);
}

/** Inputs, outputs, operators and size of a model. */
export function describeModel(model: OnnxModel): ModelDescription {
  const graph = graphOf(model);
  const counts = new Map<string, number>();
  for (const { opType } of graph.node) counts.set(opType, (counts.get(opType) ?? 0) + 1);
  const { producerName, producerVersion } = model.proto;
  const sorted = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  return {
    sha256: model.sha256,
    irVersion: Number(model.proto.irVersion),
    producer: [producerName, producerVersion].filter((part) => part !== '').join(' '),
    opsets: Object.fromEntries(
      model.proto.opsetImport.map(({ domain, version }) => [domain || 'ai.onnx', Number(version)]),
    ),
    inputs: new GraphIndex(graph).inputs.map(declaredValue),
    outputs: graph.output.map(declaredValue),
    operators: Object.fromEntries(sorted),
    parameters: graph.initializer.reduce((sum, tensor) => sum + elementCount(tensor), 0),
    externalData: graph.initializer.some(isExternal),
    quantized: graph.node.some(({ opType }) => isQuantizationOperator(opType)),
  };
}
