import { expected, number } from '../arguments.js';
import { defined } from '../defined.js';
import { TensorRTError } from '../errors.js';
import {
  createFloatTensor,
  createNode,
  createTensor,
  TensorProto_DataType as DataType,
  editableCopy,
  encodeModel,
  GraphIndex,
  type GraphProto,
  graphOf,
  type NodeProto,
  type OnnxModel,
  tensorInfo,
  type ValueInfoProto,
} from '../onnx/index.js';
import type { OptimizationProfile } from './options.js';

/** How an engine turns bytes into the numbers of its model: `(value / divisor - mean[c]) / std[c]`. */
export interface ImageInputOptions {
  /** Name of the model's input; may be left out when only one input is an image. */
  input?: string;
  /** What each byte is divided by first. Default: 255. */
  divisor?: number;
  /** Subtracted next, by channel of the model. */
  mean?: readonly number[] | null;
  /** What is divided by last, by channel of the model. */
  std?: readonly number[] | null;
  /** Whether the model's channels are blue, green, red; the bytes are red, green, blue. */
  bgr?: boolean;
}

/** An image input as it is in an engine, and in its manifest. */
export interface ImageInputInfo {
  /** Name of the input: uint8, [batch, height, width, 3]. */
  input: string;
  divisor: number;
  mean: readonly number[] | null;
  std: readonly number[] | null;
  bgr: boolean;
}

/** A model whose input is an image of bytes. */
export interface ImageModel {
  /** The .onnx file's bytes; external data stays where it is. */
  bytes: Uint8Array;
  info: ImageInputInfo;
  /** Name of the tensor that holds what the input held before. */
  tensor: string;
  /** Tensors before it: they hold bytes as floats, and are not to be quantised. */
  between: string[];
}

function channelsOf(option: string, value: unknown, what: string, test: (n: number) => boolean) {
  if (value === undefined || value === null) return null;
  if (!Array.isArray(value) || value.length !== 3) throw expected(option, 'three numbers', value);
  return value.map((one) => number(option, one, what, test));
}

/**
 * Checks option `imageInput`.
 *
 * @param value The caller's: `true` for bytes divided by 255, or how.
 * @throws TypeError or RangeError.
 */
export function checkImageInput(
  value: unknown,
): Omit<ImageInputInfo, 'input'> & { input?: string } {
  const options = value === true ? {} : value;
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw expected('imageInput', 'true or an object { divisor, mean, std, bgr }', value);
  }
  const { input, divisor = 255, mean, std, bgr = false } = options as ImageInputOptions;
  if (input !== undefined && typeof input !== 'string') {
    throw expected('imageInput.input', 'the name of an input', input);
  }
  if (typeof bgr !== 'boolean') throw expected('imageInput.bgr', 'true or false', bgr);
  return {
    ...defined({ input }),
    divisor: number('imageInput.divisor', divisor, 'a number over 0', (one) => one > 0),
    mean: channelsOf('imageInput.mean', mean, 'a number', () => true),
    std: channelsOf('imageInput.std', std, 'a number over 0', (one) => one > 0),
    bgr,
  };
}

type Extent = { value?: bigint; name?: string };

function extentsOf(info: ValueInfoProto): Extent[] | undefined {
  const type = info.type?.value;
  if (type?.case !== 'tensorType') return undefined;
  return type.value.shape?.dim.map(({ value }) => {
    if (value.case === 'dimValue') return { value: value.value };
    return value.case === 'dimParam' ? { name: value.value } : {};
  });
}

function elementOf(info: ValueInfoProto): number | undefined {
  const type = info.type?.value;
  return type?.case === 'tensorType' ? type.value.elemType : undefined;
}

function isImage(info: ValueInfoProto): boolean {
  const extents = extentsOf(info);
  const type = elementOf(info);
  return (
    (type === DataType.FLOAT || type === DataType.FLOAT16) &&
    extents?.length === 4 &&
    extents[1]?.value === 3n
  );
}

function findInput(graph: GraphProto, name: string | undefined): ValueInfoProto {
  const { inputs } = new GraphIndex(graph);
  const images = inputs.filter(isImage);
  const found = name === undefined ? images : images.filter((input) => input.name === name);
  if (found.length === 1) return found[0]!;
  const list = inputs.map((input) => JSON.stringify(input.name)).join(', ');
  throw new TensorRTError(
    'MODEL_UNSUPPORTED',
    name === undefined
      ? `The model has ${images.length} inputs that are images, float of [batch, 3, height, width]; its inputs: ${list}`
      : `The model has no input ${JSON.stringify(name)} that is an image; its inputs: ${list}`,
    { remedy: 'Name the input with imageInput.input, or leave imageInput out.' },
  );
}

/** Which extents of [batch, channels, height, width] an image of bytes has, in order. */
const PIXELS = [0, 2, 3, 1];
const PLANES = [0, 1, 2, 3];

function describedValue(
  name: string,
  elemType: number,
  extents: readonly Extent[],
  order: readonly number[],
): ValueInfoProto {
  const shape = order.map((axis) => {
    const { value, name: symbol } = extents[axis]!;
    return value === undefined ? (symbol ?? '') : Number(value);
  });
  return tensorInfo(name, elemType, shape);
}

/** A node that reads `from`; undefined where nothing is to be done. */
type Step = (from: string, to: string) => NodeProto;

