import { number, oneOf } from '../../arguments.js';
import type { NativeLoopOptions } from './binding.js';
import type { Fetches } from './types.js';

/** Options of `InferenceSession.loop`. */
export interface LoopOptions {
  /**
   * What moves in every iteration: nothing (`none`), pinned memory to the GPU and back (`pinned`), or
   * the feeds' own memory as in `run` (`memory`, the default).
   */
  transfers?: 'none' | 'pinned' | 'memory';
  /** Launch CUDA graphs; on by default. */
  graph?: boolean;
  /** Poll the GPU instead of leaving the wait to the driver; off by default. */
  spin?: boolean;
  /** Time upload, computation and download on the GPU; costs a few microseconds an iteration. */
  events?: boolean;
  /** Iterations at least; 10 by default. */
  iterations?: number;
  /** Seconds at least; 0 by default. */
  duration?: number;
  /** Seconds of iterations before those that count; 0.2 by default. */
  warmUp?: number;
  /** Outputs that are wanted, or tensors to write them into, as for `run`; all by default. */
  fetches?: Fetches;
  /** Takes the loop out of the queue, or drops its result. */
  signal?: AbortSignal;
}

/** Times of a loop in milliseconds, one an iteration. */
export interface LoopTimes {
  /** From the first call of an iteration to the end of its wait, on the CPU. */
  host: Float64Array;
  /** Of launching the computation, on the CPU. */
  enqueue: Float64Array;
  /** Where the launch began, on the CPU, since the first iteration. */
  enqueueStart: Float64Array;
  /** Where the upload began, on the GPU, since the first iteration; empty without `events`. */
  uploadStart: Float64Array;
  /** Of the upload, on the GPU; empty without `events`. */
  upload: Float64Array;
  /** Of the computation, on the GPU; empty without `events`. */
  compute: Float64Array;
  /** Of the download, on the GPU; empty without `events`. */
  download: Float64Array;
  /** Start of the first iteration that counts, on the machine's steady clock. */
  beginMs: number;
  /** End of the last one. */
  endMs: number;
  /** Whether every iteration was the launch of a CUDA graph. */
  graph: boolean;
}

/** Time of one layer of an engine. */
export interface LayerTimes {
  /** The layer, as TensorRT names it; the names of layers that were fused are joined. */
  name: string;
  /** Milliseconds on the GPU, one a run. */
  milliseconds: Float64Array;
}

/**
 * Checks the options of a loop.
 *
 * @throws TypeError, RangeError.
 */
export function nativeLoopOptions(options: LoopOptions): NativeLoopOptions {
  const positive = (value: number) => value >= 0;
  return {
    transfers: oneOf('transfers', options.transfers ?? 'memory', ['none', 'pinned', 'memory']),
    graph: options.graph ?? true,
    spin: options.spin ?? false,
    events: options.events ?? false,
    iterations: number('iterations', options.iterations ?? 10, 'a positive number', (n) => n >= 1),
    seconds: number('duration', options.duration ?? 0, 'seconds, at least 0', positive),
    warmUpSeconds: number('warmUp', options.warmUp ?? 0.2, 'seconds, at least 0', positive),
  };
}
