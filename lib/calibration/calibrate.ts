import { basename } from 'node:path';
import { expected, integer, oneOf } from '../arguments.js';
import { defined } from '../defined.js';
import { loadModel, type OnnxModel } from '../onnx/index.js';
import { GRAPH_OPTIMIZATION_LEVELS, type GraphOptimizationLevel } from '../runtime/onnxruntime.js';
import { startAhead } from './ahead.js';
import type { GraphProvider } from './graph-runner.js';
import type { HistogramMethodOptions } from './histogram/calibration.js';
import type { ModelIdentity } from './meta.js';
import { checkMethodOptions, histogramOptionsOf, type MethodOptions } from './method-options.js';
import type { Batches, CollectOptions } from './minmax/batches.js';
import { MinMaxCalibrator } from './minmax/calibrator.js';
import { ChannelCalibrator } from './minmax/channels.js';
import { onnxRuntimeProvider } from './onnxruntime/provider.js';
import { CalibrationTable, type TensorRange } from './ranges.js';
import { listNames } from './tables/names.js';
import { HistogramCalibrator } from './values/calibrator.js';
import type { RepeatableBatches } from './values/passes.js';

/** Options of {@link calibrate}. */
export interface CalibrateOptions extends CollectOptions, MethodOptions {
  /** Threads that compute one run on the CPU; ONNX Runtime chooses by default (one a core). */
  threads?: number;
  /**
   * How far ONNX Runtime's CPU provider may rewrite the graph: `all` by default; `disabled` computes every
   * operator as its own calibrators do. The difference is rounding, 1e-6 of amax, which may make a
   * histogram method choose the edge beside.
   */
  graphOptimizationLevel?: GraphOptimizationLevel;
  /** What runs the model; ONNX Runtime's CPU provider by default. */
  provider?: GraphProvider;
  /** Folder of the external data of a model that is given as bytes. */
  folder?: string;
}

/** What the user of a table should know about its ranges. */
export function warningsOf(ranges: readonly (readonly [string, TensorRange])[]): string[] {
  const named = (test: (range: TensorRange) => boolean) =>
    ranges.filter(([, range]) => test(range)).map(([name]) => name);
  const nan = named(({ lowest, highest }) => Number.isNaN(lowest) || Number.isNaN(highest));
  const infinite = named(({ lowest, highest }) =>
    [lowest, highest].some((bound) => Math.abs(bound) === Number.POSITIVE_INFINITY),
  );
  const warnings: string[] = [];
  if (nan.length > 0) warnings.push(`Nothing but NaN was seen in ${listNames(nan, 5)}`);
  if (infinite.length > 0) warnings.push(`The range is not finite for ${listNames(infinite, 5)}`);
  return warnings;
}

/** What a method found, and how it is recorded. */
interface Outcome {
  ranges: [string, TensorRange][];
  options: Record<string, unknown>;
}

async function byMinMax(
  model: OnnxModel,
  batches: Batches,
  provider: GraphProvider,
  options: CalibrateOptions,
): Promise<Outcome> {
  const { symmetric = false, movingAverage, perChannel = false } = options;
  const averaging = defined({ movingAverage });
  const Calibrator = perChannel ? ChannelCalibrator : MinMaxCalibrator;
  await using calibrator = await Calibrator.create(model, provider, averaging);
  await calibrator.collect(batches, options);
  return {
    ranges: calibrator.ranges(symmetric),
    options: { symmetric, ...averaging, ...(perChannel ? { perChannel } : {}) },
  };
}

async function byHistogram(
  model: OnnxModel,
  batches: RepeatableBatches,
  provider: GraphProvider,
  method: HistogramMethodOptions,
  options: CalibrateOptions,
): Promise<Outcome> {
  await using calibrator = await HistogramCalibrator.create(model, provider, method);
  await calibrator.collect(batches, options);
  const { method: _, ...resolved } = calibrator.options;
  return { ranges: calibrator.ranges(), options: resolved };
}

function isIterable(value: unknown): value is Batches {
  return (
    typeof value === 'object' &&
    value !== null &&
    (Symbol.asyncIterator in value || Symbol.iterator in value)
  );
}

