import { expected } from '../arguments.js';
import type { NamedTensors, Tensor } from '../tensor.js';
import type { ValueMetadata } from './model-session.js';

/** `float32 [batch, 3, 32, 32]`, as messages show an input, an output or a tensor. */
export function describeValue(value: {
  type: string;
  shape: readonly (number | string)[];
}): string {
  return `${value.type} [${value.shape.join(', ')}]`;
}

function quoted(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(', ');
}

function checkFeed(input: ValueMetadata, tensor: Tensor): void {
  const isTensor = Array.isArray(tensor?.dims) && ArrayBuffer.isView(tensor.data);
  const wanted = `a tensor ${describeValue(input)}`;
  const option = `input ${JSON.stringify(input.name)}`;
  if (!isTensor) throw expected(option, wanted, tensor);
  const came = describeValue({ type: tensor.type, shape: tensor.dims });
  const message = `Expected ${wanted} for ${option} but received ${came}`;
  if (tensor.type !== input.type) throw new TypeError(message);
  const fits =
    tensor.dims.length === input.shape.length &&
    input.shape.every((dim, axis) => typeof dim === 'string' || dim === tensor.dims[axis]);
  if (!fits) throw new RangeError(message);
}

/**
 * Holds the tensors of a run against the model's inputs.
 *
 * @param inputs The model's inputs.
 * @param feeds The tensors by name.
 * @throws TypeError for a missing or unknown name, for something that is no tensor, or for another
 *   element type; RangeError for a shape that does not fit.
 */
export function checkFeeds(inputs: readonly ValueMetadata[], feeds: NamedTensors): void {
  if (typeof feeds !== 'object' || feeds === null) {
    throw expected('feeds', 'an object with a tensor for each input', feeds);
  }
  const names = inputs.map(({ name }) => name);
  for (const name of Object.keys(feeds)) {
    if (!names.includes(name)) {
      throw new TypeError(
        `Expected tensors for the inputs ${quoted(names)} but received one for ${quoted([name])}`,
      );
    }
  }
  for (const input of inputs) {
    if (!Object.hasOwn(feeds, input.name)) {
      throw new TypeError(
        `Expected a tensor ${describeValue(input)} for input ${quoted([input.name])} but received none`,
      );
    }
    checkFeed(input, feeds[input.name]!);
  }
}

/**
 * The names of the outputs to compute.
 *
 * @param outputs The model's outputs.
 * @param fetches Names that were asked for; all when `undefined`.
 * @throws TypeError for a name that is no output.
 */
export function checkFetches(
  outputs: readonly ValueMetadata[],
  fetches: readonly string[] | undefined,
): readonly string[] {
  const names = outputs.map(({ name }) => name);
  if (fetches === undefined) return names;
  if (!Array.isArray(fetches) || fetches.length === 0) {
    throw expected('fetches', 'a list of names of outputs', fetches);
  }
  for (const name of fetches) {
    if (!names.includes(name)) {
      throw new TypeError(
        `Expected names among the outputs ${quoted(names)} for fetches but received ${JSON.stringify(name)}`,
      );
    }
  }
  return fetches;
}
