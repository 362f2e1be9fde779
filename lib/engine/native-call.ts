import type { LongCallOptions, Progress } from '../progress.js';
import type { NativeCall, NativeOutcome, NativePhase } from '../runtime/index.js';

/** How often it is looked whether the time should be told. */
const REPORT_MS = 100;
/** Without a new phase, the elapsed time is told this often: TensorRT is silent for most of a build. */
const HEARTBEAT_MS = 1000;

/** What is told of a call, apart from the time. */
export type CallState = Omit<Progress, 'elapsedMs'>;

/** What the one who starts a native call may do while it runs. */
export interface CallHooks {
  /** Given to the native call; absent when nobody wants to know. */
  onPhase?: (phase: NativePhase) => void;
  /** Tells something else than TensorRT's phase, until it is called without. */
  setState(state?: CallState): void;
  /** Makes the call reject with this, at once. */
  fail(reason: unknown): void;
}

/**
 * Runs a native call under an `AbortSignal` and with progress reports: TensorRT's phase and the time
 * since the call began, no percentage, because TensorRT gives none.
 *
 * When the signal fires, or `onProgress` throws, the call rejects at once with that reason; the
 * library is told to stop, and what it still gives is dropped.
 *
 * @param options Signal and progress of the caller.
 * @param start Starts the native call.
 * @throws `signal.reason`, or what `onProgress` threw.
 */
export async function runNativeCall(
  { signal, onProgress }: LongCallOptions,
  start: (hooks: CallHooks) => NativeCall,
): Promise<NativeOutcome> {
  signal?.throwIfAborted();
  const begin = performance.now();
  let phase: CallState = { phase: 'build', done: 0 };
  let state: CallState | undefined;
  let told: CallState | undefined;
  let toldAt = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  let onAbort: (() => void) | undefined;
  let tellPhase = (): void => {};
  let stop: (reason: unknown) => void = () => {};

  const call = start({
    ...(onProgress === undefined
      ? {}
      : {
          onPhase: (report) => {
            if (report.phase !== phase.phase) phase = { phase: report.phase, done: 0 };
            if (state === undefined) tellPhase();
          },
        }),
    setState: (next) => {
      const turned = next?.phase !== state?.phase || next?.done === next?.total;
      state = next;
      if (turned) tellPhase();
    },
    fail: (reason) => stop(reason),
  });
  try {
    return await new Promise<NativeOutcome>((resolve, reject) => {
      stop = (reason) => {
        call.cancel();
        reject(reason);
      };
      const tell = (): void => {
        const now = performance.now();
        const current = state ?? phase;
        if (current === told && now - toldAt < HEARTBEAT_MS) return;
        told = current;
        toldAt = now;
        try {
          onProgress?.({ ...current, elapsedMs: now - begin });
        } catch (error) {
          stop(error);
        }
      };
      if (signal !== undefined) {
        onAbort = () => stop(signal.reason);
        signal.addEventListener('abort', onAbort, { once: true });
      }
      if (onProgress !== undefined) {
        tell();
        // A phase is told when it begins, however short it is: there are few of them.
        tellPhase = tell;
        timer = setInterval(tell, REPORT_MS);
      }
      call.promise.then((outcome) => {
        tell();
        resolve(outcome);
      }, reject);
    });
  } finally {
    clearInterval(timer);
    if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort);
    tellPhase = () => {};
  }
}
