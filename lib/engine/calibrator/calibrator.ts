import { createHash } from 'node:crypto';
import { defined } from '../../defined.js';
import { isErrorCode, TensorRTError } from '../../errors.js';
import type { LongCallOptions } from '../../progress.js';
import type {
  CalibratorEvent,
  FamilyBinding,
  NativeBuildOptions,
  NativeCalibration,
  NativeCalibratorCall,
  NativeFailure,
  NativeOutcome,
  TensorDescription,
  UsableLibrary,
} from '../../runtime/index.js';
import { type CallHooks, runNativeCall } from '../native-call.js';
import { choosesPrecision } from '../precision.js';
import { unsupported } from '../unsupported.js';
import { type FoundCache, findCache, writeCache } from './cache.js';
import type { CheckedCalibrator } from './options.js';
import { BatchPump } from './pump.js';
import type { CalibrationReport } from './report.js';

/** TensorRT's calibrator in one build: the cache before and after, and the batches in between. */
export class BuildCalibrator {
  readonly #options: CheckedCalibrator;
  readonly #found: FoundCache;
  readonly #modelSha256: string;
  #pump: BatchPump | undefined;

  private constructor(options: CheckedCalibrator, found: FoundCache, modelSha256: string) {
    this.#options = options;
    this.#found = found;
    this.#modelSha256 = modelSha256;
  }

  /**
   * Looks for a cache that can be used.
   *
   * @param options The caller's, checked.
   * @param library The TensorRT that builds.
   * @param modelSha256 SHA-256 of the model.
   * @throws TensorRTError `OPTION_UNSUPPORTED` when that TensorRT has no calibrator;
   *   `CALIBRATION_FAILED` without a usable cache and without batches.
   */
  static async create(
    options: CheckedCalibrator,
    library: UsableLibrary,
    modelSha256: string,
  ): Promise<BuildCalibrator> {
    if (!choosesPrecision(library.family)) {
      throw unsupported(
        library,
        'calibrator',
        'its engines have the precision of the model',
        'Write the ranges into the model: `tensorrt-node calibrate`, then `tensorrt-node quantize`.',
      );
    }
    const found = await findCache(options, library.version, modelSha256);
    if (found.bytes === undefined && options.batches === undefined) {
      throw new TensorRTError(
        'CALIBRATION_FAILED',
        `There is no calibration cache to use: ${found.refused ?? 'the file is not there'}`,
        { remedy: 'Give batches to calibrate with, or the cache of this TensorRT and calibrator.' },
      );
    }
    return new BuildCalibrator(options, found, modelSha256);
  }

  /** What names the ranges of this build, for the engine cache; undefined when nothing does. */
  get id(): string | undefined {
    const { id, algorithm, lastBatch } = this.#options;
    if (id !== undefined) return JSON.stringify({ algorithm, lastBatch, id });
    const { bytes } = this.#found;
    if (bytes === undefined) return undefined;
    return `cache ${createHash('sha256').update(bytes).digest('hex')}`;
  }

  /**
   * Builds, and feeds the calibrator.
   *
   * @param binding The native module.
   * @param request What is to be built.
   * @param call Signal and progress of the caller.
   * @param cacheOnly Whether the ranges are all that is wanted, and no plan.
   * @throws What the source of batches throws, or what a batch of it is refused with; `signal.reason`.
   */
  async run(
    binding: FamilyBinding,
    request: NativeBuildOptions,
    call: LongCallOptions,
    cacheOnly = false,
  ): Promise<NativeOutcome> {
    const { algorithm } = this.#options;
    const { bytes } = this.#found;
    try {
      return await runNativeCall(call, (hooks) => {
        const started = binding.build(
          {
            ...request,
            calibrator: {
              algorithm,
              ...defined({ cache: bytes }),
              cacheOnly,
              onEvent: (event, payload) => {
                try {
                  this.#onEvent(event, payload, started, hooks);
                } catch (error) {
                  // The native module calls this: nobody above would see it.
                  hooks.fail(error);
                }
              },
            },
          },
          hooks.onPhase,
        );
        try {
          if (bytes === undefined) this.#open(started, hooks);
        } catch (error) {
          started.cancel();
          throw error;
        }
        return started;
      });
    } finally {
      this.#pump?.close();
    }
  }

