import { expected } from '../../arguments.js';
import { defined } from '../../defined.js';
import { type CalibrationMethod, CalibrationTable, type TensorRange } from '../ranges.js';
import { recordedRange } from './cache.js';
import { isUtf8, refuseNames } from './names.js';
import { floatBits, floatFromBits } from './native-scale.js';
import { decodeText, invalid } from './text.js';

const HEADER = /^TRT-(\d+)-([A-Za-z0-9_]+) *$/;
const SCALE = /^ *(?:0[xX])?([0-9a-fA-F]{1,8}) *$/;

/** Which calibrator a TensorRT cache names; TensorRT ignores a cache of another calibrator. */
export type NativeAlgorithm = 'MinMaxCalibration' | 'EntropyCalibration' | 'EntropyCalibration2';

/** How to write a TensorRT cache. */
export interface NativeCacheOptions {
  /**
   * TensorRT's version for the first line: `8601`, `100300`, `'8.6.1'` or `'10.3.0'`. By default that
   * of the cache the table was read from, else 8601.
   */
  trtVersion?: number | string;
  /** The calibrator for the first line; by default by the table's method. */
  algorithm?: NativeAlgorithm;
}

/** Whether a file is a TensorRT cache: ONNX Runtime's file of the same name has no such first line. */
export function isNativeCache(bytes: Uint8Array): boolean {
  const end = bytes.subarray(0, 128).indexOf(0x0a);
  const first = new TextDecoder().decode(bytes.subarray(0, end < 0 ? 128 : end));
  return HEADER.test(first.replace(/\r$/, ''));
}

/**
 * Reads TensorRT's own calibration cache: after a first line `TRT-<version>-<calibrator>`, one line
 * `name: hex` a tensor with the bits of a float32 scale; amax = float32(127 · scale).
 *
 * @param bytes The file.
 * @param source Its name, for messages.
 * @throws TensorRTError `TABLE_INVALID` with the line.
 */
export function decodeNativeCache(
  bytes: Uint8Array,
  source = 'calibration.cache',
): CalibrationTable {
  const lines = decodeText(bytes, source)
    .split('\n')
    .map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  if (lines.at(-1) === '') lines.pop();
  const header = HEADER.exec(lines[0] ?? '');
  if (header === null) {
    throw invalid(source, 'Expected a first line such as TRT-8601-MinMaxCalibration');
  }
  const ranges = new Map<string, TensorRange>();
  const repeated: string[] = [];
  for (let index = 1; index < lines.length; index += 1) {
    const line = lines[index] as string;
    // TensorRT writes names that hold a colon as they are, so the last colon is the separator.
    const colon = line.lastIndexOf(':');
    const scale = colon < 0 ? null : SCALE.exec(line.slice(colon + 1));
    if (scale === null) {
      const shown = JSON.stringify(line.length > 60 ? `${line.slice(0, 60)}…` : line);
      const what = `Expected 'name: ' and eight hexadecimal digits in line ${index + 1}`;
      throw invalid(source, `${what}: ${shown}`);
    }
    const name = line.slice(0, colon);
    if (ranges.has(name)) repeated.push(name);
    const scaleBits = Number.parseInt(scale[1] as string, 16);
    const recorded = Math.fround(127 * floatFromBits(scaleBits));
    ranges.set(name, { ...recordedRange(recorded), scaleBits });
  }
  const method = methodOf(header[2] as string);
  return new CalibrationTable(ranges, {
    ...defined({ method }),
    nativeHeader: (lines[0] as string).trimEnd(),
    warnings: warningsOf(ranges, repeated, source),
    source,
  });
}

/**
 * The bytes of a TensorRT calibration cache. A scale that was read from one is written back bit for
 * bit; otherwise it is float32(amax / 127).
 *
 * @param table The ranges.
 * @param options Version and calibrator for the first line.
 * @throws TensorRTError `TABLE_INEXPRESSIBLE` that lists the names with a colon or a line break.
 * @throws TypeError or RangeError for a wrong version.
 */
export function encodeNativeCache(
  table: CalibrationTable,
  options: NativeCacheOptions = {},
): Uint8Array {
  const fits = (name: string) => isUtf8(name) && !/[:\n]/.test(name);
  const why = 'a colon ends the name there, and a line break the line';
  refuseNames(table.ranges.keys(), fits, "TensorRT's calibration cache", why);
  const lines = Array.from(table.ranges, ([name, range]) => {
    const bits = range.scaleBits ?? floatBits(scaleOf(range));
    return `${name}: ${bits.toString(16).padStart(8, '0')}\n`;
  });
  return new TextEncoder().encode(`${nativeHeader(table, options)}\n${lines.join('')}`);
}

function scaleOf(range: TensorRange): number {
  const amax = range.recorded ?? Math.max(Math.abs(range.lowest), Math.abs(range.highest));
  return Math.fround(Math.fround(amax) / 127);
}

/** The first line of a cache: `TRT-8601-MinMaxCalibration`. */
export function nativeHeader(table: CalibrationTable, options: NativeCacheOptions): string {
  const read = HEADER.exec(table.nativeHeader ?? '');
  const algorithm =
    options.algorithm ??
    read?.[2] ??
    (table.method === 'entropy' ? 'EntropyCalibration2' : 'MinMaxCalibration');
  const version =
    options.trtVersion === undefined
      ? (read?.[1] ?? '8601')
      : String(trtVersionNumber(options.trtVersion));
  return `TRT-${version}-${algorithm}`;
}

/**
 * TensorRT's version as its cache spells it: major·1000 + minor·100 + patch up to 8, from 10 on
 * major·10000 + minor·100 + patch.
 *
 * @param version `8601`, `'8601'` or `'8.6.1'`.
 * @throws TypeError or RangeError for anything else.
 */
export function trtVersionNumber(version: number | string): number {
  const what = 'a TensorRT version such as 8601, 100300 or "10.3.0"';
  const dotted = /^(\d{1,2})\.(\d{1,2})(?:\.(\d{1,2}))?$/.exec(String(version));
  if (typeof version === 'string' && dotted !== null) {
    const [major, minor, patch] = [dotted[1], dotted[2], dotted[3] ?? 0].map(Number) as [
      number,
      number,
      number,
    ];
    return (major < 10 ? major * 1000 : major * 10000) + minor * 100 + patch;
  }
  if (typeof version !== 'number' && typeof version !== 'string') {
    throw expected('trtVersion', what, version);
  }
  if (!/^[1-9]\d{3,5}$/.test(String(version))) throw expected('trtVersion', what, version, 'range');
  return Number(version);
}

function methodOf(algorithm: string): CalibrationMethod | undefined {
  if (algorithm === 'MinMaxCalibration') return 'minmax';
  if (algorithm === 'EntropyCalibration' || algorithm === 'EntropyCalibration2') return 'entropy';
  return undefined;
}

function warningsOf(
  ranges: ReadonlyMap<string, TensorRange>,
  repeated: readonly string[],
  source: string,
): string[] {
  const colons = Array.from(ranges.keys()).filter((name) => name.includes(':'));
  const warnings: string[] = [];
  if (repeated.length > 0) {
    warnings.push(
      `${source} has ${repeated.length} repeated names, the first ${JSON.stringify(repeated[0])}: the last value counts`,
    );
  }
  if (colons.length > 0) {
    warnings.push(
      `${source} has ${colons.length} names with a colon, which ONNX Runtime misreads, the first ${JSON.stringify(colons[0])}`,
    );
  }
  return warnings;
}
