import { mkdir, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { defined } from '../defined.js';
import { messageOf, systemCode, TensorRTError } from '../errors.js';
import { writeFile } from '../files.js';
import type { FamilyBinding, NativeBuildOptions, NativeOutcome } from '../runtime/index.js';
import { lockEntry } from './cache/lock.js';

/** How long a process waits for another's write, in milliseconds. */
const WAIT_MS = 30_000;

/**
 * A timing cache in a file, as trtexec keeps it: what kernels took when earlier builds tried them.
 * Builds of several processes may share it: each reads it at the start, and adds its own at the end.
 */
export class TimingCacheFile {
  readonly path: string;
  private read: Uint8Array | undefined;

  constructor(path: string) {
    this.path = path;
  }

  /**
   * What the file holds; nothing when there is none.
   *
   * @throws TensorRTError `FILE_NOT_FOUND` when it is there and cannot be read.
   */
  async load(): Promise<Uint8Array> {
    this.read = await this.content();
    return this.read;
  }

  /**
   * Writes what a build knows now. When another process has written meanwhile, both are joined.
   *
   * @param timings What the build gave.
   * @param join Joins two caches.
   * @returns Why it could not be written; undefined when it was.
   */
  async save(
    timings: Uint8Array,
    join: (a: Uint8Array, b: Uint8Array) => Promise<Uint8Array>,
  ): Promise<string | undefined> {
    try {
      await mkdir(dirname(this.path), { recursive: true });
      const lock = await lockEntry(this.path, AbortSignal.timeout(WAIT_MS), () => {});
      if (lock.problem !== undefined) throw new Error(lock.problem);
      try {
        const now = await this.content();
        const changed =
          now.byteLength > 0 && Buffer.compare(now, this.read ?? new Uint8Array()) !== 0;
        await writeFile(this.path, changed ? await join(timings, now) : timings);
      } finally {
        await lock.release();
      }
      return undefined;
    } catch (error) {
      return `The timing cache is not written: ${messageOf(error)}`;
    }
  }

  private async content(): Promise<Uint8Array> {
    try {
      const info = await stat(this.path);
      // A device holds nothing, or has no end.
      if (!info.isFile() && !info.isDirectory()) return new Uint8Array();
      return await readFile(this.path);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return new Uint8Array();
      throw new TensorRTError(
        'FILE_NOT_FOUND',
        `Cannot read the timing cache ${this.path}: ${messageOf(error)}`,
        { remedy: 'Give the path of a file; it need not exist yet.', cause: error },
      );
    }
  }
}

/** What a build with a timing cache came to. */
export interface TimedOutcome {
  outcome: NativeOutcome;
  /** What went wrong with the file; never a reason for the build to fail. */
  warnings: string[];
}

/** {@link runWithTimings} for one file and one module. */
export type TimedRun = (
  request: NativeBuildOptions,
  run: (request: NativeBuildOptions) => Promise<NativeOutcome>,
) => Promise<TimedOutcome>;

/**
 * Runs a build with the timing cache of a file, and writes back what it adds.
 *
 * @param path The file; without one the build just runs.
 * @param binding The module that builds.
 * @param request What the module is given.
 * @param run Runs the build with that.
 * @throws TensorRTError `FILE_NOT_FOUND` when the file cannot be read, and what `run` throws.
 */
export async function runWithTimings(
  path: string | undefined,
  binding: FamilyBinding,
  request: NativeBuildOptions,
  run: (request: NativeBuildOptions) => Promise<NativeOutcome>,
): Promise<TimedOutcome> {
  if (path === undefined) return { outcome: await run(request), warnings: [] };
  const file = new TimingCacheFile(path);
  const outcome = await run({ ...request, timingCache: await file.load() });
  const warnings: string[] = [];
  if (outcome.timingCacheIgnored === true) {
    warnings.push(`${path} is no timing cache of this GPU and version; it is started anew`);
  }
  if (outcome.timingCache !== undefined) {
    const { inferLibrary, parserLibrary, deviceId } = request;
    const problem = await file.save(outcome.timingCache, async (ours, theirs) => {
      const joined = await binding.combineTimings({
        inferLibrary,
        parserLibrary,
        ...defined({ deviceId }),
        timingCache: ours,
        moreTimings: theirs,
      }).promise;
      return joined.timingCache ?? ours;
    });
    if (problem !== undefined) warnings.push(problem);
  }
  return { outcome, warnings };
}
