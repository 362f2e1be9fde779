import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expected, number } from '../../arguments.js';
import { TEMPORARY_PREFIX, writeFailed } from '../../files.js';
import { manifestPath } from '../manifest.js';
import { type CacheEntry, entryPath, listEntries } from './entries.js';
import { cacheFolderOf, defaultCacheFolder } from './folder.js';

/** Options of {@link pruneCache}. One of the first three is needed. */
export interface PruneCacheOptions {
  /** Removes engines that were not used for so many milliseconds. */
  olderThanMs?: number;
  /** Removes engines, the one used longest ago first, until the others have at most so many bytes. */
  maxBytes?: number;
  /** Removes every engine. */
  all?: boolean;
  /** Folder of the cache; by default that of `buildEngine`. */
  folder?: string;
  /** Only says what would be removed. */
  dryRun?: boolean;
}

/** What {@link pruneCache} did. */
export interface PruneCacheResult {
  /** Folder of the cache. */
  folder: string;
  /** Engines that were removed, or would be. */
  removed: CacheEntry[];
  /** Engines that stay. */
  kept: CacheEntry[];
  /** Names of what writers that were killed left, an hour old or more, which was removed too. */
  leftovers: string[];
  /** Bytes that became free, or would. */
  freedBytes: number;
}

/** So long nobody takes to write an engine. */
const LEFT_MS = 3_600_000;

const TEMPORARY = /^[0-9a-f]{12}-[0-9a-f]{64}\.engine(\.json)?$/;
const LOCK = /^[0-9a-f]{64}\.engine\.lock$/;
const MANIFEST = /^([0-9a-f]{64})\.engine\.json$/;

async function findLeftovers(
  folder: string,
  keys: ReadonlySet<string>,
  now: number,
): Promise<{ name: string; bytes: number }[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => {
    const orphan = MANIFEST.exec(name)?.[1];
    if (orphan !== undefined) return !keys.has(orphan);
    if (LOCK.test(name)) return true;
    return name.startsWith(TEMPORARY_PREFIX) && TEMPORARY.test(name.slice(TEMPORARY_PREFIX.length));
  });
  const found: { name: string; bytes: number }[] = [];
  for (const name of names) {
    const info = await stat(join(folder, name)).catch(() => undefined);
    if (info === undefined || now - info.mtimeMs <= LEFT_MS) continue;
    found.push({ name, bytes: info.isFile() ? info.size : 0 });
  }
  return found;
}

/** Entries that go, of entries with the one used last first. */
function chosen(
  entries: readonly CacheEntry[],
  { all, olderThanMs, maxBytes }: PruneCacheOptions,
  now: number,
): Set<CacheEntry> {
  let total = 0;
  const gone = entries.filter((entry) => {
    if (all === true) return true;
    if (olderThanMs !== undefined && now - entry.lastUsed > olderThanMs) return true;
    total += entry.bytes;
    return maxBytes !== undefined && total > maxBytes;
  });
  return new Set(gone);
}

/**
 * Removes engines from the cache. What `buildEngine` did not put there is left alone.
 *
 * @param options What goes; see {@link PruneCacheOptions}.
 * @throws TypeError, RangeError for wrong options; TensorRTError `FOLDER_UNREADABLE`, `WRITE_FAILED`.
 */
export async function pruneCache(options: PruneCacheOptions): Promise<PruneCacheResult> {
  const { olderThanMs, maxBytes, all, dryRun = false } = options;
  if (olderThanMs !== undefined) {
    number('olderThanMs', olderThanMs, 'a number of milliseconds', (value) => value >= 0);
  }
  if (maxBytes !== undefined) {
    number('maxBytes', maxBytes, 'a number of bytes', (value) => value >= 0);
  }
  if (olderThanMs === undefined && maxBytes === undefined && all !== true) {
    throw expected('olderThanMs, maxBytes or all', 'one of them', undefined);
  }
  const folder = cacheFolderOf(options.folder) ?? defaultCacheFolder();
  const now = Date.now();
  const entries = await listEntries(folder);
  const gone = chosen(entries, options, now);
  const removed = entries.filter((entry) => gone.has(entry));
  const leftovers = await findLeftovers(folder, new Set(entries.map(({ key }) => key)), now);
  if (!dryRun) {
    // The manifest first: a plan without one is not used.
    const paths = [
      ...removed.flatMap(({ key }) => {
        const path = entryPath(folder, key);
        return [manifestPath(path), path];
      }),
      ...leftovers.map(({ name }) => join(folder, name)),
    ];
    for (const path of paths) {
      await rm(path, { force: true, recursive: true }).catch((error: unknown) => {
        throw writeFailed(path, error);
      });
    }
  }
  return {
    folder,
    removed,
    kept: entries.filter((entry) => !gone.has(entry)),
    leftovers: leftovers.map(({ name }) => name),
    freedBytes: [...removed, ...leftovers].reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** Options of {@link listCache}. */
export interface ListCacheOptions {
  /** Folder of the cache; by default that of `buildEngine`. */
  folder?: string;
}

/**
 * The engines in the cache, the one used last first.
 *
 * @param options See {@link ListCacheOptions}.
 * @throws TypeError; TensorRTError `FOLDER_UNREADABLE`.
 */
export async function listCache(
  options: ListCacheOptions = {},
): Promise<{ folder: string; entries: CacheEntry[] }> {
  const folder = cacheFolderOf(options.folder) ?? defaultCacheFolder();
  return { folder, entries: await listEntries(folder) };
}
