import { opendir, realpath, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { expected } from '../arguments.js';
import { messageOf, systemCode, TensorRTError } from '../errors.js';
import { type LongCallOptions, throttle } from '../progress.js';
import { sortByCodePoint } from './order.js';

/** Extensions that {@link listImages} takes by default; upper case counts as well. */
export const IMAGE_EXTENSIONS: readonly string[] = [
  '.jpeg',
  '.jpg',
  '.png',
  '.webp',
  '.avif',
  '.tif',
  '.tiff',
  '.bmp',
];

/** What {@link listImages} takes. */
export interface ListOptions extends LongCallOptions {
  /** Extensions in place of {@link IMAGE_EXTENSIONS}, with or without the dot, in any case. */
  extensions?: readonly string[];
}

/** How many folders are read at the same time. */
const PARALLEL_FOLDERS = 8;

function extensionSet(extensions: readonly string[] | undefined): Set<string> {
  if (extensions === undefined) return new Set(IMAGE_EXTENSIONS);
  if (!Array.isArray(extensions) || extensions.length === 0) {
    throw expected('extensions', 'a list of at least one extension', extensions);
  }
  return new Set(
    extensions.map((extension) => {
      if (typeof extension !== 'string' || !/^\.?[^./\\]+$/.test(extension)) {
        throw expected('extensions', 'file name extensions such as ".png"', extension, 'range');
      }
      return `.${extension.replace(/^\./, '').toLowerCase()}`;
    }),
  );
}

interface Entry {
  name: string;
  /** Name as it takes part in the order of paths: a folder's ends in `/`. */
  key: string;
  folder?: Folder;
}

/** A folder on the way; `ancestors` are the real paths above and of it, against cycles of links. */
interface Folder {
  path: string;
  ancestors: readonly string[];
  entries: Entry[];
}

function unreadable(folder: string, error: unknown): TensorRTError {
  const missing = systemCode(error) === 'ENOENT';
  return new TensorRTError(
    'FOLDER_UNREADABLE',
    missing ? `No such folder: ${folder}` : `Cannot read folder ${folder}: ${messageOf(error)}`,
    {
      remedy: missing
        ? 'Check the path of the folder.'
        : 'Check that it is a folder and that you may read it.',
      cause: error,
    },
  );
}

/**
 * Lists the images under a folder, at any depth.
 *
 * The order is by code point of the relative path, whose separator is `/` on every system; it is
 * the order of Python's `sorted()`, not of its `glob`. Names that start with a dot are left out, as
 * Python's glob leaves them out (among them are unfinished files of this package). Links to files
 * and folders are followed, except a link to a folder that the path already goes through. A name
 * that is not valid UTF-8 is listed with U+FFFD in it, and reading it is an `IMAGE_INVALID` that
 * shows it. The event loop stays free: 150,000 files take a second or two.
 *
 * @param folder The folder.
 * @param options Extensions, progress (in `files`), abort signal.
 * @returns Paths relative to `folder`; at least one.
 * @throws TensorRTError `FOLDER_UNREADABLE` when it, or a folder below it, cannot be read;
 *   `IMAGES_NOT_FOUND` when there is no image.
 */
export async function listImages(folder: string, options: ListOptions = {}): Promise<string[]> {
  if (typeof folder !== 'string' || folder === '') {
    throw expected('folder', 'the path of a folder', folder);
  }
  const extensions = extensionSet(options.extensions);
  const { signal } = options;
  const report = throttle(options.onProgress, 'list');
  signal?.throwIfAborted();
  const top = await realpath(folder).catch((error: unknown) => {
    throw unreadable(folder, error);
  });
  const root: Folder = { path: folder, ancestors: [top], entries: [] };
  let seen = 0;
  let found = 0;

  async function read(parent: Folder): Promise<Folder[]> {
    const below: Folder[] = [];
    try {
      // opendir hands out a few names at a time; readdir would build 150,000 entries in one go.
      for await (const entry of await opendir(parent.path, { bufferSize: 512 })) {
        if (entry.name.startsWith('.')) continue;
        if (++seen % 512 === 0) {
          signal?.throwIfAborted();
          report(found, undefined, 'files');
        }
        const path = join(parent.path, entry.name);
        let isFolder = entry.isDirectory();
        if (!isFolder && !entry.isFile()) {
          // A link, or a file system that does not tell. What cannot be followed counts as a file:
          // reading it names it, leaving it out would hide it.
          const target = await stat(path).catch(() => undefined);
          isFolder = target?.isDirectory() ?? false;
          if (target !== undefined && !isFolder && !target.isFile()) continue;
        }
        if (isFolder) {
          const real = entry.isSymbolicLink()
            ? await realpath(path)
            : join(parent.ancestors.at(-1)!, entry.name);
          if (parent.ancestors.includes(real)) continue;
          const child = { path, ancestors: [...parent.ancestors, real], entries: [] };
          parent.entries.push({ name: entry.name, key: `${entry.name}/`, folder: child });
          below.push(child);
        } else if (extensions.has(extname(entry.name).toLowerCase())) {
          parent.entries.push({ name: entry.name, key: entry.name });
          found++;
        }
      }
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (systemCode(error) === undefined) throw error;
      throw unreadable(parent.path, error);
    }
    // Sorting each folder and walking down sorts the whole, because a folder's key ends in "/".
    parent.entries = await sortByCodePoint(parent.entries, (entry) => entry.key);
    return below;
  }

  const queue: Folder[] = [root];
  while (queue.length > 0) {
    const batch = queue.splice(-PARALLEL_FOLDERS);
    const settled = await Promise.allSettled(batch.map(read));
    for (const result of settled) {
      if (result.status === 'rejected') throw result.reason;
      for (const child of result.value) queue.push(child);
    }
    signal?.throwIfAborted();
  }

  const paths: string[] = [];
  const walk = async (parent: Folder, prefix: string): Promise<void> => {
    for (const entry of parent.entries) {
      if (entry.folder !== undefined) await walk(entry.folder, `${prefix}${entry.key}`);
      else paths.push(prefix + entry.name);
    }
  };
  await walk(root, '');
  if (paths.length === 0) {
    throw new TensorRTError(
      'IMAGES_NOT_FOUND',
      `No image in ${folder}: looked for ${[...extensions].join(' ')} among ${seen} names`,
      { remedy: 'Check the folder, or name the extensions of your images.' },
    );
  }
  report(paths.length, paths.length, 'files');
  return paths;
}
