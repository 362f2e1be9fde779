import { defined } from '../../defined.js';
import { familyTitle } from '../../runtime/index.js';
import type { CacheKeyParts } from './key.js';

/** One thing in which two builds differ. */
export interface CacheDifference {
  /** Which part of the key: `model`, `library`, `gpu`, `calibration`, or the name of an option. */
  part: string;
  /** Its value in the cached engine; absent when it has none. */
  cached?: unknown;
  /** Its value in the build that is wanted; absent when it has none. */
  wanted?: unknown;
  /** Both, in words: `GPU: NVIDIA A10 (8.6) -> NVIDIA H200 (9.0)`. */
  text: string;
}

/** The native module's names of options that are called otherwise outside. */
const NAMES: Readonly<Record<string, string>> = {
  optimizationLevel: 'builderOptimizationLevel',
  memoryPools: 'memPoolSize',
  flags: 'precision',
  ranges: 'table',
  strictRanges: 'strict',
};

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `{ name: 'x', min, opt, max }` → `x:1x3x8x8/2x3x8x8/4x3x8x8`. */
function shapesText(value: Record<string, unknown>): string {
  const shapes = [value.min, value.opt, value.max].map((shape) => (shape as number[]).join('x'));
  return `${String(value.name)}:${shapes.join('/')}`;
}

/**
 * An option's value in a line of text.
 *
 * @param value As it stands in the parts of a key.
 */
export function valueText(value: unknown): string {
  if (value === undefined) return 'none';
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(valueText).join(',');
  if (!isObject(value)) return String(value);
  if (Array.isArray(value.min)) return shapesText(value);
  if (typeof value.sha256 === 'string') return `SHA-256 ${value.sha256.slice(0, 12)}…`;
  const entries = Object.entries(value);
  if (entries.length === 1) return valueText(entries[0]![1]);
  if ('name' in value && entries.length === 2) {
    const other = entries.find(([key]) => key !== 'name')!;
    return `${String(value.name)}:${valueText(other[1])}`;
  }
  return entries.map(([key, item]) => `${key}:${valueText(item)}`).join(',');
}

/** The name by which an option is known outside. */
export function optionName(native: string): string {
  return NAMES[native] ?? native;
}

function libraryText({ family, version }: CacheKeyParts['library']): string {
  return family === 'tensorrt_rtx' ? `${familyTitle(family)} ${version}` : `TensorRT ${version}`;
}

function gpuText(gpu: CacheKeyParts['gpu']): string {
  return gpu === undefined ? 'none' : `${gpu.name} (${gpu.computeCapability})`;
}

/** A digest tells nobody anything; that it is another one does. */
function optionText(name: string, cached: unknown, wanted: unknown): string {
  const digests = [cached, wanted].every((value) => isObject(value) && 'sha256' in value);
  const [before, after] = [cached, wanted].map((value) => {
    return value === undefined ? 'default' : valueText(value);
  });
  return digests ? `${name} changed` : `${name}: ${before} -> ${after}`;
}

/** The members of what a calibrator is fed with, where its id is JSON: `recipe.size` and the like. */
function members(text: unknown, name = ''): [string, unknown][] {
  let value = text;
  if (typeof text === 'string' && text.startsWith('{')) {
    try {
      value = JSON.parse(text);
    } catch {
      // The caller's own word, then.
    }
  }
  if (!isObject(value)) return [[name, value]];
  return Object.entries(value).flatMap(([key, item]) =>
    members(item, name === '' || name === 'id' ? key : `${name}.${key}`),
  );
}

const DIGEST = /^[0-9a-f]{64}$/;

function memberText(name: string, cached: unknown, wanted: unknown): string {
  const digests = [cached, wanted].every((value) => DIGEST.test(String(value)));
  return digests ? `${name} changed` : `${name} ${valueText(cached)} -> ${valueText(wanted)}`;
}

/** What is another about the data of two calibrations. */
function calibrationText(cached: string | undefined, wanted: string | undefined): string {
  const [before, after] = [new Map(members(cached)), new Map(members(wanted))];
  if (before.has('') || after.has('')) {
    // The outermost members tell enough where there is nothing to compare with.
    const whole = (parts: Map<string, unknown>) =>
      [...parts]
        .filter(([name, value]) => !name.includes('.') && !DIGEST.test(String(value)))
        .map(([name, value]) => `${name} ${valueText(value)}`.trimStart())
        .join(', ');
    return `calibration data: ${whole(before)} -> ${whole(after)}`;
  }
  const names = new Set([...before.keys(), ...after.keys()]);
  const texts = [...names].flatMap((name) => {
    const [a, b] = [before.get(name), after.get(name)];
    return JSON.stringify(a) === JSON.stringify(b) ? [] : [memberText(name, a, b)];
  });
  return `calibration data: ${texts.join('; ')}`;
}

/**
 * The parts in which the keys of two builds differ.
 *
 * @param cached Parts of the cached engine.
 * @param wanted Parts of the build that is wanted.
 */
export function keyDifferences(cached: CacheKeyParts, wanted: CacheKeyParts): CacheDifference[] {
  const found: CacheDifference[] = [];
  const compare = (part: string, a: unknown, b: unknown, text: () => string) => {
    if (JSON.stringify(a) === JSON.stringify(b)) return;
    found.push({
      part,
      ...defined({ cached: a, wanted: b }),
      text: text(),
    });
  };
  const before = cached.model;
  const after = wanted.model;
  compare('model', before.sha256, after.sha256, () => 'the model changed');
  compare('externalData', before.externalData, after.externalData, () => {
    return "the model's external data changed";
  });
  compare('library', cached.library, wanted.library, () => {
    return `${libraryText(cached.library)} -> ${libraryText(wanted.library)}`;
  });
  compare('gpu', cached.gpu, wanted.gpu, () => {
    return `GPU: ${gpuText(cached.gpu)} -> ${gpuText(wanted.gpu)}`;
  });
  compare('calibration', cached.calibration, wanted.calibration, () => {
    return calibrationText(cached.calibration, wanted.calibration);
  });
  const names = new Set([...Object.keys(cached.options), ...Object.keys(wanted.options)]);
  for (const name of [...names].sort()) {
    const a = cached.options[name];
    const b = wanted.options[name];
    compare(optionName(name), a, b, () => optionText(optionName(name), a, b));
  }
  compare('format', cached.format, wanted.format, () => {
    return `format of the cache: ${cached.format} -> ${wanted.format}`;
  });
  return found;
}
