import { setTimeout as delay } from 'node:timers/promises';
import { lock } from 'proper-lockfile';
import { messageOf, systemCode } from '../../errors.js';

const RETRY_MS = 100;

/** A lock that is held, or why there is none. */
export interface HeldLock {
  /** Gives it back; never rejects. */
  release(): Promise<void>;
  /** Why no lock could be made. */
  problem?: string;
}

/**
 * Waits for its turn to build the engine at `path`, for as long as the process before is alive: one
 * that is killed does not renew its lock, which counts as given back ten seconds later.
 *
 * A lock that is lost, because this process was stopped for long, ends nothing: entries are written
 * whole, so that the worst is a second build.
 *
 * @param path What is locked; a folder `<path>.lock` stands beside it meanwhile.
 * @param signal Stops the waiting.
 * @param onWait Called before each pause.
 * @throws `signal.reason`.
 */
export async function lockEntry(
  path: string,
  signal: AbortSignal,
  onWait: () => void,
): Promise<HeldLock> {
  for (;;) {
    signal.throwIfAborted();
    try {
      const unlock = await lock(path, { realpath: false, onCompromised: () => {} });
      return { release: () => unlock().catch(() => {}) };
    } catch (error) {
      if (systemCode(error) !== 'ELOCKED') {
        return { release: async () => {}, problem: messageOf(error) };
      }
    }
    onWait();
    await delay(RETRY_MS, undefined, { signal }).catch(() => {});
  }
}
