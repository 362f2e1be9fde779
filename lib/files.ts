import { randomBytes } from 'node:crypto';
import { openSync, statfsSync, unlinkSync } from 'node:fs';
import { mkdir, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { messageOf, systemCode, TensorRTError } from './errors.js';

/** Prefix of unfinished files; readers of a folder skip such names. */
export const TEMPORARY_PREFIX = '.tensorrt-node-tmp-';

/**
 * The error of a write that failed, for writers that stream and so cannot use {@link writeFiles}.
 *
 * @param path What could not be written.
 * @param error What the file system said.
 */
export function writeFailed(path: string, error: unknown): TensorRTError {
  const full = systemCode(error) === 'ENOSPC';
  return new TensorRTError('WRITE_FAILED', `Cannot write ${path}: ${messageOf(error)}`, {
    remedy: full
      ? 'Free space on that disk, or choose another folder.'
      : 'Check the folder and its permissions.',
    cause: error,
  });
}

/** The temporary name beside `path` that {@link writeFiles} and streaming writers use. */
export function temporaryName(path: string): string {
  return join(
    dirname(path),
    `${TEMPORARY_PREFIX}${randomBytes(6).toString('hex')}-${basename(path)}`,
  );
}

/** Whether a path is a device, a pipe or a socket: such as /dev/null and /dev/stdout. */
export async function isStream(path: string): Promise<boolean> {
  const info = await stat(path).catch(() => undefined);
  return info !== undefined && !info.isFile() && !info.isDirectory();
}

/**
 * Writes a set of files so that each appears whole or not at all: everything is written and synced
 * under temporary names first, then renamed. When any write fails, none of the files is replaced and
 * the temporary ones are removed. Folders are made as needed. A symbolic link stays, and what it points
 * to is replaced; a device or a pipe is written to, and never replaced.
 *
 * @param files Contents by path; strings are written as UTF-8.
 * @throws TensorRTError `WRITE_FAILED`.
 */
export async function writeFiles(
  files: Iterable<readonly [path: string, content: Uint8Array | string]>,
): Promise<void> {
  const renames: { path: string; place: string; temporary: string }[] = [];
  const streams: { path: string; content: Uint8Array | string }[] = [];
  let current = '';
  try {
    for (const [path, content] of files) {
      current = path;
      if (await isStream(path)) {
        streams.push({ path, content });
        continue;
      }
      await mkdir(dirname(path), { recursive: true });
      const place = await realpath(path).catch(() => path);
      const temporary = temporaryName(place);
      renames.push({ path, place, temporary });
      const handle = await open(temporary, 'wx');
      try {
        await handle.writeFile(content);
        await handle.sync();
      } finally {
        await handle.close();
      }
    }
    for (const { path, content } of streams) {
      current = path;
      await writeStream(path, content);
    }
    for (const { path, place, temporary } of renames) {
      current = path;
      await rename(temporary, place);
    }
  } catch (error) {
    await Promise.all(
      renames.map(({ temporary }) => rm(temporary, { force: true }).catch(() => {})),
    );
    throw writeFailed(current, error);
  }
}

async function writeStream(path: string, content: Uint8Array | string): Promise<void> {
  const handle = await open(path, 'a');
  try {
    await handle.writeFile(content);
  } finally {
    await handle.close();
  }
}

/** {@link writeFiles} for one file. */
export function writeFile(path: string, content: Uint8Array | string): Promise<void> {
  return writeFiles([[path, content]]);
}

/** Where Linux keeps files in memory. */
const MEMORY_FOLDER = '/dev/shm';

/**
 * Opens an empty file that no longer has a name, for processes that share it by its descriptor: it goes
 * with the last of them, however that ends. It lies in memory where there is a folder for that with
 * `room` bytes left, else in the folder for temporary files.
 *
 * @param room How much will be written into it, and others like it, in bytes; by default more than memory has.
 * @returns Its descriptor, for reading and writing.
 * @throws What the system says.
 */
export function openUnnamed(room = Number.POSITIVE_INFINITY): number {
  const named = (folder: string): number => {
    const path = temporaryName(join(folder, 'shared'));
    const descriptor = openSync(path, 'wx+', 0o600);
    unlinkSync(path);
    return descriptor;
  };
  try {
    const { bavail, bsize } = statfsSync(MEMORY_FOLDER);
    if (bavail * bsize >= room) return named(MEMORY_FOLDER);
  } catch {
    // Not on this system, or not for this user.
  }
  return named(tmpdir());
}

/**
 * Reads the lines of a list that a user wrote, without a byte order mark and with either line end.
 *
 * @param file Path of the list.
 * @param what What it lists, for the message: `files`.
 * @param flag The option that names it, for the remedy: `--files`.
 * @throws TensorRTError `FILE_NOT_FOUND`.
 */
export async function readListLines(file: string, what: string, flag: string): Promise<string[]> {
  try {
    return (await readFile(file, 'utf8')).replace(/^\uFEFF/, '').split(/\r?\n/);
  } catch (error) {
    throw new TensorRTError(
      'FILE_NOT_FOUND',
      `Cannot read the list of ${what} ${file}: ${messageOf(error)}`,
      { remedy: `Check the path given to ${flag}.`, cause: error },
    );
  }
}
