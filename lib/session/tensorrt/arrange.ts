import { expected } from '../../arguments.js';
import { Tensor } from '../../tensor.js';
import type { NativeTensor } from './binding.js';
import { DeviceTensor } from './memory.js';
import { type OutputPlan, outputArray, type RunPlan } from './plans.js';
import type { AnyTensor, Feeds, Fetches, Outputs } from './types.js';

/** One run as the native session takes it, and what it will have filled in. */
export interface Arranged {
  /** In the engine's order. */
  readonly inputs: NativeTensor[];
  /** In the engine's order; undefined for those that nobody wants. */
  readonly outputs: (NativeTensor | undefined)[];
  readonly results: Outputs;
}

/** What the native session reads or writes. */
function nativeTensor(
  kind: 'input' | 'output',
  name: string,
  tensor: AnyTensor,
  bytes: number,
): NativeTensor {
  if (tensor instanceof DeviceTensor) return tensor.memory;
  const { data } = tensor;
  if (ArrayBuffer.isView(data) && data.byteLength === bytes) return data;
  const what = `${kind} ${JSON.stringify(name)}`;
  if (!ArrayBuffer.isView(data)) throw expected(what, 'a tensor with a typed array', data);
  const came = (data as ArrayBufferView).byteLength;
  throw new RangeError(`Expected ${bytes} bytes for ${what} but received ${came}`);
}

/**
 * Puts the tensors of a run in the engine's order and makes those that are missing.
 *
 * @param names Names of the engine's inputs.
 * @param plan What is known of these shapes.
 * @param feeds Checked before.
 * @param fetches What is wanted; everything when undefined.
 * @throws TypeError for fetches that do not fit.
 */
export function arrange(
  names: readonly string[],
  plan: RunPlan,
  feeds: Feeds,
  fetches: Fetches | undefined,
): Arranged {
  const inputs: NativeTensor[] = [];
  for (let index = 0; index < names.length; index += 1) {
    const name = names[index]!;
    inputs.push(nativeTensor('input', name, feeds[name]!, plan.inputBytes[index]!));
  }
  const wanted = fetches === undefined ? undefined : wantedOf(plan, fetches);
  const outputs: (NativeTensor | undefined)[] = [];
  const results: Record<string, AnyTensor> = {};
  for (const { name, type, dims, length, bytes } of plan.outputs) {
    const given = wanted === undefined ? null : wanted.get(name);
    if (given === undefined) {
      outputs.push(undefined);
      continue;
    }
    const tensor = given ?? new Tensor(type, outputArray(type, length), dims);
    outputs.push(nativeTensor('output', name, tensor, bytes));
    results[name] = tensor;
  }
  return { inputs, outputs, results };
}

/** The outputs that are wanted, each with the tensor to write into, or null for a new one. */
function wantedOf(plan: RunPlan, fetches: Fetches): Map<string, AnyTensor | null> {
  if (typeof fetches !== 'object' || fetches === null) {
    throw expected('fetches', 'names of outputs', fetches);
  }
  const entries: [string, AnyTensor | null][] = Array.isArray(fetches)
    ? fetches.map((name): [string, null] => [name, null])
    : Object.entries(fetches as Record<string, AnyTensor | null>);
  if (entries.length === 0) throw expected('fetches', 'names of outputs', fetches);
  for (const [name, tensor] of entries) {
    const output = plan.outputs.find((candidate) => candidate.name === name);
    if (output === undefined) {
      const known = plan.outputs.map((candidate) => JSON.stringify(candidate.name)).join(', ');
      throw new TypeError(
        `Expected names among the outputs ${known} for fetches but received ${JSON.stringify(name)}`,
      );
    }
    if (tensor !== null) checkTarget(output, tensor);
  }
  return new Map(entries);
}

function checkTarget(output: OutputPlan, tensor: AnyTensor): void {
  const dims = Array.isArray(tensor?.dims) ? tensor.dims : undefined;
  if (tensor?.type === output.type && String(dims) === String(output.dims)) return;
  throw new TypeError(
    `Expected a tensor ${output.type} [${output.dims.join(', ')}] for output ` +
      `${JSON.stringify(output.name)} but received ${tensor?.type} [${dims?.join(', ')}]`,
  );
}
