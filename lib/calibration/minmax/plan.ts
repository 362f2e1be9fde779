import { GraphIndex, graphOf, type OnnxModel, topologicalSort } from '../../onnx/index.js';
import type { GraphProvider } from '../graph-runner.js';
import { type Derivation, derivationOf } from './derivation.js';
import { type ObservedTensor, observedTensors } from './observed-tensors.js';

/** Which ranges are measured, and which follow from others. */
export interface MinMaxPlan {
  /** Every tensor that gets a range, in node order. */
  readonly tensors: readonly ObservedTensor[];
  /** Those whose values are looked at, in the order in which the graph makes them. */
  readonly reduced: readonly ObservedTensor[];
  /** How the ranges of the others follow, each after those that it follows from. */
  readonly derived: ReadonlyMap<string, Derivation>;
}

/**
 * Decides which tensors of a model must be measured.
 *
 * @param model The model.
 * @param provider Tells the element types of tensors inside the graph.
 * @param magnitudes Whether the smallest magnitude is wanted too: it does not follow through a Clip
 *   around 0.
 * @throws TensorRTError `MODEL_UNSUPPORTED` when the provider cannot run the model.
 */
export async function planMinMax(
  model: OnnxModel,
  provider: GraphProvider,
  magnitudes = false,
): Promise<MinMaxPlan> {
  const graph = graphOf(model);
  const index = new GraphIndex(graph);
  const tensors = await observedTensors(model, index, provider);
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const isObserved = (name: string) => byName.has(name);
  const reduced = tensors.filter(({ name }) => index.producer(name) === undefined);
  const derived = new Map<string, Derivation>();
  for (const node of topologicalSort(graph)) {
    for (const output of node.output) {
      const tensor = byName.get(output);
      if (tensor === undefined) continue;
      const derivation = derivationOf(tensor, index, model, isObserved);
      if (derivation === undefined || (magnitudes && clampsAroundZero(derivation))) {
        reduced.push(tensor);
      } else derived.set(output, derivation);
    }
  }
  return { tensors, reduced, derived };
}

function clampsAroundZero({ lower, upper }: Derivation): boolean {
  return lower < 0 && (Number.isFinite(lower) || Number.isFinite(upper));
}
