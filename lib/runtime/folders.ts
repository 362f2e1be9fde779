import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expected } from '../arguments.js';
import { FAMILIES } from './binding.js';
import { PACKAGE_ROOT } from './modules.js';

/** A folder that may hold TensorRT's libraries, and why it is looked into. */
export interface LibraryFolder {
  /** Absolute path. */
  folder: string;
  /** What named it: an option, an environment variable, the loader, Python. */
  source: string;
}

/** Options of what searches for TensorRT's libraries. */
export interface LibrarySearchOptions {
  /** Folder that is looked into first. */
  libraryDir?: string;
}

const run = promisify(execFile);

async function loaderFolders(): Promise<string[]> {
  try {
    const { stdout } = await run('ldconfig', ['-p'], { env: { ...process.env, LC_ALL: 'C' } });
    const lines = stdout.matchAll(/lib(?:nvinfer|tensorrt_rtx)\.so[.\d]* .*=> (\S+)/g);
    return [...lines].map((match) => dirname(match[1]!));
  } catch {
    // Outside of PATH for ordinary users on some systems, and absent on others.
    return [];
  }
}

async function subfolders(folder: string, pattern: RegExp): Promise<string[]> {
  try {
    const names = await readdir(folder);
    return names.filter((name) => pattern.test(name)).map((name) => join(folder, name));
  } catch {
    return [];
  }
}

/** Folders of Python packages that carry TensorRT, found without running Python. */
async function pythonFolders(env: NodeJS.ProcessEnv): Promise<string[]> {
  const home = env.HOME ?? homedir();
  const prefixes = [
    env.VIRTUAL_ENV,
    env.CONDA_PREFIX,
    join(home, '.local'),
    '/usr/local',
    '/usr',
    ...(await subfolders(join(env.PYENV_ROOT ?? join(home, '.pyenv'), 'versions'), /^\d/)),
  ].filter((prefix) => prefix !== undefined && prefix !== '');
  const folders: string[] = [];
  for (const prefix of prefixes) {
    for (const python of await subfolders(join(prefix!, 'lib'), /^python3/)) {
      for (const site of await subfolders(python, /^(site|dist)-packages$/)) {
        folders.push(...(await subfolders(site, /^tensorrt(_rtx|_lean|_dispatch)?_libs$/)));
      }
    }
  }
  return folders;
}

/**
 * Folders that may hold TensorRT's libraries, first choice first: the option, the environment
 * (`TENSORRT_LIB_DIR`, `TENSORRT_RTX_LIB_DIR`), what this package fetched, the loader's path, the
 * usual places, Python packages.
 *
 * @param options See {@link LibrarySearchOptions}.
 * @param env Environment; the process's own by default.
 */
export async function libraryFolders(
  options: LibrarySearchOptions = {},
  env: NodeJS.ProcessEnv = process.env,
): Promise<LibraryFolder[]> {
  const found = new Map<string, string>();
  const add = (folder: string | undefined, source: string): void => {
    if (folder === undefined || folder === '') return;
    const path = resolve(folder);
    if (!found.has(path)) found.set(path, source);
  };
  if (options.libraryDir !== undefined && typeof options.libraryDir !== 'string') {
    throw expected('libraryDir', 'a path', options.libraryDir);
  }
  add(options.libraryDir, 'libraryDir');
  add(env.TENSORRT_LIB_DIR, 'TENSORRT_LIB_DIR');
  add(env.TENSORRT_RTX_LIB_DIR, 'TENSORRT_RTX_LIB_DIR');
  for (const family of FAMILIES) add(join(PACKAGE_ROOT, '.sdk', 'lib', family), 'this package');
  for (const folder of env.LD_LIBRARY_PATH?.split(':') ?? []) add(folder, 'LD_LIBRARY_PATH');
  for (const folder of await loaderFolders()) add(folder, 'ldconfig');
  add('/usr/lib/x86_64-linux-gnu', 'the system');
  add('/usr/local/tensorrt/lib', 'the system');
  for (const folder of await pythonFolders(env)) add(folder, 'Python');
  return [...found].map(([folder, source]) => ({ folder, source }));
}
