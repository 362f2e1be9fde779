import { decodeNativeCache } from '../calibration/index.js';
import { defined } from '../defined.js';
import type { LongCallOptions } from '../progress.js';
import type { FamilyBinding, NativeBuildOptions } from '../runtime/index.js';
import type { BuildCalibrator, CalibrationReport } from './calibrator/index.js';
import { failureOf } from './failures.js';
import { type ImageModel, planeProfiles } from './image-input.js';
import { nativeOptions } from './native-options.js';
import type { BuildOptions } from './options.js';
import type { Precision } from './precision.js';
import { type TableRanges, usableRanges } from './ranges.js';
import type { TimedRun } from './timing-cache.js';

/**
 * How hard the builder looks for kernels in the build that calibrates: its engine is thrown away. The
 * lowest level takes the first kernel that runs, and a calibration over thousands of images would wait
 * for a slow one.
 */
const OPTIMIZATION_LEVEL = 1;

/** Phase of the build that calibrates, while no batches are taken. */
const PHASE = 'float model';

/** What {@link calibrateFloatModel} builds with. */
export interface CalibratedBuild {
  calibrator: BuildCalibrator;
  /** What messages call the model. */
  label: string;
  /** The module that builds. */
  binding: FamilyBinding;
  /** Runs a build with the timing cache. */
  timed: TimedRun;
}

/** What {@link calibrateFloatModel} gives. */
export interface FloatCalibration {
  /** What the calibrator did. */
  report: CalibrationReport;
  /** The ranges by the tensor names of the float model. */
  ranges: TableRanges;
  /** How long the build took that was for them; 0 when they come from a cache. */
  elapsedMs: number;
  /** What went wrong with the timing cache. */
  warnings: string[];
}

/**
 * The build of the float model that a calibration takes: what bears on ranges, and nothing that bears
 * on the engine. TensorRT's developer guide says how it calibrates: a 32-bit engine is built and run, at
 * the calibration profile, and the INT8 engine is built after the ranges are written. So half precision
 * and further profiles are left out, which would only give the second one more kernels to time; TF32 is
 * how a 32-bit engine may compute, and the tactic sources are its kernels: they are the caller's.
 *
 * @param native Model and libraries.
 * @param options Those of the build.
 * @param precision What the build may compute in.
 * @param input Name of the image input.
 */
export function calibrationRequest(
  native: NativeBuildOptions,
  options: BuildOptions,
  { tf32 }: Precision,
  input: string,
): NativeBuildOptions {
  const { profiles, memoryPools, tacticSources } = nativeOptions({
    ...options,
    profiles: planeProfiles((options.profiles ?? []).slice(0, 1), input),
  });
  return {
    ...native,
    ...defined({ profiles, memoryPools, tacticSources }),
    flags: ['int8'],
    ...(tf32 ? {} : { tf32 }),
    optimizationLevel: OPTIMIZATION_LEVEL,
    profilingVerbosity: 'none',
  };
}

/**
 * Lets TensorRT's calibrator measure the model as it was given, without an image input: whether the
 * calibrators of 8.6 take inputs of bytes is documented nowhere, and the tensors before the model's own
 * input must have no range. TensorRT calibrates within a build only: 10 is stopped there, 8.6 cannot be, so
 * that this is a whole build; a cache that can be used saves it.
 *
 * @param build The calibrator, and how to build.
 * @param request What {@link calibrationRequest} gave.
 * @param call Signal and progress of the caller.
 * @throws As a build with a calibrator.
 */
export async function calibrateFloatModel(
  { calibrator, label, binding, timed }: CalibratedBuild,
  request: NativeBuildOptions,
  call: LongCallOptions,
): Promise<FloatCalibration> {
  const rangesOf = ({ cache }: CalibrationReport) => usableRanges(decodeNativeCache(cache));
  const known = calibrator.reused();
  if (known !== undefined) {
    return { report: known, ranges: rangesOf(known), elapsedMs: 0, warnings: [] };
  }
  const { signal, onProgress } = call;
  const start = performance.now();
  const inner: LongCallOptions = {
    ...defined({ signal }),
    ...(onProgress === undefined
      ? {}
      : {
          onProgress: (progress) => {
            onProgress(progress.unit === undefined ? { ...progress, phase: PHASE } : progress);
          },
        }),
  };
  const { outcome, warnings } = await timed(request, (full) =>
    calibrator.run(binding, full, inner, true),
  );
  const failure = failureOf(label, outcome);
  if (failure !== undefined) throw failure;
  signal?.throwIfAborted();
  const report = await calibrator.finish(outcome);
  const elapsedMs = performance.now() - start;
  return { report, ranges: rangesOf(report), elapsedMs, warnings };
}

/** A call whose time began earlier. */
export function continued(call: LongCallOptions, elapsedMs: number): LongCallOptions {
  const { onProgress } = call;
  if (onProgress === undefined || elapsedMs === 0) return call;
  return {
    ...call,
    onProgress: (progress) => {
      onProgress({ ...progress, elapsedMs: progress.elapsedMs + elapsedMs });
    },
  };
}

/** Names that TensorRT makes up of a layer's number. */
const NUMBERED = /^\(Unnamed Layer\* \d+\)/;

/**
 * Ranges for a build. With an image input, what stands for the model's input belongs to the tensor that
 * takes its place, and names that count layers mean others: there are more layers in front.
 *
 * @param table The ranges by the names of the model.
 * @param image The model with its image input.
 */
export function rangesFor(
  { ranges }: TableRanges,
  image: ImageModel | undefined,
): TableRanges['ranges'] {
  if (image === undefined) return ranges;
  const { tensor, info } = image;
  return ranges
    .filter(({ name }) => !NUMBERED.test(name))
    .map((one) => (one.name === info.input ? { ...one, name: tensor } : one));
}