/**
 * Puts the preparation of images in front of a model: the input takes bytes, [batch, height, width, 3],
 * as an image decoder gives them. The graph is a copy; the model stays as it is.
 *
 * The cast comes first, because TensorRT 8.6 wants it right behind an input of bytes.
 *
 * @param model The model.
 * @param options What {@link checkImageInput} gave.
 * @throws TensorRTError `MODEL_UNSUPPORTED` when no input, or more than one, is an image.
 */
export function withImageInput(
  model: OnnxModel,
  options: ReturnType<typeof checkImageInput>,
): ImageModel {
  const copy = editableCopy(model);
  const graph = graphOf(copy);
  const old = findInput(graph, options.input);
  const index = new GraphIndex(graph);
  const { name } = old;
  const type = elementOf(old)!;
  const extents = extentsOf(old)!;
  const { divisor, mean, std, bgr } = options;
  const scale = [0, 1, 2].map((c) => 1 / divisor / (std?.[c] ?? 1));
  const shift = [0, 1, 2].map((c) => -(mean?.[c] ?? 0) / (std?.[c] ?? 1));
  const unique = (what: string) => index.uniqueName(`${name}_${what}`);
  const float = (what: string, values: readonly number[]) => {
    const one = values.every((value) => value === values[0]);
    const constant = unique(what);
    const dims = one ? [1, 1, 1, 1] : [1, 3, 1, 1];
    const list = one ? values.slice(0, 1) : values;
    graph.initializer.push(createFloatTensor(constant, DataType.FLOAT, dims, [...list]));
    return constant;
  };
  const node = (
    operator: string,
    more: readonly string[] = [],
    attributes: Parameters<typeof createNode>[4] = {},
  ): Step => {
    const label = { name: unique(`Image${operator}`) };
    return (from, to) => createNode(operator, [from, ...more], [to], label, attributes);
  };
  const steps = [
    node('Cast', [], { to: DataType.FLOAT }),
    node('Transpose', [], { perm: [0, 3, 1, 2] }),
  ];
  if (bgr) {
    const order = unique('channels');
    graph.initializer.push(createTensor(order, DataType.INT64, [3], BigInt64Array.of(2n, 1n, 0n)));
    steps.push(node('Gather', [order], { axis: 1 }));
  }
  if (scale.some((value) => value !== 1)) steps.push(node('Mul', [float('scale', scale)]));
  if (shift.some((value) => value !== 0)) steps.push(node('Add', [float('shift', shift)]));
  if (type === DataType.FLOAT16) steps.push(node('Cast', [], { to: DataType.FLOAT16 }));

  const tensor = unique('pixels');
  const between = steps.slice(1).map((_, i) => unique(`image${i}`));
  const names = [name, ...between, tensor];
  const nodes = steps.map((step, i) => step(names[i]!, names[i + 1]!));
  rename(graph, name, tensor);
  graph.node.unshift(...nodes);
  graph.input = graph.input.map((input) =>
    input === old ? describedValue(name, DataType.UINT8, extents, PIXELS) : input,
  );
  graph.valueInfo.push(
    ...between.map((one, i) =>
      describedValue(one, DataType.FLOAT, extents, i === 0 ? PIXELS : PLANES),
    ),
    describedValue(tensor, type, extents, PLANES),
  );
  return {
    bytes: encodeModel(copy),
    info: { input: name, divisor, mean, std, bgr },
    tensor,
    between,
  };
}

/** Makes every reader of a tensor read another one. */
function rename(graph: GraphProto, from: string, to: string): void {
  const index = new GraphIndex(graph);
  if (index.consumers(from).some((consumer) => consumer.index < 0) || index.isGraphOutput(from)) {
    throw new TensorRTError(
      'MODEL_UNSUPPORTED',
      `Input ${JSON.stringify(from)} is read by a subgraph or is an output itself`,
      { remedy: 'Leave imageInput out.' },
    );
  }
  for (const { node, index: position } of index.consumers(from)) node.input[position] = to;
}

/**
 * The reverse of {@link imageProfiles}: shapes of images, [n, h, w, 3], become those of the model's own
 * input.
 *
 * @param profiles The caller's, in either form.
 * @param input Name of the image input.
 */
export function planeProfiles(
  profiles: readonly OptimizationProfile[],
  input: string,
): OptimizationProfile[] {
  const planes = ([batch, height, width]: readonly number[]) => [batch!, 3, height!, width!];
  return imageProfiles(profiles, input).map((profile) => {
    const range = profile[input];
    const { min, opt, max } = range ?? {};
    const pixels = [min, opt, max].every((shape) => shape?.length === 4 && shape[3] === 3);
    if (!pixels) return profile;
    return { ...profile, [input]: { min: planes(min!), opt: planes(opt!), max: planes(max!) } };
  });
}

function permuted(shape: readonly number[]): readonly number[] {
  const [batch, channels, height, width] = shape;
  return shape.length === 4 && channels === 3 ? [batch!, height!, width!, 3] : shape;
}

/**
 * Profiles for the image input: shapes of the model's own input, [n, 3, h, w], become those of images.
 *
 * @param profiles The caller's.
 * @param input Name of the image input.
 */
export function imageProfiles(
  profiles: readonly OptimizationProfile[],
  input: string,
): OptimizationProfile[] {
  return profiles.map((profile) => {
    const range = profile[input];
    if (range === undefined) return profile;
    const { min, opt, max } = range;
    const planes = [min, opt, max].every((shape) => shape[1] === 3);
    if (!planes) return profile;
    return { ...profile, [input]: { min: permuted(min), opt: permuted(opt), max: permuted(max) } };
  });
}
