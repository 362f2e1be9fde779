import { availableParallelism } from 'node:os';
import { expected, integer } from '../../arguments.js';
import { defined } from '../../defined.js';
import type { LibraryOptions } from '../../runtime/index.js';
import type { NativeOpenOptions } from './binding.js';

/** Options of `InferenceSession.create`. */
export interface InferenceSessionOptions extends LibraryOptions {
  /** Number of the GPU, 0 by default. */
  deviceId?: number;
  /**
   * Execution contexts, each with a stream and a thread of its own: how many runs may be on the GPU at
   * once. 1 by default; 2 or 3 overlap upload, computation and download of large batches.
   */
  contexts?: number;
  /** Launch runs as CUDA graphs, captured once for each kind of shapes; on by default. */
  enableGraphCapture?: boolean;
  /**
   * Poll for work, for the GPU and, in the event loop, for results instead of sleeping: a core for each
   * context and one for the event loop while runs are in flight, lowest latency.
   */
  spinWait?: boolean;
  /** How long an idle worker polls for work before it sleeps, in microseconds; 50 by default. */
  spinMicroseconds?: number;
  /**
   * How long before the expected result of a run the event loop is woken to poll for it, in
   * microseconds: a thread that slept for as long as a run takes wakes late. Only for runs of up to
   * 2 ms that are alone. 0 leaves it asleep; by default 100 where there are at least 4 cores, else 0.
   */
  wakeAheadMicroseconds?: number;
  /** Optimization profile for all runs; by default each run takes the first that fits its shapes. */
  profile?: number;
  /** Runs that may wait at once, 1024 by default; further ones are refused with `QUEUE_FULL`. */
  maxQueued?: number;
  /**
   * Run once on opening, with the shapes that the profile is optimized for, so that no real run of these
   * shapes is the slow first one; on by default.
   */
  warmUp?: boolean;
}

/** What `wakeAheadMicroseconds` is: on few cores, polling takes the core that the work needs. */
export function wakeAhead({ wakeAheadMicroseconds }: InferenceSessionOptions): number {
  const otherwise = availableParallelism() >= 4 ? 100 : 0;
  return integer('wakeAheadMicroseconds', wakeAheadMicroseconds ?? otherwise, 0, 1_000_000);
}

/** Options of `InferenceSession.ping`. */
export interface PingOptions {
  /** How long the worker keeps it, in microseconds; 0 by default. */
  holdMicroseconds?: number;
}

/**
 * Checks the options of `ping`.
 *
 * @throws TypeError, RangeError.
 */
export function pingMicroseconds({ holdMicroseconds = 0 }: PingOptions): number {
  return integer('holdMicroseconds', holdMicroseconds, 0, 10_000_000);
}

/** What a session can be made from. */
export type EngineSource =
  | string
  | Uint8Array
  | {
      /** The plan. */
      readonly plan: Uint8Array;
      /** Where it lies, for messages. */
      readonly planPath?: string;
    };

function flag(option: string, value: unknown, otherwise: boolean): boolean {
  if (value === undefined) return otherwise;
  if (typeof value !== 'boolean') throw expected(option, 'a boolean', value);
  return value;
}

/** Where a plan is: its bytes, else its path, which messages name in either case. */
export interface NativeSource {
  planPath?: string;
  planBytes?: Uint8Array;
}

/**
 * Where a plan is.
 *
 * @throws TypeError when `engine` is nothing that a session can be made from.
 */
export function sourceOf(engine: EngineSource): NativeSource {
  if (typeof engine === 'string') return { planPath: engine };
  if (engine instanceof Uint8Array) return { planBytes: engine };
  const { plan: planBytes, planPath } = engine ?? {};
  if (!(planBytes instanceof Uint8Array)) {
    throw expected('engine', 'a path, the bytes of a plan, or an object with a plan', engine);
  }
  if (planPath !== undefined && typeof planPath !== 'string') {
    throw expected('engine.planPath', 'a path', planPath);
  }
  return { planBytes, ...defined({ planPath }) };
}

/**
 * Checks the arguments of `create`.
 *
 * @throws TypeError, RangeError.
 */
export function nativeOptions(
  engine: EngineSource,
  options: InferenceSessionOptions,
): Omit<NativeOpenOptions, 'inferLibrary'> {
  const { spinMicroseconds = 50, profile } = options;
  return {
    ...sourceOf(engine),
    deviceId: integer('deviceId', options.deviceId ?? 0, 0, 1023),
    contexts: integer('contexts', options.contexts ?? 1, 1, 64),
    graph: flag('enableGraphCapture', options.enableGraphCapture, true),
    spin: flag('spinWait', options.spinWait, false),
    maxQueued: integer('maxQueued', options.maxQueued ?? 1024, 1, 1_000_000),
    warmUp: flag('warmUp', options.warmUp, true),
    spinMicroseconds: integer('spinMicroseconds', spinMicroseconds, 0, 1_000_000),
    aheadMicroseconds: wakeAhead(options),
    ...(profile === undefined ? {} : { profile: integer('profile', profile, 0, 1023) }),
  };
}
