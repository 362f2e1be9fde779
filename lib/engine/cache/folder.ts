import { mkdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { expected } from '../../arguments.js';
import { messageOf, systemCode } from '../../errors.js';

function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== '';
}

/**
 * Folder of cached engines unless one is named: `TENSORRT_NODE_CACHE_DIR`, else
 * `$XDG_CACHE_HOME/tensorrt-node/engines`, else `~/.cache/tensorrt-node/engines`.
 *
 * @param env Environment; the process's own by default.
 */
export function defaultCacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const { TENSORRT_NODE_CACHE_DIR: named, XDG_CACHE_HOME: caches } = env;
  if (isSet(named)) return resolve(named);
  const base = isSet(caches) ? caches : join(isSet(env.HOME) ? env.HOME : homedir(), '.cache');
  return resolve(base, 'tensorrt-node', 'engines');
}

/**
 * The folder that an option `cache` stands for; undefined when the cache is off.
 *
 * @param cache `false`, or a folder. `true` is the default folder; undefined is that too, unless
 *   `TENSORRT_NODE_NO_CACHE` is set.
 * @throws TypeError.
 */
export function cacheFolderOf(
  cache: boolean | string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): string | undefined {
  if (cache === false) return undefined;
  if (typeof cache === 'string' && cache !== '') return resolve(cache);
  if (cache !== undefined && cache !== true)
    throw expected('cache', 'a boolean or a folder', cache);
  const off = isSet(env.TENSORRT_NODE_NO_CACHE) && env.TENSORRT_NODE_NO_CACHE !== '0';
  return cache === undefined && off ? undefined : defaultCacheFolder(env);
}

const OTHERS_WRITE = 0o002;
const GROUP_WRITES = 0o020;

/** Not `recursive`, with which Node tries for ever where the system answers ENOENT, as in /proc. */
async function makePrivate(folder: string): Promise<void> {
  const make = () =>
    mkdir(folder, { mode: 0o700 }).catch((error: unknown) => {
      if (systemCode(error) !== 'EEXIST') throw error;
    });
  try {
    await make();
  } catch (error) {
    if (systemCode(error) !== 'ENOENT' || dirname(folder) === folder) throw error;
    await makePrivate(dirname(folder));
    await make();
  }
}

/** Whether a folder can serve as a cache. */
export interface FolderState {
  /** Why it cannot. */
  problem?: string;
  /** What the user should know about it nevertheless. */
  warning?: string;
  /** Whether it is not there. */
  missing?: boolean;
}

/**
 * Looks at the folder of a cache. A plan is code: where everybody may write, no plan is taken from.
 *
 * @param folder Absolute path.
 */
export async function examineCacheFolder(folder: string): Promise<FolderState> {
  try {
    const info = await stat(folder);
    if (!info.isDirectory()) return { problem: `${folder} is not a folder` };
    if (process.platform === 'win32') return {};
    if ((info.mode & OTHERS_WRITE) !== 0) {
      return {
        problem: `everybody may write to ${folder}, and a plan is code (chmod 700 makes it private)`,
      };
    }
    if (info.uid !== process.getuid?.() && info.uid !== 0) {
      return { warning: `The engine cache ${folder} belongs to another user, and a plan is code` };
    }
    if ((info.mode & GROUP_WRITES) !== 0) {
      return {
        warning: `A group may write to the engine cache ${folder}, and a plan is code; chmod 700 makes it private`,
      };
    }
    return {};
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return { missing: true };
    return { problem: `${folder} cannot be read: ${messageOf(error)}` };
  }
}

/** {@link examineCacheFolder}; makes the folder, private, when it is not there. */
export async function openCacheFolder(folder: string): Promise<FolderState> {
  const state = await examineCacheFolder(folder);
  if (state.missing !== true) return state;
  try {
    await makePrivate(folder);
    return {};
  } catch (error) {
    return { problem: `${folder} cannot be made: ${messageOf(error)}` };
  }
}
