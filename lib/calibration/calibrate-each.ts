import { defined } from '../defined.js';
import type { TensorRTError } from '../errors.js';
import {
  type CalibrateOptions,
  loadForCalibration,
  type ModelToCalibrate,
  providerOf,
  warningsOf,
} from './calibrate.js';
import { HistogramCalibration, resolveHistogramOptions } from './histogram/calibration.js';
import type { MethodOptions } from './method-options.js';
import type { CollectOptions } from './minmax/batches.js';
import { noInput, nothingToCalibrate } from './minmax/calibrator.js';
import { type MinMaxPlan, planMinMax } from './minmax/plan.js';
import type { Bounds } from './minmax/range-state.js';
import { type CalibrationMethod, CalibrationTable, type TensorRange } from './ranges.js';
import { type FilledHistograms, type RepeatableBatches, ValuePasses } from './values/passes.js';

/** Options of {@link calibrateEach}. */
export interface CalibrateEachOptions
  extends CollectOptions,
    Pick<CalibrateOptions, 'threads' | 'provider' | 'folder'> {
  /** Bins of the histograms; 1024 for Entropy, 2048 for Percentile. */
  numBins?: number;
  /** Levels of Entropy's quantized distribution; 128. */
  numQuantizedBins?: number;
  /** Shares of the values that Percentile keeps, in percent, each a candidate; 99.99 and 99.999. */
  percentiles?: readonly number[];
}

/** What one method makes of the same values. */
export interface CandidateTable {
  /** The method. */
  method: CalibrationMethod;
  /** Its options, as a table's provenance records them. */
  options: Omit<MethodOptions, 'method'>;
  /** Its table; absent when it refuses the values. */
  table?: CalibrationTable;
  /** Why it refuses them. */
  failure?: TensorRTError;
}

/**
 * With ONNX Runtime's default, as many bins as quantized ones, Entropy has a single candidate: what
 * MinMax finds. The time that it takes grows with the square of the bins.
 */
const ENTROPY_BINS = 1024;

/**
 * Calibrates by MinMax, Entropy and Percentile at once: all of them from the same two passes over the
 * inputs.
 *
 * @param model Path of the .onnx file, or its bytes.
 * @param batches The inputs, which are gone through twice.
 * @param options Bins, percentiles, threads, abort signal, progress: phase `measure`, then `count`.
 * @returns A table for each method, or why there is none; MinMax first.
 * @throws TensorRTError as {@link calibrate}; a method that refuses the values is no error.
 */
export async function calibrateEach(
  model: ModelToCalibrate,
  batches: RepeatableBatches,
  options: CalibrateEachOptions = {},
): Promise<CandidateTable[]> {
  const { percentiles = [99.99, 99.999], numBins, numQuantizedBins = 128 } = options;
  const entropy = resolveHistogramOptions({
    ...{ method: 'entropy', numBins: numBins ?? ENTROPY_BINS, numQuantizedBins },
  });
  const several = percentiles.map((percentile) =>
    resolveHistogramOptions({
      ...{ method: 'percentile', percentile },
      ...defined({ numBins }),
    }),
  );
  const provider = providerOf(options);
  options.signal?.throwIfAborted();
  const { loaded, identity } = await loadForCalibration(model, options);
  const versions = await provider.versions();
  const plan = await planMinMax(loaded, provider, true);
  if (plan.tensors.length === 0) throw nothingToCalibrate(loaded);
  const byEntropy: FilledHistograms = { histograms: new HistogramCalibration(entropy) };
  const byPercentile: FilledHistograms[] = several
    .slice(0, 1)
    .map((chosen) => ({ histograms: new HistogramCalibration(chosen) }));
  const filled = [byEntropy, ...byPercentile];
  const passes = new ValuePasses(loaded, provider, plan, filled, true);
  try {
    await passes.collect(batches, options);
  } finally {
    await passes.release();
  }
  if (passes.inputs === 0) throw noInput();

  const candidate = (
    method: CalibrationMethod,
    used: Omit<MethodOptions, 'method'>,
    ranges: () => [string, TensorRange][],
  ): CandidateTable => {
    try {
      const found = ranges();
      const meta = { version: 1 as const, model: identity, versions };
      const named = { name: method, options: { ...used } };
      const warnings = warningsOf(found);
      const table = new CalibrationTable(found, {
        ...{ method, warnings, meta: { ...meta, method: named } },
      });
      return { method, options: used, table };
    } catch (error) {
      return { method, options: used, failure: refusal(error) };
    }
  };
  const { method: _, ...entropyOptions } = entropy;
  return [
    candidate('minmax', { symmetric: false }, () => minMaxRanges(plan, passes.bounds)),
    candidate('entropy', entropyOptions, () => rangesOf(plan, passes, byEntropy, {})),
    ...several.map(({ method: _method, ...used }) =>
      candidate('percentile', used, () =>
        rangesOf(plan, passes, byPercentile[0]!, { percentile: used.percentile }),
      ),
    ),
  ];
}

/** What a method says against values; anything else is thrown on. */
function refusal(error: unknown): TensorRTError {
  if ((error as TensorRTError | undefined)?.code === 'CALIBRATION_FAILED') {
    return error as TensorRTError;
  }
  throw error;
}

function minMaxRanges({ tensors }: MinMaxPlan, bounds: Bounds): [string, TensorRange][] {
  return tensors.map(({ name, type }, position) => [
    name,
    {
      lowest: bounds.lowest[position]!,
      highest: bounds.highest[position]!,
      ...(type === 'float16' ? { dtype: type } : {}),
    },
  ]);
}

function rangesOf(
  { tensors }: MinMaxPlan,
  { groups }: ValuePasses,
  { histograms, failure }: FilledHistograms,
  options: { percentile?: number },
): [string, TensorRange][] {
  if (failure !== undefined) throw failure;
  const ranges = new Map<string, TensorRange>();
  for (const { names } of groups) {
    const range = histograms.range(names[0], options);
    for (const name of names) ranges.set(name, range);
  }
  return tensors.map(({ name }) => [name, ranges.get(name)!]);
}
