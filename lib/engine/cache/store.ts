import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { defined } from '../../defined.js';
import { TEMPORARY_PREFIX, writeFile } from '../../files.js';
import type { BuildResult } from '../build.js';
import {
  type EngineManifest,
  manifestOf,
  manifestPath,
  type StoredResult,
  writeEngine,
} from '../manifest.js';
import { entryPath } from './entries.js';
import { stringifyResult } from './json.js';

/** What a build that was killed while it wrote this entry left behind; its lock is ours. */
async function removeLeftovers(folder: string, key: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const left = names.filter(
    (name) =>
      name.startsWith(TEMPORARY_PREFIX) &&
      (name.endsWith(`-${key}.engine`) || name.endsWith(`-${key}.engine.json`)),
  );
  await Promise.all(left.map((name) => rm(join(folder, name), { force: true }).catch(() => {})));
}

/**
 * Puts an engine into the cache.
 *
 * @param folder Folder of the cache.
 * @param result What the build gave, with its key.
 * @param recipe Preprocessing recipe for the manifest.
 * @returns Path of the plan.
 * @throws TensorRTError `WRITE_FAILED`.
 */
export async function storeEntry(
  folder: string,
  key: string,
  result: BuildResult,
  recipe: unknown,
): Promise<string> {
  const path = entryPath(folder, key);
  const { plan, planPath: _path, modelPath: _model, cache: _cache, ...stored } = result;
  const manifest = { ...manifestOf(result, path, recipe), result: stored satisfies StoredResult };
  await removeLeftovers(folder, key);
  await writeEngine(path, plan, manifest);
  return path;
}

/** Puts another recipe into the manifest of an entry, whose plan does not depend on it. */
export async function updateRecipe(
  folder: string,
  manifest: EngineManifest,
  recipe: unknown,
): Promise<void> {
  if (recipe === undefined || stringifyResult(recipe) === stringifyResult(manifest.recipe)) return;
  const { result, ...rest } = manifest;
  const text = stringifyResult({ ...rest, recipe, ...defined({ result }) }, 2);
  await writeFile(manifestPath(join(folder, manifest.plan.file)), `${text}\n`).catch(() => {});
}
