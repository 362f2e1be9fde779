import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { defined } from '../defined.js';
import { messageOf, TensorRTError } from '../errors.js';
import { type EngineManifest, readManifest } from './manifest.js';

/** The error for a file that is no engine, or not the one that it should be. */
export function invalidEngine(path: string, why: string): TensorRTError {
  return new TensorRTError('ENGINE_INVALID', `${path} is not a usable engine: ${why}`, {
    remedy: 'Build the engine again.',
  });
}

/** A plan as it lies on the disk. */
export interface HashedPlan {
  plan: Uint8Array<ArrayBuffer>;
  /** In hex. */
  sha256: string;
}

const READ_AT_ONCE = 2 ** 22;

/**
 * Reads a plan, which may have gigabytes, and hashes each part while it is still in the processor's
 * caches, so that the event loop is never held for long.
 *
 * @param path Path of the plan.
 * @throws What the file system says.
 */
export async function hashedPlan(path: string): Promise<HashedPlan> {
  const handle = await open(path, 'r');
  try {
    const plan = new Uint8Array((await handle.stat()).size);
    const hash = createHash('sha256');
    for (let done = 0; done < plan.byteLength; ) {
      const length = Math.min(READ_AT_ONCE, plan.byteLength - done);
      const { bytesRead } = await handle.read(plan, done, length, done);
      // Cut short meanwhile: the digest is another one then.
      if (bytesRead === 0) break;
      hash.update(plan.subarray(done, done + bytesRead));
      done += bytesRead;
    }
    return { plan, sha256: hash.digest('hex') };
  } finally {
    await handle.close();
  }
}

/**
 * Reads a plan.
 *
 * @param path Path of the plan.
 * @throws TensorRTError `FILE_NOT_FOUND`.
 */
export async function readPlan(path: string): Promise<HashedPlan> {
  try {
    return await hashedPlan(path);
  } catch (error) {
    throw new TensorRTError('FILE_NOT_FOUND', `Cannot read ${path}: ${messageOf(error)}`, {
      remedy: 'Give the path of an engine file.',
      cause: error,
    });
  }
}

/** A plan that is the one of its manifest, or has none. */
export interface CheckedPlan extends HashedPlan {
  manifest?: EngineManifest;
}

/**
 * Holds a plan against the manifest beside it.
 *
 * @param path Path of the plan.
 * @param read What {@link readPlan} gave.
 * @throws TensorRTError `ENGINE_INVALID` when the manifest is malformed, or is another plan's.
 */
export async function checkedPlan(path: string, read: HashedPlan): Promise<CheckedPlan> {
  const manifest = await readManifest(path);
  if (manifest !== undefined && manifest.plan.sha256 !== read.sha256) {
    throw invalidEngine(path, 'its SHA-256 is not the one in its manifest');
  }
  return { ...read, ...defined({ manifest }) };
}

/**
 * Reads a plan that has a manifest, and holds it against that.
 *
 * @param path Path of the plan.
 * @returns undefined when it has none: whoever loads it need not read it here.
 * @throws TensorRTError `FILE_NOT_FOUND`; `ENGINE_INVALID` as {@link checkedPlan}.
 */
export async function planOfManifest(path: string): Promise<CheckedPlan | undefined> {
  if ((await readManifest(path)) === undefined) return undefined;
  return checkedPlan(path, await readPlan(path));
}
