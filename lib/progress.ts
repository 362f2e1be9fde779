import { defined } from './defined.js';

/** One report of a long call. Reports come at most about ten times a second. */
export interface Progress {
  /** What is being done, one or two words: `calibrate`, `build`, `download`, `list`. */
  phase: string;
  /** How much is done, in `unit`; 0 when that cannot be known. */
  done: number;
  /** How much there is, in `unit`; absent when that is not known. TensorRT builds never have one. */
  total?: number;
  /** What `done` counts: `images`, `bytes`, `files`. */
  unit?: string;
  /** Milliseconds since the call began. */
  elapsedMs: number;
}

/** Receives the reports of a long call. What it throws makes the call fail with that error. */
export type OnProgress = (progress: Progress) => void;

/** What every long call takes. */
export interface LongCallOptions {
  /** Stops the call; it then rejects with `signal.reason`. */
  signal?: AbortSignal;
  /** Told how far the call is. */
  onProgress?: OnProgress;
}

/**
 * A reporter that passes on at most one report per `intervalMs`, and always the last one (`done`
 * equal to `total`).
 */
export function throttle(onProgress: OnProgress | undefined, phase: string, intervalMs = 100) {
  const start = performance.now();
  let last = Number.NEGATIVE_INFINITY;
  return (done: number, total?: number, unit?: string): void => {
    if (onProgress === undefined) return;
    const now = performance.now();
    if (now - last < intervalMs && done !== total) return;
    last = now;
    onProgress({
      phase,
      done,
      ...defined({ total, unit }),
      elapsedMs: now - start,
    });
  };
}
