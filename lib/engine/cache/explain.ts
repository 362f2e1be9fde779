import { basename } from 'node:path';
import { prepareBuild } from '../build.js';
import type { BuildOptions } from '../options.js';
import { type CacheDifference, keyDifferences } from './differences.js';
import { type CacheEntry, findEntry, listEntries } from './entries.js';
import { cacheFolderOf, defaultCacheFolder, examineCacheFolder } from './folder.js';
import { type CacheKeyParts, cacheKey, NotKeyable } from './key.js';
import { keyPartsOf } from './key-parts.js';

/** A cached engine that is not the wanted one, and why. */
export interface NearEntry {
  /** The engine. */
  entry: CacheEntry;
  /** In what it differs from the one that is wanted; never empty. */
  differences: CacheDifference[];
}

/** What {@link explainCache} finds. */
export interface CacheExplanation {
  /** Folder of the cache. */
  folder: string;
  /** Whether `buildEngine` with these options would take a cached engine. */
  hit: boolean;
  /** Why, in words. */
  reason: string;
  /** Key that the build has; absent when it has none. */
  key?: string;
  /** What the key is made of. */
  keyParts?: CacheKeyParts;
  /** Engines of that model which differ in something, the most similar one first. */
  near: NearEntry[];
}

/** How much a difference matters: another model is further than another option. */
function weight({ part }: CacheDifference): number {
  return part === 'model' ? 3 : part === 'library' || part === 'gpu' ? 2 : 1;
}

function distance({ differences }: NearEntry): number {
  return differences.reduce((sum, difference) => sum + weight(difference), 0);
}

/** Entries of the same model: the same content, or the same file name. */
function nearEntries(
  entries: readonly CacheEntry[],
  wanted: CacheKeyParts,
  file: string | undefined,
): NearEntry[] {
  const near: NearEntry[] = [];
  for (const entry of entries) {
    const { manifest } = entry;
    if (manifest?.keyParts === undefined) continue;
    const same = manifest.model.sha256 === wanted.model.sha256;
    if (!same && (file === undefined || manifest.model.file !== file)) continue;
    const differences = keyDifferences(manifest.keyParts, wanted);
    if (differences.length > 0) near.push({ entry, differences });
  }
  return near.sort((a, b) => distance(a) - distance(b));
}

/**
 * Says whether the engine cache has the engine of a build, and if not, in what the engines of that
 * model which it has differ. Nothing is built.
 *
 * @param model Path of an .onnx file, or its bytes.
 * @param options Those of the build.
 * @throws As `buildEngine`, for options, model and library; TensorRTError `FOLDER_UNREADABLE`.
 */
export async function explainCache(
  model: string | Uint8Array,
  options: BuildOptions = {},
): Promise<CacheExplanation> {
  const build = await prepareBuild(model, options);
  const folder = cacheFolderOf(options.cache) ?? defaultCacheFolder();
  let keyParts: CacheKeyParts;
  try {
    keyParts = await keyPartsOf(build, options.signal);
  } catch (error) {
    if (!(error instanceof NotKeyable)) throw error;
    return { folder, hit: false, reason: `${error.message}. ${error.remedy}`, near: [] };
  }
  const key = cacheKey(keyParts);
  const { problem } = await examineCacheFolder(folder);
  const found = problem === undefined ? await findEntry(folder, key) : { reason: problem };
  const file = typeof model === 'string' ? basename(model) : undefined;
  const near = nearEntries(await listEntries(folder), keyParts, file);
  const hit = 'plan' in found && found.plan !== undefined;
  return {
    folder,
    hit,
    reason: 'reason' in found ? found.reason : 'the cache has this engine',
    key,
    keyParts,
    near,
  };
}
