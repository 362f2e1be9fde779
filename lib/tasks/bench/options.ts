import { expected, integer, number } from '../../arguments.js';
import { defined } from '../../defined.js';
import type { BuildOptions } from '../../engine/index.js';
import type { LongCallOptions } from '../../progress.js';
import type { LibraryOptions } from '../../runtime/index.js';
import type { RecipeOptions } from '../recipe.js';

/**
 * Options of `bench`; trtexec's names and defaults where it has them. The recipe is that of an engine
 * that is built to take images as bytes (`build.imageInput`), as `buildFile` takes it.
 */
export interface BenchOptions extends LibraryOptions, LongCallOptions, RecipeOptions {
  /** Shapes to run with, by input; needed where they are dynamic and no profile says them. */
  shapes?: Readonly<Record<string, readonly number[]>>;
  /** Milliseconds of runs before those that count, 200 by default. */
  warmUp?: number;
  /** Seconds to measure at least, 3 by default. */
  duration?: number;
  /** Runs to measure at least, in each stream; 10 by default. */
  iterations?: number;
  /** Percentiles to report, each over 0 to 100; 90, 95 and 99 by default. */
  percentiles?: readonly number[];
  /** Streams that run at the same time, each with a context of its own; 1 by default. */
  infStreams?: number;
  /** Launch CUDA graphs; off by default, as in trtexec. */
  useCudaGraph?: boolean;
  /** Poll the GPU, and for results, instead of sleeping; off by default. */
  useSpinWait?: boolean;
  /** Leave inputs and outputs on the GPU; off by default. */
  noDataTransfers?: boolean;
  /** Measure the time of every layer in a pass of its own; off by default. */
  profile?: boolean;
  /** Run once more and give the outputs; off by default. */
  outputs?: boolean;
  /** Ask the engine for its layers; off by default. */
  layerInfo?: boolean;
  /** Measure `run` beside the native loop; on by default. */
  overhead?: boolean;
  /** Inputs by name, each the path of a file of raw elements; random ones by default. */
  loadInputs?: Readonly<Record<string, string>>;
  /** Number of the GPU, 0 by default. */
  deviceId?: number;
  /** How an ONNX model is built, through the engine cache. */
  build?: BuildOptions;
}

/** {@link BenchOptions} with its defaults. */
export interface BenchSwitches {
  warmUp: number;
  duration: number;
  iterations: number;
  percentiles: readonly number[];
  infStreams: number;
  useCudaGraph: boolean;
  useSpinWait: boolean;
  noDataTransfers: boolean;
  profile: boolean;
  outputs: boolean;
  layerInfo: boolean;
  overhead: boolean;
  deviceId: number;
  shapes?: Readonly<Record<string, readonly number[]>>;
  loadInputs?: Readonly<Record<string, string>>;
}

function percentages(value: unknown): number[] {
  const what = 'numbers over 0 to 100';
  if (!Array.isArray(value)) throw expected('percentiles', `an array of ${what}`, value);
  return value.map((one) => number('percentiles', one, what, (n) => n > 0 && n <= 100));
}

/**
 * The switches of a bench, checked.
 *
 * @throws TypeError, RangeError that name the option.
 */
export function benchSwitches(options: BenchOptions): BenchSwitches {
  const atLeastZero = (value: number) => value >= 0;
  return {
    warmUp: number('warmUp', options.warmUp ?? 200, 'milliseconds, at least 0', atLeastZero),
    duration: number('duration', options.duration ?? 3, 'seconds, at least 0', atLeastZero),
    iterations: integer('iterations', options.iterations ?? 10, 1),
    percentiles: percentages(options.percentiles ?? [90, 95, 99]),
    infStreams: integer('infStreams', options.infStreams ?? 1, 1, 64),
    useCudaGraph: options.useCudaGraph ?? false,
    useSpinWait: options.useSpinWait ?? false,
    noDataTransfers: options.noDataTransfers ?? false,
    profile: options.profile ?? false,
    outputs: options.outputs ?? false,
    layerInfo: options.layerInfo ?? false,
    overhead: options.overhead ?? true,
    deviceId: integer('deviceId', options.deviceId ?? 0, 0, 1023),
    ...defined({ shapes: options.shapes, loadInputs: options.loadInputs }),
  };
}
