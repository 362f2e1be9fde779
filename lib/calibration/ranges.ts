import { expected, oneOf } from '../arguments.js';
import { defined } from '../defined.js';
import type { CalibrationMeta } from './meta.js';
import type { JsonObject } from './tables/json-value.js';

/** Every way to turn observed values into a range, named as ONNX Runtime names them. */
export const CALIBRATION_METHODS = ['minmax', 'entropy', 'percentile', 'distribution'] as const;

/** How the ranges of a table were computed. */
export type CalibrationMethod = (typeof CALIBRATION_METHODS)[number];

/** Counts over consecutive bins: `counts[i]` values lay between `edges[i]` and `edges[i + 1]`. */
export interface Histogram {
  /** Values per bin; whole numbers. */
  readonly counts: Float64Array;
  /** One more than `counts`, ascending; each equals a float32. */
  readonly edges: Float32Array;
}

/** How numpy would hold a bound: an array of one element, an array of no dimension, or a scalar. */
export type BoundForm = 'array' | 'array0' | 'scalar';

/** What is known of the values of one tensor. Only the bounds are always there. */
export interface TensorRange {
  /** Smallest value (or the bound chosen for it): a float64 that equals a float32. */
  readonly lowest: number;
  /** Largest value (or the bound chosen for it): a float64 that equals a float32. */
  readonly highest: number;
  /**
   * Set when only the magnitude is known, because the range comes from a file that holds one number
   * a tensor: the bounds are then minus and plus this number's magnitude. It is kept with its sign
   * (ONNX Runtime 1.20 and later can write a negative one).
   */
  readonly recorded?: number;
  /** IEEE-754 bits of the float32 scale in a TensorRT cache, kept so that it is rewritten exactly. */
  readonly scaleBits?: number;
  /** Bounds of each channel (axis 1); `lowest` and `highest` are then those over all channels. */
  readonly channels?: { readonly lowest: Float64Array; readonly highest: Float64Array };
  /** What the bounds were chosen from, for the histogram methods. */
  readonly histogram?: Histogram;
  /** Mean of the values; Distribution only. */
  readonly average?: number;
  /** Standard deviation of the values; Distribution only. */
  readonly deviation?: number;
  /** Element type of the tensor; `float32` when absent. */
  readonly dtype?: 'float32' | 'float16' | 'float64';
  /** How calibration.json spells the bounds; by the table's method when absent. */
  readonly form?: { readonly lowest: BoundForm; readonly highest: BoundForm };
  /** The members of the tensor's object in the calibration.json it was read from, as they were. */
  readonly attributes?: JsonObject;
}

/** How a calibration.json was laid out: the object of ONNX Runtime ≥ 1.20, its bare map, or pairs. */
export type JsonLayout = 'tensors-data' | 'dict' | 'pairs';

/** What a {@link CalibrationTable} knows besides its ranges. */
export interface CalibrationTableOptions {
  /** How the ranges were computed; `minmax` when nothing says otherwise. */
  method?: CalibrationMethod;
  /** Layout of the calibration.json that the table was read from. */
  layout?: JsonLayout;
  /** Members of that file's outer object besides the usual three, such as `smooth_quant`. */
  members?: JsonObject;
  /** Where the ranges come from: model, sample, recipe. */
  meta?: CalibrationMeta;
  /** The file or folder the table was read from, for messages. */
  source?: string;
  /** First line of the TensorRT cache that the table was read from, without the colon. */
  nativeHeader?: string;
  /** What a reader of the table should know, one sentence each. */
  warnings?: readonly string[];
}

/**
 * The ranges of a model's tensors, in order. Any string is a name: `"126"` keeps its place,
 * `"__proto__"` and `""` are names. Immutable.
 */
export class CalibrationTable {
  /** Ranges by tensor name, in the order of the file or of the graph. */
  readonly ranges: ReadonlyMap<string, TensorRange>;
  /** How the ranges were computed; `minmax` also where the source does not say ({@link methodKnown}). */
  readonly method: CalibrationMethod;
  /** Whether the source of the table says how its ranges were computed. */
  readonly methodKnown: boolean;
  /** Layout of the calibration.json that the table was read from. */
  readonly layout: JsonLayout | undefined;
  /** Members of that file's outer object besides the usual three. */
  readonly members: JsonObject | undefined;
  /** Where the ranges come from; absent for a table made elsewhere. */
  readonly meta: CalibrationMeta | undefined;
  /** The file or folder the table was read from. */
  readonly source: string | undefined;
  /** First line of the TensorRT cache that the table was read from, without the colon. */
  readonly nativeHeader: string | undefined;
  /** What a reader of the table should know: files that disagree, a missing sidecar. */
  readonly warnings: readonly string[];

  /**
   * @param ranges Names and ranges, in order.
   * @param options What else is known.
   * @throws TypeError when a name is not a string or a bound not a number.
   * @throws RangeError when a name occurs twice.
   */
  constructor(
    ranges: Iterable<readonly [string, TensorRange]>,
    options: CalibrationTableOptions = {},
  ) {
    const map = new Map<string, TensorRange>();
    for (const [name, range] of ranges) {
      if (typeof name !== 'string') throw expected('name', 'a string', name);
      if (typeof range?.lowest !== 'number' || typeof range.highest !== 'number') {
        throw expected(`range of ${JSON.stringify(name)}`, 'an object with two bounds', range);
      }
      if (map.has(name)) throw expected('ranges', 'each name once', name, 'range');
      map.set(name, range);
    }
    this.ranges = map;
    this.methodKnown = options.method !== undefined;
    this.method = oneOf('method', options.method ?? 'minmax', CALIBRATION_METHODS);
    this.layout = options.layout;
    this.members = options.members;
    this.meta = options.meta;
    this.source = options.source;
    this.nativeHeader = options.nativeHeader;
    this.warnings = options.warnings ?? [];
  }

  /** Number of tensors. */
  get size(): number {
    return this.ranges.size;
  }

  /** max(|lowest|, |highest|) of a tensor; `undefined` when the table does not have it. */
  amax(name: string): number | undefined {
    const range = this.ranges.get(name);
    return range === undefined ? undefined : amaxOf(range);
  }

  /** {@link amax} of every tensor, in order: what quantization takes. */
  amaxes(): Map<string, number> {
    return new Map(Array.from(this.ranges, ([name, range]) => [name, amaxOf(range)]));
  }

  /** The same ranges with other knowledge about them; what `options` leaves out stays. */
  with(options: CalibrationTableOptions): CalibrationTable {
    return new CalibrationTable(this.ranges, {
      ...(this.methodKnown ? { method: this.method } : {}),
      ...defined({
        layout: this.layout,
        members: this.members,
        meta: this.meta,
        source: this.source,
        nativeHeader: this.nativeHeader,
      }),
      warnings: this.warnings,
      ...options,
    });
  }
}

/** max(|lowest|, |highest|): NaN when a bound is NaN. */
export function amaxOf(range: TensorRange): number {
  return Math.max(Math.abs(range.lowest), Math.abs(range.highest));
}

/** The same range made symmetric, as ONNX Runtime's `symmetric=True`: (−amax, amax). */
export function symmetricRange(range: TensorRange): TensorRange {
  const amax = amaxOf(range);
  return { ...withoutAttributes(range), lowest: -amax, highest: amax };
}

function withoutAttributes(range: TensorRange): TensorRange {
  const { attributes: _, ...rest } = range;
  return rest;
}
