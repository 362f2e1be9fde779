import { expected, number, oneOf } from '../arguments.js';
import { defined } from '../defined.js';
import { type HistogramMethodOptions, resolveHistogramOptions } from './histogram/calibration.js';
import { CALIBRATION_METHODS, type CalibrationMethod } from './ranges.js';

/** How ranges are chosen: a method, and its options with ONNX Runtime's names and defaults. */
export interface MethodOptions extends Omit<HistogramMethodOptions, 'method' | 'symmetric'> {
  /** How ranges are chosen; `minmax` by default. */
  method?: CalibrationMethod;
  /**
   * MinMax: make every range symmetric, (−amax, amax); false by default. Percentile: a histogram of
   * magnitudes and a range around 0; true by default. Entropy ignores it, as ONNX Runtime's does.
   */
  symmetric?: boolean;
  /** MinMax: average bounds over batches, with this averaging constant between 0 and 1. */
  movingAverage?: number;
  /**
   * MinMax: the range of each channel (axis 1), too; false by default. Only calibration.json can hold
   * them; the other formats have the range over all channels.
   */
  perChannel?: boolean;
}

type OptionName = Exclude<keyof MethodOptions, 'method'>;

/** Which options mean something to which method. */
const OPTIONS_OF: Record<CalibrationMethod, readonly OptionName[]> = {
  minmax: ['symmetric', 'movingAverage', 'perChannel'],
  entropy: ['numBins', 'numQuantizedBins', 'symmetric'],
  percentile: ['numBins', 'percentile', 'symmetric'],
  distribution: ['numBins'],
};

const OPTIONS = new Set(Object.values(OPTIONS_OF).flat());

/** The options of the method alone, without those of the call. */
export function methodOptionsOf(options: MethodOptions): MethodOptions {
  const { method, symmetric, movingAverage, perChannel } = options;
  const { numBins, numQuantizedBins, percentile } = options;
  return {
    ...defined({
      method,
      symmetric,
      movingAverage,
      perChannel,
      numBins,
      numQuantizedBins,
      percentile,
    }),
  };
}

/**
 * Checks the options of a method, so that a wrong one is found before hours of work.
 *
 * @param options The options.
 * @returns The method.
 * @throws TypeError or RangeError for a wrong value, and for an option that means nothing to the
 *   method.
 */
export function checkMethodOptions(options: MethodOptions): CalibrationMethod {
  const method = oneOf('method', options.method ?? 'minmax', CALIBRATION_METHODS);
  for (const name of OPTIONS) {
    if (options[name] === undefined || OPTIONS_OF[method].includes(name)) continue;
    throw expected(name, `no value with the method ${method}`, options[name], 'range');
  }
  for (const name of ['symmetric', 'perChannel'] as const) {
    const value = options[name];
    if (value !== undefined && typeof value !== 'boolean') {
      throw expected(name, 'a boolean', value);
    }
  }
  const { movingAverage } = options;
  if (movingAverage !== undefined) checkMovingAverage(movingAverage);
  const histogram = histogramOptionsOf(options);
  if (histogram !== undefined) {
    const { numBins, numQuantizedBins } = resolveHistogramOptions(histogram);
    // A folder is one call of upstream's calibrator, whose histogram does not grow: no candidate at all.
    if (method === 'entropy' && numBins < numQuantizedBins) {
      const need = `at least as many bins as quantized bins (${numQuantizedBins})`;
      throw expected('numBins', need, numBins, 'range');
    }
  }
  return method;
}

/** Checks an averaging constant. */
export function checkMovingAverage(value: number): void {
  number('movingAverage', value, 'a number from 0 to 1', (share) => share >= 0 && share <= 1);
}

/** The options as the histogram methods take them; `undefined` for MinMax. */
export function histogramOptionsOf(options: MethodOptions): HistogramMethodOptions | undefined {
  const { method = 'minmax', ...all } = methodOptionsOf(options);
  const { movingAverage: _, perChannel: _channels, ...rest } = all;
  return method === 'minmax' ? undefined : { method, ...rest };
}