/**
 * Calibrates a model: finds the range of every tensor over the given inputs, as ONNX Runtime's
 * calibrator of the same method computes it (`CalibrationMethod.MinMax`, `Entropy`, `Percentile`,
 * `Distribution`).
 *
 * @param model Path of the .onnx file (external data is found beside it), its bytes, or what `loadModel`
 *   gave.
 * @param batches Tensors by input name, in any number and of any shapes that the model takes; or a
 *   function that gives them. The memory of a batch may be used again for the next one. The histogram
 *   methods go through the batches twice, so they take a function or an array.
 * @param options Method, threads, abort signal, progress in `images`.
 * @returns The table, with the model's digest, the method and the versions in `meta`, and warnings
 *   for tensors of which nothing but NaN, or infinity, was seen.
 * @throws TypeError or RangeError for a wrong option, and when a batch lacks an input of the model,
 *   or has one that it does not.
 * @throws TensorRTError `ONNXRUNTIME_MISSING`; `CALIBRATION_FAILED` without a batch, or where the
 *   method refuses a tensor's values; `MODEL_…` for a model that cannot be read or run;
 *   `INFERENCE_FAILED` in ONNX Runtime's own words.
 */
export async function calibrate(
  model: ModelToCalibrate,
  batches: Batches | (() => Batches),
  options: CalibrateOptions = {},
): Promise<CalibrationTable> {
  const { signal } = options;
  const method = checkMethodOptions(options);
  const provider = providerOf(options);
  if (method === 'minmax') {
    const once = typeof batches === 'function' ? batches() : batches;
    if (!isIterable(once)) throw expected('batches', 'an (async) iterable of tensors', batches);
    signal?.throwIfAborted();
    const ahead = startAhead(once);
    try {
      return await run(model, provider, options, (loaded) =>
        byMinMax(loaded, ahead, provider, options),
      );
    } finally {
      await ahead.return?.();
    }
  }
  if (typeof batches !== 'function' && !Array.isArray(batches)) {
    const why = `an array or a function that gives batches, because ${method} goes through them twice,`;
    throw expected('batches', why, batches);
  }
  signal?.throwIfAborted();
  return run(model, provider, options, (loaded) =>
    byHistogram(loaded, batches, provider, histogramOptionsOf(options)!, options),
  );
}

/** What runs the model. */
export function providerOf(options: CalibrateOptions): GraphProvider {
  const { provider, threads, graphOptimizationLevel } = options;
  if (threads !== undefined) integer('threads', threads, 1, 1024);
  if (graphOptimizationLevel !== undefined) {
    oneOf('graphOptimizationLevel', graphOptimizationLevel, GRAPH_OPTIMIZATION_LEVELS);
  }
  return provider ?? onnxRuntimeProvider(defined({ threads, graphOptimizationLevel }));
}

/** A model: path of the .onnx file, its bytes, or what `loadModel` gave. */
export type ModelToCalibrate = string | Uint8Array | OnnxModel;

function isLoaded(model: ModelToCalibrate): model is OnnxModel {
  return typeof model === 'object' && model !== null && 'proto' in model;
}

/** The model, and what a table will say of it. */
export async function loadForCalibration(
  model: ModelToCalibrate,
  { folder }: CalibrateOptions,
): Promise<{ loaded: OnnxModel; identity: ModelIdentity }> {
  // External weights stay where they are: ONNX Runtime reads them itself.
  const loaded = isLoaded(model)
    ? model
    : await loadModel(model, { externalData: false, ...defined({ folder }) });
  const file = loaded.path === undefined ? {} : { file: basename(loaded.path) };
  return { loaded, identity: { sha256: loaded.sha256, ...file } };
}

async function run(
  model: ModelToCalibrate,
  provider: GraphProvider,
  options: CalibrateOptions,
  compute: (loaded: OnnxModel) => Promise<Outcome>,
): Promise<CalibrationTable> {
  const { method = 'minmax' } = options;
  const { loaded, identity } = await loadForCalibration(model, options);
  const versions = await provider.versions();
  const { ranges, options: used } = await compute(loaded);
  return new CalibrationTable(ranges, {
    method,
    warnings: warningsOf(ranges),
    meta: { version: 1, model: identity, method: { name: method, options: used }, versions },
  });
}
