import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { messageOf, TensorRTError } from '../errors.js';
import { type EngineManifest, readManifest } from './manifest.js';

/** The error for a file that is no engine, or not the one that it should be. */
export function invalidEngine(path: string, why: string): TensorRTError {
  return new TensorRTError('ENGINE_INVALID', `${path} is not a usable engine: ${why}`, {
    remedy: 'Build the engine again.',
  });
}

/**
 * Reads a plan.
 *
 * @param path Path of the plan.
 * @throws TensorRTError `FILE_NOT_FOUND`.
 */
export async function readPlan(path: string): Promise<Buffer<ArrayBuffer>> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new TensorRTError('FILE_NOT_FOUND', `Cannot read ${path}: ${messageOf(error)}`, {
      remedy: 'Give the path of an engine file.',
      cause: error,
    });
  }
}

/**
 * Reads the manifest of a plan and holds the plan against it.
 *
 * @param path Path of the plan.
 * @param plan Its bytes.
 * @returns SHA-256 of the plan in hex, and its manifest when it has one.
 * @throws TensorRTError `ENGINE_INVALID` when the manifest is malformed, or is another plan's.
 */
export async function checkedManifest(
  path: string,
  plan: Uint8Array,
): Promise<{ sha256: string; manifest?: EngineManifest }> {
  const sha256 = createHash('sha256').update(plan).digest('hex');
  const manifest = await readManifest(path);
  if (manifest === undefined) return { sha256 };
  if (manifest.plan.sha256 === sha256) return { sha256, manifest };
  throw invalidEngine(path, 'its SHA-256 is not the one in its manifest');
}
