import { isErrorCode, TensorRTError } from '../../errors.js';
import type {
  CalibratorEvent,
  NativeCalibration,
  NativeCalibrator,
  NativeCalibratorCall,
  NativeFailure,
  TensorDescription,
  UsableLibrary,
} from '../../runtime/index.js';
import { type CacheOrigin, type FoundCache, findCache, writeCache } from './cache.js';
import type { CheckedCalibrator } from './options.js';
import { BatchPump } from './pump.js';
import type { CalibrationReport } from './report.js';

/** What a calibrated build tells while it runs. */
export interface CalibrationEvents {
  /** Images handed to TensorRT so far, and whether that were all. */
  onImages(done: number, finished: boolean): void;
  /** The build cannot come to anything: it is to reject with this. */
  onError(error: unknown): void;
}

function noCalibrator({ family, version }: UsableLibrary): TensorRTError {
  return new TensorRTError(
    'TARGET_UNSUPPORTED',
    `calibrator is an option of TensorRT 8.6 and 10; ${family} ${version} has no INT8 calibrator`,
    {
      remedy:
        'Write the ranges into the model: `tensorrt-node calibrate`, then `tensorrt-node quantize`, ' +
        'and build what that gives.',
    },
  );
}

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
   * @throws TensorRTError `TARGET_UNSUPPORTED` when that TensorRT has no calibrator;
   *   `CALIBRATION_FAILED` without a usable cache and without batches.
   */
  static async create(
    options: CheckedCalibrator,
    library: UsableLibrary,
    modelSha256: string,
  ): Promise<BuildCalibrator> {
    if (library.family !== 'tensorrt8' && library.family !== 'tensorrt10') {
      throw noCalibrator(library);
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

  /** What the native module takes; `call` gives the call once it is started. */
  native(call: () => NativeCalibratorCall, events: CalibrationEvents): NativeCalibrator {
    const { algorithm } = this.#options;
    const { bytes } = this.#found;
    return {
      algorithm,
      ...(bytes === undefined ? {} : { cache: bytes }),
      onEvent: (event, payload) => this.#onEvent(event, payload, call, events),
    };
  }

  /** Asks for the first batch, when batches will be needed. */
  start(call: NativeCalibratorCall, events: CalibrationEvents): void {
    const { batches, lastBatch } = this.#options;
    if (this.#found.bytes !== undefined || batches === undefined) return;
    this.#pump = this.#open(call, events, batches, lastBatch);
  }

  #open(
    call: NativeCalibratorCall,
    events: CalibrationEvents,
    batches: NonNullable<CheckedCalibrator['batches']>,
    lastBatch: CheckedCalibrator['lastBatch'],
  ): BatchPump {
    const source = typeof batches === 'function' ? batches() : batches;
    const pump = new BatchPump(source, lastBatch, call, {
      onRows: (rows) => events.onImages(rows, false),
      onError: (error) => events.onError(error),
    });
    return pump;
  }

  #onEvent(
    event: CalibratorEvent,
    payload: unknown,
    call: () => NativeCalibratorCall,
    events: CalibrationEvents,
  ): void {
    try {
      if (event === 'inputs') this.#begin(payload as TensorDescription[], call(), events);
      if (event === 'copied') this.#pump?.copied();
      if (event === 'calibrated') events.onImages(this.#pump?.rows ?? 0, true);
      if (event === 'failed') {
        const { code, message, remedy } = payload as NativeFailure;
        const known = isErrorCode(code) ? code : 'CALIBRATION_FAILED';
        events.onError(new TensorRTError(known, message, remedy === '' ? {} : { remedy }));
      }
    } catch (error) {
      // The native module calls this: nobody above would see it.
      events.onError(error);
    }
  }

  #begin(inputs: TensorDescription[], call: NativeCalibratorCall, events: CalibrationEvents): void {
    const { batches, lastBatch } = this.#options;
    if (this.#pump === undefined) {
      // TensorRT has refused the cache after all.
      if (batches === undefined) return call.end();
      this.#pump = this.#open(call, events, batches, lastBatch);
    }
    events.onImages(0, false);
    this.#pump.begin(inputs);
  }

  /** Ends the source of batches, if it was begun. */
  close(): void {
    this.#pump?.close();
  }

  /**
   * What is reported of a build that came to its end; writes the cache when it is new.
   *
   * @param outcome What the native module counted.
   * @throws TensorRTError `WRITE_FAILED`.
   */
  async finish(outcome: NativeCalibration): Promise<CalibrationReport> {
    const { algorithm, cache, id } = this.#options;
    const { fromCache, batches } = outcome;
    const summary = this.#pump?.summary ?? { paddedRows: 0, droppedRows: 0, shapes: {} };
    const images = this.#pump?.rows ?? 0;
    const file = typeof cache === 'string' ? cache : undefined;
    if (file !== undefined && !fromCache) {
      const origin: CacheOrigin = {
        modelSha256: this.#modelSha256,
        algorithm,
        ...(id === undefined ? {} : { id }),
        batches,
        images,
      };
      await writeCache(file, outcome.cache, origin);
    }
    return {
      algorithm,
      cache: outcome.cache,
      ...(file === undefined ? {} : { cacheFile: file }),
      fromCache,
      ...(this.#found.refused === undefined ? {} : { cacheRefused: this.#found.refused }),
      batches,
      images,
      ...summary,
      waitMs: outcome.waitMs,
      calibrationMs: outcome.calibrationMs,
    };
  }
}
