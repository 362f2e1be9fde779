import { readdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { defined } from '../defined.js';
import { messageOf } from '../errors.js';
import type { Family } from './binding.js';
import { type LibraryFolder, type LibrarySearchOptions, libraryFolders } from './folders.js';
import { requireBase } from './modules.js';
import { familyOfVersion, versionText } from './versions.js';

/** A TensorRT installation that was found. */
export interface FoundLibrary {
  /** Family of headers that fits; absent when the version is not one this package drives. */
  family?: Family;
  /** Version, for example `10.15.1`; absent when it could not be asked. */
  version?: string;
  /** The builder and runtime: `libnvinfer.so.10`, `libtensorrt_rtx.so.1`. */
  inferLibrary: string;
  /** The ONNX parser beside it; absent when there is none. */
  parserLibrary?: string;
  /** What named the folder: an option, an environment variable, the loader, Python. */
  source: string;
  /** Why it cannot be used; absent when it can. */
  problem?: string;
}

/** What was found, and where was looked. */
export interface LibrarySearch {
  /** Installations, first choice first. */
  libraries: FoundLibrary[];
  /** Folders that were looked into. */
  folders: LibraryFolder[];
}

const INFER = /^lib(nvinfer|tensorrt_rtx)\.so(?:\.(\d+)[.\d]*)?$/;
const PARSERS: Readonly<Record<string, string>> = {
  nvinfer: 'libnvonnxparser.so',
  tensorrt_rtx: 'libtensorrt_onnxparser_rtx.so',
};

/** What keeps a library from building engines of ONNX models, but not from running engines. */
export const NO_PARSER = 'the ONNX parser library is not beside it';

/** The name the loader knows (`libx.so.10`) before the full version's and the bare one's. */
function preference(name: string): number {
  const dots = name.slice(name.indexOf('.so') + 3).split('.').length - 1;
  return dots === 1 ? 0 : dots === 0 ? 2 : 1;
}

function parserIn(folder: string, names: readonly string[], infer: string): string | undefined {
  const [, stem = '', major] = INFER.exec(infer) ?? [];
  const parser = PARSERS[stem] ?? '';
  const suffix = major === undefined ? '' : `.${major}`;
  const choices = names
    .filter((name) => name === parser + suffix || name.startsWith(`${parser}${suffix}.`))
    .sort((a, b) => preference(a) - preference(b));
  return choices[0] === undefined ? undefined : join(folder, choices[0]);
}

/** Adds what the library says of itself. */
function examine(library: FoundLibrary): FoundLibrary {
  let version: number;
  try {
    version = requireBase().libraryVersion(library.inferLibrary);
  } catch (error) {
    return { ...library, problem: messageOf(error) };
  }
  const family = familyOfVersion(version);
  const found: FoundLibrary = {
    ...library,
    version: versionText(version),
    ...defined({ family }),
  };
  if (family === undefined) {
    found.problem = `version ${found.version} is not one of 8.6, 10.x, 11.x or TensorRT-RTX 1.5 and later`;
  } else if (library.parserLibrary === undefined) {
    found.problem = NO_PARSER;
  }
  return found;
}

async function searchFolder({ folder, source }: LibraryFolder): Promise<FoundLibrary[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch {
    return [];
  }
  const infers = names
    .filter((name) => INFER.test(name))
    .sort((a, b) => preference(a) - preference(b));
  const found = new Map<string, FoundLibrary>();
  for (const name of infers) {
    const inferLibrary = join(folder, name);
    // Links of several names lead to one file.
    const file = await realpath(inferLibrary).catch(() => inferLibrary);
    if (found.has(file)) continue;
    const parserLibrary = parserIn(folder, names, name);
    found.set(file, {
      inferLibrary,
      source,
      ...defined({ parserLibrary }),
    });
  }
  return [...found.values()];
}

/**
 * Every TensorRT installation on this machine, first choice first, with version and family. Each
 * library is opened to ask for its version.
 *
 * @param options See {@link LibrarySearchOptions}.
 * @throws TensorRTError `MODULE_MISSING` when base.node is not built.
 */
export async function findLibraries(options: LibrarySearchOptions = {}): Promise<LibrarySearch> {
  requireBase();
  const folders = await libraryFolders(options);
  const libraries: FoundLibrary[] = [];
  const seen = new Set<string>();
  for (const folder of folders) {
    for (const library of await searchFolder(folder)) {
      const file = await realpath(library.inferLibrary).catch(() => library.inferLibrary);
      if (seen.has(file)) continue;
      seen.add(file);
      libraries.push(examine(library));
    }
  }
  return { libraries, folders };
}