  #open(call: NativeCalibratorCall, hooks: CallHooks): void {
    const { batches, lastBatch } = this.#options;
    if (batches === undefined) {
      call.end();
      return;
    }
    const source = typeof batches === 'function' ? batches() : batches;
    this.#pump = new BatchPump(source, lastBatch, call, {
      onRows: (rows) => this.#tell(hooks, rows),
      onError: (error) => hooks.fail(error),
    });
  }

  #tell(hooks: CallHooks, done: number): void {
    const { total } = this.#options;
    const state = { phase: 'calibrate', done, unit: 'images' };
    hooks.setState(total === undefined ? state : { ...state, total });
  }

  #onEvent(
    event: CalibratorEvent,
    payload: unknown,
    call: NativeCalibratorCall,
    hooks: CallHooks,
  ): void {
    switch (event) {
      case 'inputs':
        // Not open yet when TensorRT was given a cache and refuses it after all.
        if (this.#pump === undefined) this.#open(call, hooks);
        this.#tell(hooks, 0);
        this.#pump?.begin(payload as TensorDescription[]);
        break;
      case 'copied':
        this.#pump?.copied();
        break;
      case 'calibrated':
        hooks.setState();
        break;
      case 'failed': {
        const { code, message, remedy } = payload as NativeFailure;
        // A driver call that fails here is no run of a model.
        const known =
          isErrorCode(code) && code !== 'INFERENCE_FAILED' ? code : 'CALIBRATION_FAILED';
        hooks.fail(new TensorRTError(known, message, remedy === '' ? {} : { remedy }));
      }
    }
  }

  /**
   * What is reported of a build that came to its end; writes the cache when it is new.
   *
   * @param outcome What the native module gave.
   * @throws TensorRTError `WRITE_FAILED`; `CALIBRATION_FAILED` when TensorRT did not calibrate.
   */
  async finish({ calibration }: NativeOutcome): Promise<CalibrationReport> {
    if (calibration === undefined || calibration.cache.length === 0) {
      throw new TensorRTError('CALIBRATION_FAILED', 'TensorRT built without asking for a batch', {
        remedy: 'Leave the calibrator out: this model has nothing that TensorRT would calibrate.',
      });
    }
    const report = this.#report(calibration);
    const { cacheFile, fromCache, batches, images } = report;
    if (cacheFile !== undefined && !fromCache) {
      const { algorithm, id } = this.#options;
      const modelSha256 = this.#modelSha256;
      const origin = { modelSha256, algorithm, ...defined({ id }) };
      await writeCache(cacheFile, calibration.cache, { ...origin, batches, images });
    }
    return report;
  }

  /** What is reported where the ranges of the cache are all that is wanted; undefined without one. */
  reused(): CalibrationReport | undefined {
    const { bytes } = this.#found;
    if (bytes === undefined) return undefined;
    const times = { waitMs: 0, calibrationMs: 0 };
    return this.#report({ cache: new Uint8Array(bytes), fromCache: true, batches: 0, ...times });
  }

  #report({ cache, ...rest }: NativeCalibration): CalibrationReport {
    const { algorithm, cache: given } = this.#options;
    const { fromCache, batches, waitMs, calibrationMs } = rest;
    return {
      algorithm,
      cache,
      ...(typeof given === 'string' ? { cacheFile: given } : {}),
      fromCache,
      ...(this.#found.refused === undefined ? {} : { cacheRefused: this.#found.refused }),
      batches,
      images: this.#pump?.rows ?? 0,
      ...(this.#pump?.summary ?? { paddedRows: 0, droppedRows: 0, shapes: {} }),
      waitMs,
      calibrationMs,
    };
  }
}
