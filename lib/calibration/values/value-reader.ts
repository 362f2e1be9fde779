import {
  editableCopy,
  GraphIndex,
  graphOf,
  halfToFloat,
  type OnnxModel,
  tensorInfo,
} from '../../onnx/index.js';
import type { NamedTensors, Tensor } from '../../tensor.js';
import type { GraphProvider, GraphRunner } from '../graph-runner.js';
import { needsExact } from '../minmax/measurer.js';
import { type ObservedTensor, onnxType } from '../minmax/observed-tensors.js';
import type { MinMaxPlan } from '../minmax/plan.js';
import type { Piece } from './pieces.js';

/** A model whose outputs are tensors of its graph. */
function withOutputs(model: OnnxModel, tensors: readonly ObservedTensor[]): OnnxModel {
  const copy = editableCopy(model);
  const graph = graphOf(copy);
  const declared = new Map(graph.output.map((info) => [info.name, info]));
  // With their shapes, from which whoever runs the graph may know how many values come.
  graph.output = tensors.map(
    (tensor) =>
      declared.get(tensor.name) ?? tensorInfo(tensor.name, onnxType(tensor), tensor.shape),
  );
  return copy;
}

/** Values of one input up to which reading them all is cheaper than to reduce them in the graph. */
const FEW_VALUES = 2 ** 16;

function isFew(tensors: readonly ObservedTensor[]): boolean {
  let count = 0;
  for (const { shape } of tensors) {
    // No dims may mean that they are not known; the first one is the batch.
    if (shape === undefined || shape.length === 0) return false;
    count += shape.slice(1).reduce((product: number, extent) => product * Number(extent), 1);
  }
  // A symbolic extent makes it NaN.
  return count <= FEW_VALUES;
}

function floats({ type, data }: Tensor): Float32Array {
  if (type !== 'float16') return data as Float32Array;
  return Float32Array.from(data as Uint16Array, halfToFloat);
}

/** Hands out the values of the measured tensors of a plan, batch by batch. */
export class ValueReader {
  /** Whether there are so few values that their bounds are found soonest by reading them. */
  readonly few: boolean;
  readonly #model: OnnxModel;
  readonly #provider: GraphProvider;
  readonly #inside: readonly ObservedTensor[];
  readonly #inputs: readonly ObservedTensor[];
  readonly #exact: boolean;
  #runner: GraphRunner | undefined;
  #scratch = new Float32Array(0);

  constructor(model: OnnxModel, provider: GraphProvider, plan: MinMaxPlan) {
    this.#model = model;
    this.#provider = provider;
    this.few = isFew(plan.reduced);
    this.#exact = needsExact(plan);
    const index = new GraphIndex(graphOf(model));
    const isInside = ({ name }: ObservedTensor) => index.producer(name) !== undefined;
    this.#inside = plan.reduced.filter(isInside);
    this.#inputs = plan.reduced.filter((tensor) => !isInside(tensor));
  }

  /** The values of every measured tensor for one batch, by name. */
  async read(feeds: NamedTensors): Promise<ReadonlyMap<string, Float32Array>> {
    const values = new Map<string, Float32Array>();
    for (const { name } of this.#inputs) {
      const tensor = feeds[name];
      if (tensor !== undefined) values.set(name, floats(tensor));
    }
    if (this.#inside.length > 0) {
      this.#runner ??= await this.#provider.open(withOutputs(this.#model, this.#inside), {
        exact: this.#exact,
      });
      const results = await this.#runner.run(feeds);
      for (const { name } of this.#inside) values.set(name, floats(results[name]!));
    }
    return values;
  }

  /** The values of a piece; valid until the next call. */
  valuesOf(piece: Piece, values: ReadonlyMap<string, Float32Array>): Float32Array {
    const source = values.get(piece.source) ?? new Float32Array(0);
    const { lower, upper } = piece;
    if (lower === Number.NEGATIVE_INFINITY && upper === Number.POSITIVE_INFINITY) return source;
    if (this.#scratch.length < source.length) this.#scratch = new Float32Array(source.length);
    const clamped = this.#scratch.subarray(0, source.length);
    for (let i = 0; i < source.length; i++) {
      const value = source[i]!;
      clamped[i] = Math.min(Math.max(value, lower), upper);
    }
    return clamped;
  }

  /** Frees the graph; may be repeated. */
  async release(): Promise<void> {
    await this.#runner?.release();
    this.#runner = undefined;
  }
}
