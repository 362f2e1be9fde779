import type { LongCallOptions, Progress } from '../progress.js';
import type { NativeCall, NativeOutcome, NativePhase } from '../runtime/index.js';

/** How often it is looked whether the time should be told. */
const REPORT_MS = 100;
/** Without a new phase, the elapsed time is told this often: TensorRT is silent for most of a build. */
const HEARTBEAT_MS = 1000;

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
  start: (onPhase?: (phase: NativePhase) => void) => NativeCall,
): Promise<NativeOutcome> {
  signal?.throwIfAborted();
  const begin = performance.now();
  let phase = 'build';
  let told = '';
  let toldAt = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  let onAbort: (() => void) | undefined;
  let tellPhase = (): void => {};

  const call = start(
    onProgress === undefined
      ? undefined
      : (report) => {
          phase = report.phase;
          tellPhase();
        },
  );
  try {
    return await new Promise<NativeOutcome>((resolve, reject) => {
      const stop = (reason: unknown): void => {
        call.cancel();
        reject(reason);
      };
      const tell = (): void => {
        const now = performance.now();
        if (phase === told && now - toldAt < HEARTBEAT_MS) return;
        told = phase;
        toldAt = now;
        const progress: Progress = { phase, done: 0, elapsedMs: now - begin };
        try {
          onProgress?.(progress);
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
  }
}
