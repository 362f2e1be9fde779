import { integer, number, oneOf } from '../../arguments.js';
import { defined } from '../../defined.js';
import { TensorRTError } from '../../errors.js';
import { CalibrationTable, type TensorRange } from '../ranges.js';
import type { Clamp } from './bins.js';
import type { ValueBounds } from './bounds.js';
import { type CollectedHistogram, HistogramCollector } from './collector.js';
import type { DeferredCounts } from './deferred-counts.js';
import { entropyRange } from './entropy.js';
import { distributionRange, percentileRange } from './thresholds.js';

/** The methods that choose a range from a histogram. */
export const HISTOGRAM_METHODS = ['entropy', 'percentile', 'distribution'] as const;

/** A histogram method and its options, with ONNX Runtime's names and defaults. */
export interface HistogramMethodOptions {
  /** Which method. */
  method: (typeof HISTOGRAM_METHODS)[number];
  /** Bins of the histogram; 128 for Entropy, 2048 otherwise. */
  numBins?: number;
  /** Levels of Entropy's quantized distribution; 128. */
  numQuantizedBins?: number;
  /** Share of the values that Percentile keeps, in percent; 99.999. */
  percentile?: number;
  /** Percentile: a histogram of magnitudes, and a range around 0; `true`. Entropy ignores it. */
  symmetric?: boolean;
}

/** {@link HistogramMethodOptions} with every default filled in. */
export type ResolvedHistogramOptions = Required<HistogramMethodOptions>;

/**
 * Fills in ONNX Runtime's defaults.
 *
 * @param options The method and what differs from its defaults.
 * @throws TypeError or RangeError for a wrong option.
 */
export function resolveHistogramOptions(options: HistogramMethodOptions): ResolvedHistogramOptions {
  const method = oneOf('method', options.method, HISTOGRAM_METHODS);
  const numBins = options.numBins ?? (method === 'entropy' ? 128 : 2048);
  const percent = (value: number) => value >= 0 && value <= 100;
  return {
    method,
    numBins: integer('numBins', numBins, method === 'distribution' ? 512 : 1, 1 << 20),
    numQuantizedBins: integer('numQuantizedBins', options.numQuantizedBins ?? 128, 1, 1 << 20),
    percentile: number(
      'percentile',
      options.percentile ?? 99.999,
      'a number from 0 to 100',
      percent,
    ),
    symmetric: options.symmetric ?? method === 'percentile',
  };
}

/**
 * The histograms of all tensors of a model, fed from a stream. Memory holds one histogram a tensor,
 * however many images there are. For each pass over data whose bounds are known: {@link begin} for
 * every tensor, then {@link update} with its values in any portions; {@link table} at the end.
 */
export class HistogramCalibration {
  /** The method and its options, defaults filled in. */
  readonly options: ResolvedHistogramOptions;
  private readonly collectors = new Map<string, HistogramCollector>();

  /**
   * @param options The method and what differs from its defaults.
   * @throws TypeError or RangeError for a wrong option.
   */
  constructor(options: HistogramMethodOptions) {
    this.options = resolveHistogramOptions(options);
  }

  /**
   * Begins a `collect_data` call for a tensor.
   *
   * @param name Name of the tensor.
   * @param bounds Bounds of all values that the call will bring.
   * @throws TensorRTError `CALIBRATION_FAILED` that names the tensor: infinite values, NaN in
   *   magnitudes, too narrow a range.
   */
  begin(name: string, bounds: ValueBounds): void {
    let collector = this.collectors.get(name);
    if (collector === undefined) {
      const { method, numBins, symmetric } = this.options;
      collector = new HistogramCollector({
        numBins,
        absolute: method === 'percentile' && symmetric,
      });
      this.collectors.set(name, collector);
    }
    const current = collector;
    named(name, () => current.begin(bounds));
  }

  /**
   * Counts values of a tensor.
   *
   * @param name Name of the tensor; {@link begin} came before.
   * @param values Any portion of the call's values.
   * @param clamp Limits that the values are brought within before they are counted.
   */
  update(
    name: string,
    values: Float32Array,
    clamp?: { readonly lower: number; readonly upper: number },
  ): void {
    this.collector(name).update(values, clamp);
  }

  /** @internal As {@link update}, done by other threads where it can be. */
  updateLater(name: string, values: Float32Array, clamp: Clamp, later: DeferredCounts): void {
    this.collector(name).updateLater(values, clamp, later);
  }

  /**
   * The range that the method chooses for a tensor.
   *
   * @param name Name of the tensor.
   * @param options What differs from {@link options} in choosing a range from the same histogram.
   * @throws TensorRTError `CALIBRATION_FAILED` that names the tensor.
   */
  range(
    name: string,
    options: Pick<HistogramMethodOptions, 'percentile' | 'numQuantizedBins'> = {},
  ): TensorRange {
    const chosen = { ...this.options, ...options };
    return named(name, () => rangeFor(this.collector(name).result(), chosen));
  }

  /**
   * The ranges of all tensors.
   *
   * @param names Their order; by default that of the first {@link begin} of each.
   * @throws TensorRTError `CALIBRATION_FAILED` that names the tensor.
   */
  table(names: Iterable<string> = this.collectors.keys()): CalibrationTable {
    const ranges = Array.from(names, (name) => [name, this.range(name)] as const);
    return new CalibrationTable(ranges, { method: this.options.method });
  }

  private collector(name: string): HistogramCollector {
    const collector = this.collectors.get(name);
    if (collector === undefined) throw new Error(`begin() comes before the values of ${name}`);
    return collector;
  }
}

/** The range that a method chooses from a histogram. */
export function rangeFor(
  collected: CollectedHistogram,
  options: ResolvedHistogramOptions,
): TensorRange {
  switch (options.method) {
    case 'entropy':
      return entropyRange(collected, options.numQuantizedBins);
    case 'percentile':
      return percentileRange(collected, options.percentile, options.symmetric);
    case 'distribution':
      return distributionRange(collected);
  }
}

/** What `call` gives; an error says which tensor it is about. */
export function named<T>(name: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof TensorRTError)) throw error;
    throw new TensorRTError(error.code, `Tensor ${JSON.stringify(name)}: ${error.message}`, {
      ...defined({ remedy: error.remedy }),
      cause: error,
    });
  }
}
