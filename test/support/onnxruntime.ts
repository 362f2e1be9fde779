import { create } from '@bufbuild/protobuf';
import * as ort from 'onnxruntime-node';
import {
  TensorProto_DataType as DataType,
  editableCopy,
  encodeModel,
  floatToHalf,
  graphOf,
  halfToFloat,
  type OnnxModel,
  ValueInfoProtoSchema,
} from '../../lib/onnx/index.js';
import { Random } from './graph-builder.js';

/** An image-like input: smooth, in [0, 1], the same for the same seed. */
export function randomInput(seed: number, dims: readonly number[], half = false): ort.Tensor {
  const random = new Random(seed);
  const size = dims.reduce((product, dim) => product * dim, 1);
  const data = Float32Array.from({ length: size }, () => random.uniform());
  if (half) return new ort.Tensor('float16', Uint16Array.from(data, floatToHalf), [...dims]);
  return new ort.Tensor('float32', data, [...dims]);
}

/** Opens a model as a user would: default optimisation, CPU. */
export function open(model: OnnxModel, options: ort.InferenceSession.SessionOptions = {}) {
  return ort.InferenceSession.create(encodeModel(model), { logSeverityLevel: 3, ...options });
}

function floats(tensor: ort.Tensor): Float32Array {
  if (tensor.type !== 'float16') return Float32Array.from(tensor.data as Float32Array);
  return Float32Array.from(tensor.data as unknown as Uint16Array, halfToFloat);
}

/** First output of the model for each input, as numbers. */
export async function outputs(
  model: OnnxModel,
  inputs: readonly ort.Tensor[],
  options: ort.InferenceSession.SessionOptions = {},
): Promise<Float32Array[]> {
  const session = await open(model, options);
  const results: Float32Array[] = [];
  for (const input of inputs) {
    const result = await session.run({ [session.inputNames[0]!]: input });
    results.push(floats(result[session.outputNames[0]!]!));
  }
  await session.release();
  return results;
}

/** Largest absolute value of every float tensor over the inputs: calibration at its plainest. */
export async function observeRanges(
  model: OnnxModel,
  inputs: readonly ort.Tensor[],
): Promise<Map<string, number>> {
  const copy = editableCopy(model);
  const graph = graphOf(copy);
  const outputNames = new Set(graph.output.map(({ name }) => name));
  for (const name of graph.node.flatMap(({ output }) => output)) {
    if (name !== '' && !outputNames.has(name)) {
      graph.output.push(create(ValueInfoProtoSchema, { name }));
    }
  }
  const session = await open(copy, { graphOptimizationLevel: 'disabled' });
  const amax = new Map<string, number>();
  const observe = (name: string, data: Iterable<number>) => {
    let largest = amax.get(name) ?? 0;
    for (const value of data) largest = Math.max(largest, Math.abs(value));
    amax.set(name, largest);
  };
  for (const input of inputs) {
    const name = session.inputNames[0]!;
    observe(name, floats(input));
    const result = await session.run({ [name]: input });
    for (const [output, tensor] of Object.entries(result)) {
      if (tensor.type.startsWith('float')) observe(output, floats(tensor));
    }
  }
  await session.release();
  return amax;
}

/** Cosine of the angle between two vectors. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let dot = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.length; i += 1) {
    dot += a[i]! * b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
  }
  return dot / Math.sqrt(aa * bb);
}

/** Mean of {@link cosine} over pairs. */
export function meanCosine(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  return a.reduce((sum, row, i) => sum + cosine(row, b[i]!), 0) / a.length;
}

/** Whether a model has any tensor of that type among its initialisers. */
export function hasInt8(model: OnnxModel): boolean {
  return graphOf(model).initializer.some(({ dataType }) => dataType === DataType.INT8);
}
