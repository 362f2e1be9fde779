import { expected } from '../arguments.js';

/** trtexec's name of each element type, and onnxruntime's. */
const TYPES = {
  fp32: 'float32',
  fp16: 'float16',
  bf16: 'bfloat16',
  int8: 'int8',
  uint8: 'uint8',
  int32: 'int32',
  int64: 'int64',
  bool: 'bool',
} as const;

/** trtexec's names of element types. */
type TypeName = keyof typeof TYPES;

/** Types by layer name, as the native module takes them. */
export type LayerTypeRules = { name: string; types: string[] }[];

/** Types by layer name: `{ conv1: 'fp16', '/layer4/*': 'fp32' }`. A `*` stands for any text. */
export type LayerTypeMap = Readonly<Record<string, string>>;

function typeOf(option: string, name: string, allowed: readonly TypeName[]): string {
  const found = allowed.find((type) => type === name);
  if (found === undefined) {
    throw expected(option, `a type among ${allowed.join(', ')}`, name, 'range');
  }
  return TYPES[found];
}

const PRECISIONS = ['fp32', 'fp16', 'bf16', 'int8', 'int32'] as const;

/**
 * Types of layers, from an object or from trtexec's text `name:type,name:type`. A name may hold colons;
 * the last one separates. Outputs of one layer are joined by `+`.
 *
 * @param option Name of the option, for the error's message.
 * @param value The caller's.
 * @param several Whether a layer may have several types.
 * @throws TypeError or RangeError.
 */
export function layerTypes(option: string, value: unknown, several: boolean): LayerTypeRules {
  if (typeof value === 'string')
    return layerTypesOf(option, parseLayerTypes(option, value), several);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw expected(option, 'an object of types by layer name, or name:type,name:type', value);
  }
  return layerTypesOf(option, Object.entries(value), several);
}

function layerTypesOf(
  option: string,
  entries: readonly (readonly [string, unknown])[],
  several: boolean,
): LayerTypeRules {
  return entries.map(([name, types]) => {
    const where = `${option}[${JSON.stringify(name)}]`;
    if (name === '') throw expected(option, 'names of layers', name, 'range');
    if (typeof types !== 'string') throw expected(where, 'a type', types);
    const list = several ? types.split('+') : [types];
    return { name, types: list.map((type) => typeOf(where, type, PRECISIONS)) };
  });
}

function parseLayerTypes(option: string, text: string): [string, string][] {
  // Names may hold commas: a part without a colon belongs to the name that follows.
  const parts: string[] = [];
  let open = '';
  for (const part of text.split(',')) {
    const whole = open === '' ? part : `${open},${part}`;
    if (/:[a-z0-9+]+$/.test(whole)) {
      parts.push(whole);
      open = '';
    } else {
      open = whole;
    }
  }
  if (open !== '' || parts.length === 0) {
    throw expected(option, 'layer types such as conv1:fp16,fc*:fp32', text, 'range');
  }
  return parts.map((part) => {
    const colon = part.lastIndexOf(':');
    return [part.slice(0, colon).replace(/^'(.*)'$/, '$1'), part.slice(colon + 1)];
  });
}

/**
 * Types of inputs or outputs, from trtexec's text `fp16:chw,int32:chw` or a list of such. Only linear
 * memory (`chw`, the default) is taken: sessions read and write no other.
 *
 * @param option Name of the option, for the error's message.
 * @param value The caller's.
 * @throws TypeError or RangeError.
 */
export function ioTypes(option: string, value: unknown): string[] {
  const list = typeof value === 'string' ? value.split(',') : value;
  if (!Array.isArray(list) || list.length === 0) {
    throw expected(option, 'types such as fp16:chw', value);
  }
  return list.map((item) => {
    if (typeof item !== 'string') throw expected(option, 'types such as fp16:chw', item);
    const [type = '', formats = 'chw'] = item.split(':', 2);
    if (formats !== 'chw') throw expected(option, 'the format chw, which is linear', item, 'range');
    return typeOf(option, type, Object.keys(TYPES) as TypeName[]);
  });
}

/** Sources of kernels that can be turned on and off. */
export const TACTIC_SOURCES = [
  'CUBLAS',
  'CUBLAS_LT',
  'CUDNN',
  'EDGE_MASK_CONVOLUTIONS',
  'JIT_CONVOLUTIONS',
] as const;

/**
 * Sources of kernels, from trtexec's text `-CUDNN,+CUBLAS` or a list of such.
 *
 * @param option Name of the option, for the error's message.
 * @param value The caller's.
 * @throws TypeError or RangeError.
 */
export function tacticSources(option: string, value: unknown): { name: string; on: boolean }[] {
  const list = typeof value === 'string' ? value.split(',') : value;
  const what = `sources such as -CUDNN,+CUBLAS among ${TACTIC_SOURCES.join(', ')}`;
  if (!Array.isArray(list) || list.length === 0) throw expected(option, what, value);
  return list.map((item) => {
    if (typeof item !== 'string') throw expected(option, what, item);
    const match = /^([+-])(\w+)$/.exec(item.trim());
    const name = TACTIC_SOURCES.find((source) => source === match?.[2]?.toUpperCase());
    if (match === null || name === undefined) throw expected(option, what, item, 'range');
    return { name, on: match[1] === '+' };
  });
}
