import { expected } from '../arguments.js';

/** Shapes by input name. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/**
 * trtexec's shapes: `input:1x3x224x224,mask:1x224`. A name may hold colons; the last one separates. A
 * scalar's shape is `name:` or `name:scalar`.
 *
 * @param option Name of the option, for the error's message.
 * @param text What the user gave.
 * @throws RangeError that says what was expected and what came.
 */
export function parseShapes(option: string, text: string): Shapes {
  const shapes = new Map<string, number[]>();
  for (const part of text.split(',')) {
    const colon = part.lastIndexOf(':');
    const name = part.slice(0, Math.max(colon, 0)).replace(/^'(.*)'$/, '$1');
    const extents = part.slice(colon + 1);
    const scalar = extents === '' || extents === 'scalar';
    if (colon <= 0 || name === '' || !(scalar || /^\d+(x\d+)*$/.test(extents))) {
      throw expected(option, 'shapes such as input:1x3x224x224,mask:1x224', text, 'range');
    }
    if (shapes.has(name)) {
      throw expected(option, `one shape for each input (${name} has two)`, text, 'range');
    }
    shapes.set(name, scalar ? [] : extents.split('x').map(Number));
  }
  return shapes;
}

/** Names of TensorRT's memory pools, as trtexec spells them. */
export const MEMORY_POOLS = [
  'workspace',
  'dlaSRAM',
  'dlaLocalDRAM',
  'dlaGlobalDRAM',
  'tacticSharedMem',
] as const;

/** Name of one of TensorRT's memory pools. */
export type MemoryPool = (typeof MEMORY_POOLS)[number];

/** Limits of memory pools, in bytes. */
export type MemoryPoolSizes = Partial<Record<MemoryPool, number>>;

const UNITS: Readonly<Record<string, number>> = { B: 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/**
 * trtexec's memory pool sizes: `workspace:4096M,dlaSRAM:1024K`. A number without a unit counts MiB,
 * as it does for trtexec; units are B, K, M and G, powers of 1024.
 *
 * @param option Name of the option, for the error's message.
 * @param text What the user gave.
 * @returns Bytes by pool.
 * @throws RangeError that says what was expected and what came.
 */
export function parseMemPoolSize(option: string, text: string): MemoryPoolSizes {
  const sizes: MemoryPoolSizes = {};
  for (const part of text.split(',')) {
    const match = /^([A-Za-z]+):(\d+(?:\.\d+)?)([BKMG])?(?:i?B)?$/i.exec(part);
    const pool = MEMORY_POOLS.find((name) => name === match?.[1]);
    if (match === null || pool === undefined) {
      const pools = MEMORY_POOLS.join(', ');
      throw expected(option, `sizes such as workspace:4096M of ${pools}`, text, 'range');
    }
    const bytes = Math.floor(Number(match[2]) * UNITS[(match[3] ?? 'M').toUpperCase()]!);
    if (!Number.isSafeInteger(bytes)) throw expected(option, 'a size in memory', part, 'range');
    sizes[pool] = bytes;
  }
  return sizes;
}

/**
 * A list of compute capabilities as trtexec takes it: `80,89,120`; `8.0` is `80`.
 *
 * @param option Name of the option, for the error's message.
 * @param text What the user gave.
 * @throws RangeError that says what was expected and what came.
 */
export function parseComputeCapabilities(option: string, text: string): number[] {
  return text.split(',').map((part) => {
    const match = /^(?:sm_?)?(\d{1,2})\.?(\d)$/.exec(part.trim());
    if (match === null) {
      throw expected(option, 'compute capabilities such as 80,89,120', text, 'range');
    }
    return Number(match[1]! + match[2]!);
  });
}

/**
 * One optimization profile from trtexec's three options. Where one of them is missing, it is taken
 * from the others as trtexec does: all three from one, MIN or MAX from OPT, OPT from MAX.
 *
 * @param min Text of `--minShapes`.
 * @param opt Text of `--optShapes`.
 * @param max Text of `--maxShapes`.
 * @returns Ranges by input name; undefined when no option is given.
 * @throws RangeError when an input is named in one option and not in another that is given.
 */
export function profileFromShapes(
  min: string | undefined,
  opt: string | undefined,
  max: string | undefined,
): Record<string, { min: number[]; opt: number[]; max: number[] }> | undefined {
  const parsed = {
    min: min === undefined ? undefined : parseShapes('--minShapes', min),
    opt: opt === undefined ? undefined : parseShapes('--optShapes', opt),
    max: max === undefined ? undefined : parseShapes('--maxShapes', max),
  };
  const first = parsed.opt ?? parsed.max ?? parsed.min;
  if (first === undefined) return undefined;
  const sources = {
    min: parsed.min ?? parsed.opt ?? first,
    opt: first,
    max: parsed.max ?? parsed.opt ?? first,
  };
  const names = new Set(Object.values(sources).flatMap((shapes) => [...shapes.keys()]));
  const entries = [...names].map((name) => {
    const shape = (key: 'min' | 'opt' | 'max'): number[] => {
      const found = sources[key].get(name);
      if (found === undefined) {
        throw expected(
          `--${key}Shapes`,
          `a shape for input ${name} too`,
          [min, opt, max][['min', 'opt', 'max'].indexOf(key)] ?? '',
          'range',
        );
      }
      return [...found];
    };
    return [name, { min: shape('min'), opt: shape('opt'), max: shape('max') }] as const;
  });
  return Object.fromEntries(entries);
}
