import { basename } from 'node:path';
import { expected, integer } from '../arguments.js';
import { loadModel } from '../onnx/index.js';
import type { NamedTensors } from '../tensor.js';
import { startAhead } from './ahead.js';
import type { GraphProvider } from './graph-runner.js';
import type { CollectOptions } from './minmax/batches.js';
import { MinMaxCalibrator } from './minmax/calibrator.js';
import { onnxRuntimeProvider } from './onnxruntime/provider.js';
import { CalibrationTable, type TensorRange } from './ranges.js';

/** Options of {@link calibrate}. */
export interface CalibrateOptions extends CollectOptions {
  /** Make every range symmetric, (−amax, amax), as ONNX Runtime's option of that name; false by default. */
  symmetric?: boolean;
  /** Threads that compute one run on the CPU; ONNX Runtime chooses by default (one a core). */
  threads?: number;
  /** What runs the model; ONNX Runtime's CPU provider by default. */
  provider?: GraphProvider;
  /** Folder of the external data of a model that is given as bytes. */
  folder?: string;
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, 5).map((name) => JSON.stringify(name));
  const rest = names.length - shown.length;
  return rest > 0 ? `${shown.join(', ')} and ${rest} more` : shown.join(', ');
}

/** What the user of a table should know about its ranges. */
function warningsOf(ranges: readonly (readonly [string, TensorRange])[]): string[] {
  const named = (test: (range: TensorRange) => boolean) =>
    ranges.filter(([, range]) => test(range)).map(([name]) => name);
  const nan = named(({ lowest, highest }) => Number.isNaN(lowest) || Number.isNaN(highest));
  const infinite = named(({ lowest, highest }) =>
    [lowest, highest].some((bound) => Math.abs(bound) === Number.POSITIVE_INFINITY),
  );
  const warnings: string[] = [];
  if (nan.length > 0) warnings.push(`Nothing but NaN was seen in ${list(nan)}`);
  if (infinite.length > 0) warnings.push(`The range is not finite for ${list(infinite)}`);
  return warnings;
}

/**
 * Calibrates a model by MinMax: the smallest and the largest value that every tensor takes over the
 * given inputs, as ONNX Runtime's calibrator computes them (`CalibrationMethod.MinMax`).
 *
 * @param model Path of the .onnx file (external data is found beside it), or its bytes.
 * @param batches Tensors by input name, in any number and of any shapes that the model takes. Each
 *   batch is done with before the next is asked for.
 * @param options Symmetric ranges, threads, abort signal, progress in `images`.
 * @returns The table, with the model's digest and the versions in `meta`, and warnings for tensors
 *   of which nothing but NaN, or infinity, was seen.
 * @throws TypeError when a batch lacks an input of the model, or has one that it does not.
 * @throws TensorRTError `ONNXRUNTIME_MISSING`; `CALIBRATION_FAILED` without a batch; `MODEL_…` for
 *   a model that cannot be read or run; `INFERENCE_FAILED` in ONNX Runtime's own words.
 */
export async function calibrate(
  model: string | Uint8Array,
  batches: AsyncIterable<NamedTensors> | Iterable<NamedTensors>,
  options: CalibrateOptions = {},
): Promise<CalibrationTable> {
  const { symmetric = false, threads } = options;
  if (typeof symmetric !== 'boolean') throw expected('symmetric', 'a boolean', symmetric);
  if (threads !== undefined) integer('threads', threads, 1, 1024);
  if (!isIterable(batches)) throw expected('batches', 'an (async) iterable of tensors', batches);
  options.signal?.throwIfAborted();
  const provider =
    options.provider ?? onnxRuntimeProvider(threads === undefined ? {} : { threads });
  const ahead = startAhead(batches);
  try {
    return await calibrateMinMax(model, ahead, provider, options);
  } finally {
    await ahead.return?.();
  }
}

async function calibrateMinMax(
  model: string | Uint8Array,
  batches: AsyncIterable<NamedTensors>,
  provider: GraphProvider,
  options: CalibrateOptions,
): Promise<CalibrationTable> {
  const { symmetric = false, folder } = options;
  // Weights stay where they are: ONNX Runtime reads them itself.
  const loaded = await loadModel(model, {
    externalData: false,
    ...(folder === undefined ? {} : { folder }),
  });
  const versions = await provider.versions();
  await using calibrator = await MinMaxCalibrator.create(loaded, provider);
  await calibrator.collect(batches, options);
  const ranges = calibrator.ranges(symmetric);
  return new CalibrationTable(ranges, {
    method: 'minmax',
    warnings: warningsOf(ranges),
    meta: {
      version: 1,
      model: {
        sha256: loaded.sha256,
        ...(typeof model === 'string' ? { file: basename(model) } : {}),
      },
      method: { name: 'minmax', options: { symmetric } },
      versions,
    },
  });
}

function isIterable(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    (Symbol.asyncIterator in value || Symbol.iterator in value)
  );
}
