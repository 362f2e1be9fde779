import { oneOf } from '../arguments.js';
import { TensorRTError } from '../errors.js';
import { FAMILIES, type Family } from './binding.js';
import { type FoundLibrary, findLibraries, type LibrarySearch, NO_PARSER } from './discovery.js';
import type { LibrarySearchOptions } from './folders.js';
import { queryDriver } from './modules.js';
import { familyTitle } from './versions.js';

/** Options of what uses a TensorRT library. */
export interface LibraryOptions extends LibrarySearchOptions {
  /**
   * Which TensorRT to use. `auto`, the default, takes the newest of TensorRT 10, 11 and 8.6 when there
   * is a GPU, and TensorRT-RTX otherwise: its builder is the only one that works without a GPU.
   */
  family?: Family | 'auto';
}

/** A TensorRT installation that runs engines. */
export interface RuntimeLibrary {
  /** Family. */
  family: Family;
  /** Version, for example `10.15.1`. */
  version: string;
  /** Path of the builder and runtime. */
  inferLibrary: string;
}

/** A TensorRT installation that builds engines, too. */
export interface UsableLibrary extends RuntimeLibrary {
  /** Path of the ONNX parser. */
  parserLibrary: string;
}

// Without a GPU, TensorRT's own builders answer nothing but an error.
const WITH_GPU: readonly Family[] = ['tensorrt10', 'tensorrt11', 'tensorrt8', 'tensorrt_rtx'];
const WITHOUT_GPU: readonly Family[] = ['tensorrt_rtx', 'tensorrt10', 'tensorrt11', 'tensorrt8'];

function remedyFor(family: Family | undefined): string {
  const rtx = '`node scripts/fetch-rtx.mjs` (or pip install tensorrt-rtx-cu12-libs)';
  const enterprise = 'NVIDIA’s packages libnvinfer and libnvonnxparsers (or pip install tensorrt)';
  const install =
    family === 'tensorrt_rtx'
      ? rtx
      : family === undefined
        ? `${enterprise}, or ${rtx}`
        : enterprise;
  return `Install ${install}, or set TENSORRT_LIB_DIR to the folder of the libraries.`;
}

function describe(library: FoundLibrary): string {
  return `${library.inferLibrary}: ${library.problem}`;
}

function notFound(search: LibrarySearch, family: Family | undefined): TensorRTError {
  const wanted = family === undefined ? 'TensorRT' : familyTitle(family);
  const broken = search.libraries.filter(({ problem }) => problem !== undefined);
  const remedy = remedyFor(family);
  if (broken.length > 0) {
    return new TensorRTError(
      'LIBRARY_INCOMPATIBLE',
      `No ${wanted} library that can be used; found ${broken.map(describe).join('; ')}`,
      { remedy },
    );
  }
  const places = search.folders.map(({ folder }) => folder).join(', ');
  return new TensorRTError('LIBRARY_NOT_FOUND', `No ${wanted} library in ${places}`, { remedy });
}

function firstOf(
  order: readonly Family[],
  libraries: readonly FoundLibrary[],
): FoundLibrary | undefined {
  for (const family of order) {
    const library = libraries.find((candidate) => candidate.family === family);
    if (library !== undefined) return library;
  }
  return undefined;
}

function within({ libraries, folders }: LibrarySearch, source: string): LibrarySearch {
  const matches = (entry: { source: string }) => entry.source === source;
  return { libraries: libraries.filter(matches), folders: folders.filter(matches) };
}

// Searching opens every library, so an answer is kept for as long as what decides it stays the same.
const found = new Map<string, Promise<LibrarySearch>>();

function searchKey({ libraryDir }: LibrarySearchOptions): string {
  const { TENSORRT_LIB_DIR, TENSORRT_RTX_LIB_DIR, LD_LIBRARY_PATH } = process.env;
  return JSON.stringify([libraryDir, TENSORRT_LIB_DIR, TENSORRT_RTX_LIB_DIR, LD_LIBRARY_PATH]);
}

/** Chooses among the libraries for which `fits` holds. */
async function choose(
  options: LibraryOptions,
  preferred: readonly Family[] | undefined,
  fits: (library: FoundLibrary) => boolean,
): Promise<FoundLibrary> {
  const family = oneOf('family', options.family ?? 'auto', ['auto', ...FAMILIES]);
  const key = searchKey(options);
  const searching = found.get(key) ?? findLibraries(options);
  found.set(key, searching);
  // An answer that does not help is forgotten: the user may install what is missing meanwhile.
  const result = await searching.catch((error: unknown) => {
    found.delete(key);
    throw error;
  });
  const order =
    family !== 'auto'
      ? [family]
      : (preferred ?? (queryDriver().devices.length > 0 ? WITH_GPU : WITHOUT_GPU));
  const usable = result.libraries.filter(fits);
  // What the caller names is taken or refused; nothing else is taken in its place.
  const named = usable.filter(({ source }) => source === 'libraryDir');
  const chosen =
    options.libraryDir !== undefined
      ? firstOf(order, named)
      : (firstOf(
          order,
          usable.filter(({ source }) => /^TENSORRT_/.test(source)),
        ) ?? firstOf(order, usable));
  if (chosen !== undefined) return chosen;
  found.delete(key);
  const scope = options.libraryDir === undefined ? result : within(result, 'libraryDir');
  throw notFound(scope, family !== 'auto' ? family : order.length === 1 ? order[0] : undefined);
}

/**
 * Chooses a TensorRT installation that builds engines.
 *
 * @param options See {@link LibraryOptions}.
 * @param preferred Families to choose among under `auto`, first choice first; by default what this
 *   machine's GPU, or its absence, suggests.
 * @throws TensorRTError `LIBRARY_NOT_FOUND`, `LIBRARY_INCOMPATIBLE`, or `MODULE_MISSING` when
 *   base.node is not built.
 */
export async function chooseLibrary(
  options: LibraryOptions = {},
  preferred?: readonly Family[],
): Promise<UsableLibrary> {
  const chosen = await choose(options, preferred, ({ problem }) => problem === undefined);
  const { family, version, inferLibrary, parserLibrary } = chosen;
  return {
    family: family!,
    version: version!,
    inferLibrary,
    parserLibrary: parserLibrary!,
  };
}

/**
 * Chooses a TensorRT installation that runs engines; the ONNX parser may be missing.
 *
 * @param options See {@link LibraryOptions}.
 * @param preferred As for {@link chooseLibrary}.
 * @throws As {@link chooseLibrary}.
 */
export async function chooseRuntime(
  options: LibraryOptions = {},
  preferred?: readonly Family[],
): Promise<RuntimeLibrary> {
  const chosen = await choose(
    options,
    preferred,
    ({ problem }) => problem === undefined || problem === NO_PARSER,
  );
  const { family, version, inferLibrary } = chosen;
  return { family: family!, version: version!, inferLibrary };
}
