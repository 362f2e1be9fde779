import { readdir, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, systemCode, TensorRTError } from '../../errors.js';
import { type EngineManifest, manifestPath, readManifest } from '../manifest.js';
import { hashedPlan } from '../plan-file.js';
import { cacheKey } from './key.js';

/** An engine in a cache folder. */
export interface CacheEntry {
  /** Its key, 64 hexadecimal digits. */
  key: string;
  /** Path of the plan. */
  planPath: string;
  /** Bytes of plan and manifest. */
  bytes: number;
  /** When it was last built or used, in milliseconds since 1970. */
  lastUsed: number;
  /** What is known of it; absent when its manifest is missing or malformed: it is not used then. */
  manifest?: Omit<EngineManifest, 'result'>;
}

const PLAN_NAME = /^([0-9a-f]{64})\.engine$/;

/** Path of the plan of a key. */
export function entryPath(folder: string, key: string): string {
  return join(folder, `${key}.engine`);
}

/** Whether a manifest is of the entry of that key: its parts, which may be damaged, make the key. */
function isOf({ key, keyParts }: EngineManifest, wanted: string): boolean {
  return key === wanted && keyParts !== undefined && cacheKey(keyParts) === wanted;
}

/** What the cache has for a key: a plan that may be used, or why there is none. */
export type Found =
  | { plan: Uint8Array<ArrayBuffer>; manifest: EngineManifest }
  | { plan?: undefined; reason: string };

/** Why nothing is found where nothing was ever stored. */
export const NO_ENTRY = 'the cache has no engine with this key';

/**
 * Reads the engine of a key and holds it against its manifest. Nothing that is wrong with it is an
 * error: it is built again.
 *
 * @param folder Folder of the cache.
 * @param key Its key.
 */
export async function findEntry(folder: string, key: string): Promise<Found> {
  const path = entryPath(folder, key);
  const [manifest, stored] = await Promise.all([
    readManifest(path).catch((error: unknown) => error as Error),
    hashedPlan(path).catch((error: unknown) => error as Error),
  ]);
  const gone = (value: unknown) => value instanceof Error && systemCode(value) === 'ENOENT';
  if (gone(stored)) {
    return { reason: manifest === undefined ? NO_ENTRY : 'the cached engine lost its plan' };
  }
  if (manifest === undefined) return { reason: 'the cached engine has no manifest' };
  if (manifest instanceof Error) {
    const why = manifest instanceof TensorRTError ? 'its manifest is malformed' : manifest.message;
    return { reason: `the cached engine cannot be used: ${why}` };
  }
  if (stored instanceof Error) {
    return { reason: `the cached plan cannot be read: ${messageOf(stored)}` };
  }
  const { plan, sha256 } = stored;
  if (plan.byteLength !== manifest.plan.bytes) {
    return {
      reason: `the cached plan has ${plan.byteLength} bytes and not ${manifest.plan.bytes}`,
    };
  }
  if (sha256 !== manifest.plan.sha256) {
    return { reason: 'the cached plan does not have the SHA-256 in its manifest' };
  }
  if (!isOf(manifest, key) || manifest.result === undefined) {
    return { reason: 'the manifest of the cached plan is not one of this cache' };
  }
  return { plan, manifest };
}

/** Notes that an entry was used, for `prune`; a folder that cannot be written to keeps no such notes. */
export async function markUsed(folder: string, key: string): Promise<void> {
  const now = new Date();
  await utimes(entryPath(folder, key), now, now).catch(() => {});
}

async function readEntry(folder: string, key: string): Promise<CacheEntry | undefined> {
  const planPath = entryPath(folder, key);
  const plan = await stat(planPath).catch(() => undefined);
  if (plan === undefined) return undefined;
  const [manifest, info] = await Promise.all([
    readManifest(planPath).catch(() => undefined),
    stat(manifestPath(planPath)).catch(() => undefined),
  ]);
  return {
    key,
    planPath,
    bytes: plan.size + (info?.size ?? 0),
    lastUsed: Math.round(plan.mtimeMs),
    ...(manifest !== undefined && isOf(manifest, key) ? { manifest: withoutResult(manifest) } : {}),
  };
}

function withoutResult({ result: _, ...manifest }: EngineManifest): Omit<EngineManifest, 'result'> {
  return manifest;
}

/**
 * The engines of a cache folder, the one used last first. Files of others are not looked at.
 *
 * @param folder Folder of the cache; one that is not there is empty.
 * @throws TensorRTError `FOLDER_UNREADABLE`.
 */
export async function listEntries(folder: string): Promise<CacheEntry[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw new TensorRTError('FOLDER_UNREADABLE', `Cannot read ${folder}: ${messageOf(error)}`, {
      remedy: 'Give the folder of an engine cache.',
      cause: error,
    });
  }
  const keys = names.flatMap((name) => PLAN_NAME.exec(name)?.[1] ?? []);
  const entries = await Promise.all(keys.map((key) => readEntry(folder, key)));
  return entries
    .filter((entry) => entry !== undefined)
    .sort((a, b) => b.lastUsed - a.lastUsed || (a.key < b.key ? -1 : 1));
}
