import { createHash } from 'node:crypto';
import type { Family } from '../../runtime/index.js';

/** Version of how keys are made; a new one leaves all entries of the old one unused. */
export const CACHE_FORMAT = 1;

/** Everything that decides a plan: what the key of a cached engine is the SHA-256 of. */
export interface CacheKeyParts {
  /** Version of how keys are made. */
  format: number;
  /** SHA-256 of the .onnx file, and over its external data when it has some. */
  model: { sha256: string; externalData?: string };
  /** The library that builds. */
  library: { family: Family; version: string };
  /** The GPU that it builds for; absent when compute capabilities are given, or when there is none. */
  gpu?: { name: string; computeCapability: string };
  /** Id of the data that a calibrator reads; absent without a calibrator. */
  calibration?: string;
  /**
   * What else the native module is given, by its own names. Bytes, and what is long, stand as
   * `{ sha256 }`.
   */
  options: Readonly<Record<string, unknown>>;
}

/** Thrown for a build that no key can stand for. */
export class NotKeyable extends Error {
  override readonly name = 'NotKeyable';
  /** What would give it one. */
  readonly remedy: string;

  constructor(why: string, remedy: string) {
    super(why);
    this.remedy = remedy;
  }
}

function noForm(where: string): NotKeyable {
  return new NotKeyable(
    `the value of ${where} cannot be part of a key`,
    'Turn the cache off for this build.',
  );
}

/** Options with a longer text stand in a manifest as their digest: tables have thousands of ranges. */
const LONGEST_TEXT = 1000;

function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

function bytesOf(value: ArrayBuffer | ArrayBufferView): Uint8Array {
  return ArrayBuffer.isView(value)
    ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    : new Uint8Array(value);
}

type Entry = readonly [key: string, value: unknown];

function byKey([a]: Entry, [b]: Entry): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function entriesOf(entries: Iterable<readonly [unknown, unknown]>, where: string): Entry[] {
  return [...entries]
    .map(([key, value]): Entry => [String(key), canonical(value, `${where}.${key}`)])
    .filter(([, value]) => value !== undefined)
    .sort(byKey);
}

/**
 * A value as JSON holds it, equal for what is equal: keys sorted, bytes by their digest. Whatever has
 * no such form is refused rather than left out, so that no option can be forgotten.
 *
 * @throws NotKeyable.
 */
function canonical(value: unknown, where: string): unknown {
  switch (typeof value) {
    case 'undefined':
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'bigint':
      return `${value}n`;
    case 'object':
      break;
    default:
      throw noForm(where);
  }
  if (value === null) return null;
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
    const bytes = bytesOf(value);
    return { sha256: sha256(bytes), bytes: bytes.byteLength };
  }
  if (Array.isArray(value)) {
    return value.map((item, index) => canonical(item, `${where}[${index}]`) ?? null);
  }
  // Names may be anything, `__proto__` too, so that they are no keys of an object.
  if (value instanceof Map) return entriesOf(value, where);
  if (value instanceof Set) return [...value].map((item) => canonical(item, where)).sort();
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw noForm(where);
  return Object.fromEntries(entriesOf(Object.entries(value), where));
}

function shortened(value: unknown): unknown {
  const text = JSON.stringify(value);
  if (text === undefined || text.length <= LONGEST_TEXT) return value;
  return { sha256: sha256(text), ...(Array.isArray(value) ? { entries: value.length } : {}) };
}

/**
 * The options of a native build as part of a key.
 *
 * @param native Everything that the native module is given.
 * @param leftOut Names of those that do not decide the plan, or stand elsewhere in the key.
 * @throws NotKeyable with the name of an option that no key can stand for.
 */
export function keyOptions(
  native: Readonly<Record<string, unknown>>,
  leftOut: ReadonlySet<string>,
): Record<string, unknown> {
  const entries = Object.entries(native)
    .filter(([name]) => !leftOut.has(name))
    .map(([name, value]): Entry => [name, shortened(canonical(value, name))])
    .filter(([, value]) => value !== undefined)
    .sort(byKey);
  return Object.fromEntries(entries);
}

/** The key: SHA-256, in hex, over its parts. */
export function cacheKey(parts: CacheKeyParts): string {
  return sha256(JSON.stringify(canonical(parts, 'key')));
}
