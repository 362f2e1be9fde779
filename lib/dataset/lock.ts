import { setTimeout as delay } from 'node:timers/promises';
import { lock } from 'proper-lockfile';
import { systemCode } from '../errors.js';
import { writeFailed } from '../files.js';

const RETRY_MS = 250;

/**
 * Runs `work` while no other process runs one for the same path: waits for its turn, for as long as
 * the other is alive.
 *
 * @param path What is locked; a folder `<path>.lock` stands beside it meanwhile.
 * @param signal Stops waiting and working.
 * @param work Gets a signal that is also aborted when the lock is lost.
 * @throws TensorRTError `WRITE_FAILED` when the lock cannot be made.
 */
export async function withLock<T>(
  path: string,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const lost = new AbortController();
  const both = signal === undefined ? lost.signal : AbortSignal.any([signal, lost.signal]);
  let release: (() => Promise<void>) | undefined;
  while (release === undefined) {
    signal?.throwIfAborted();
    try {
      release = await lock(path, {
        realpath: false,
        // The library's default throws from a timer, which would end the process.
        onCompromised: (error) => lost.abort(writeFailed(path, error)),
      });
    } catch (error) {
      if (systemCode(error) !== 'ELOCKED') throw writeFailed(path, error);
      await delay(RETRY_MS);
    }
  }
  try {
    return await work(both);
  } finally {
    // A lock that was lost is no longer ours to release.
    await release().catch(() => {});
  }
}
