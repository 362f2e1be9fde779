import { defined } from '../../defined.js';
import { TensorRTError } from '../../errors.js';
import type { LongCallOptions, OnProgress } from '../../progress.js';
import type { BuildResult } from '../build.js';
import type { BuildWarning } from '../failures.js';
import { entryPath, type Found, findEntry, markUsed } from './entries.js';
import { cacheFolderOf, openCacheFolder } from './folder.js';
import { type CacheKeyParts, cacheKey, NotKeyable } from './key.js';
import { type KeySource, keyPartsOf } from './key-parts.js';
import { lockEntry } from './lock.js';
import { SharedWork } from './share.js';
import { storeEntry, updateRecipe } from './store.js';

/** What the engine cache did for a build. */
export interface CacheReport {
  /** Whether the plan was there already: no build ran for this call. */
  hit: boolean;
  /** Key of the plan, SHA-256 in hex; absent when the cache is off or the build has no key. */
  key?: string;
  /** What the key was made of. */
  keyParts?: CacheKeyParts;
  /** Folder of the cache; absent when it is off. */
  folder?: string;
  /** Why the plan was, or was not, taken from there. */
  reason: string;
}

/** What a build gives before the cache is asked. */
export type BuildOutput = Omit<BuildResult, 'cache' | 'planPath'>;

/** A build that may be served from the cache. */
export interface CachedBuild extends KeySource {
  /** The option of the caller. */
  cache: boolean | string | undefined;
  /** Recipe for the manifest. */
  recipe?: unknown;
  /** Path of the model, for the result. */
  modelPath?: string;
  /** Signal and progress of the caller. */
  call: LongCallOptions;
  /** Builds; with a signal and a progress function that are not always the caller's. */
  build(call: LongCallOptions): Promise<BuildOutput>;
}

interface Place {
  folder: string;
  key: string;
  keyParts: CacheKeyParts;
}

const shared = new SharedWork<BuildResult>();

function withReport(
  output: BuildOutput,
  cache: CacheReport,
  more: readonly BuildWarning[] = [],
): BuildResult {
  const warnings = more.length === 0 ? output.warnings : [...output.warnings, ...more];
  return { ...output, warnings, cache };
}

async function cached(
  request: CachedBuild,
  place: Place,
  signal: AbortSignal,
  onProgress: OnProgress,
): Promise<BuildResult> {
  const { folder, key } = place;
  const begin = performance.now();
  const tell = (phase: string) =>
    onProgress({ phase, done: 0, elapsedMs: performance.now() - begin });
  const call = { signal, onProgress };
  const state = await openCacheFolder(folder);
  const warnings: BuildWarning[] = [];
  if (state.warning !== undefined) warnings.push({ text: state.warning });
  if (state.problem !== undefined) {
    const text = `The engine is not cached: ${state.problem}`;
    const report = { hit: false, ...place, reason: state.problem };
    return withReport(await request.build(call), report, [{ text }]);
  }
  tell('cache');
  const take = async (found: Found & { plan: Uint8Array }, reason: string) => {
    signal.throwIfAborted();
    await markUsed(folder, key);
    await updateRecipe(folder, found.manifest, request.recipe);
    const { modelPath } = request;
    const output: BuildOutput = {
      ...found.manifest.result!,
      plan: found.plan,
      ...defined({ modelPath }),
    };
    const report = { hit: true, ...place, reason };
    return { ...withReport(output, report, warnings), planPath: entryPath(folder, key) };
  };
  const first = await findEntry(folder, key);
  if (first.plan !== undefined) return take(first, 'found in the cache');
  const lock = await lockEntry(entryPath(folder, key), signal, () => tell('wait'));
  try {
    const second = await findEntry(folder, key);
    if (second.plan !== undefined) return await take(second, 'another build stored it meanwhile');
    const output = await request.build(call);
    const result = withReport(output, { hit: false, ...place, reason: second.reason });
    try {
      const planPath = await storeEntry(folder, key, result, request.recipe);
      return { ...withReport(output, result.cache, warnings), planPath };
    } catch (error) {
      if (!(error instanceof TensorRTError)) throw error;
      warnings.push({ text: `The engine is not cached: ${error.message}` });
      return withReport(output, result.cache, warnings);
    }
  } finally {
    await lock.release();
  }
}

/**
 * Runs a build through the cache: gives the plan that is stored under its key, or builds and stores it.
 * What is wrong with the cache never fails the build.
 *
 * @param request The build, what decides its plan, and the caller's options.
 * @throws What the build throws; `signal.reason`; what `onProgress` throws.
 */
export async function buildThroughCache(request: CachedBuild): Promise<BuildResult> {
  const { cache, call } = request;
  const folder = cacheFolderOf(cache);
  if (folder === undefined) {
    const reason = 'the cache is turned off';
    return withReport(await request.build(call), { hit: false, reason });
  }
  let keyParts: CacheKeyParts;
  try {
    keyParts = await keyPartsOf(request, call.signal);
  } catch (error) {
    if (!(error instanceof NotKeyable)) throw error;
    const warning = {
      text: `The engine is not cached: ${error.message}`,
      explanation: error.remedy,
    };
    const report = { hit: false, folder, reason: error.message };
    return withReport(await request.build(call), report, [warning]);
  }
  const place = { folder, key: cacheKey(keyParts), keyParts };
  if (request.calibrator !== undefined) {
    // Each caller's own images feed its build: one that leaves takes them along.
    const never = new AbortController().signal;
    return cached(request, place, call.signal ?? never, call.onProgress ?? (() => {}));
  }
  return shared.join(
    JSON.stringify([folder, place.key]),
    call,
    (signal, onProgress) => cached(request, place, signal, onProgress),
    (result) => ({
      ...result,
      plan: result.plan.slice(),
      ...defined({ modelPath: request.modelPath }),
      cache: result.cache.hit
        ? result.cache
        : { ...result.cache, hit: true, reason: 'another call of this process built it' },
    }),
  );
}
