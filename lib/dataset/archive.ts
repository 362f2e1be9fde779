import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { defined } from '../defined.js';
import { messageOf, systemCode, TensorRTError } from '../errors.js';
import { writeFailed } from '../files.js';

/** Limits of {@link extractZip}; what an archive claims beyond them is refused before any write. */
export interface ExtractLimits {
  /** Largest size of all files together, in bytes. */
  maxBytes: number;
  /** Largest number of entries. */
  maxEntries: number;
}

/** What {@link extractZip} takes. */
export interface ExtractOptions extends ExtractLimits {
  /** Stops it; it then rejects with `signal.reason`. */
  signal: AbortSignal;
  /** Told how many files are written, of how many. */
  onFile: (done: number, total: number) => void;
}

/** What an archive held. */
export interface Extracted {
  /** Number of files. */
  files: number;
  /** Their size in bytes. */
  bytes: number;
}

const UNIX = 3;
const FILE_TYPE = 0o170000;
const REGULAR = 0o100000;
const FOLDER = 0o040000;
const LINK = 0o120000;
/** Entries that are inflated at the same time. */
const PARALLEL = 4;

function refused(archive: string, why: string, cause?: unknown): TensorRTError {
  return new TensorRTError('ARCHIVE_INVALID', `Archive ${archive}: ${why}`, {
    remedy: 'Delete the archive to download it again, or extract it yourself if you trust it.',
    ...defined({ cause }),
  });
}

/** Why an entry is not extracted, or undefined. */
function problemOf(entry: Entry): string | undefined {
  const type =
    entry.versionMadeBy >> 8 === UNIX ? (entry.externalFileAttributes >>> 16) & FILE_TYPE : 0;
  if (type === LINK) return 'is a symbolic link';
  if (type !== 0 && type !== REGULAR && type !== FOLDER) return 'is not a regular file';
  if (entry.isEncrypted()) return 'is encrypted';
  if (!entry.canDecodeFileData()) {
    return `has the compression method ${entry.compressionMethod}, which is not known`;
  }
  if (entry.fileName.includes('\0')) return 'has a name with a zero byte';
  return undefined;
}

/** Names without the parts that mean nothing, so that two spellings of one path are found. */
function normalized(name: string): string {
  return name
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}

/** Reads and checks all entries. Names that leave the folder are refused by yauzl itself. */
async function checkedFiles(
  zip: ZipFile,
  archive: string,
  { maxBytes, maxEntries, signal }: ExtractOptions,
): Promise<Map<string, Entry>> {
  const files = new Map<string, Entry>();
  const folders = new Set<string>();
  const show = (entry: Entry) => JSON.stringify(entry.fileName);
  let bytes = 0;
  let entries = 0;
  for await (const entry of zip.eachEntry()) {
    signal.throwIfAborted();
    if (++entries > maxEntries) throw refused(archive, `holds more than ${maxEntries} entries`);
    const problem = problemOf(entry);
    if (problem !== undefined) throw refused(archive, `${show(entry)} ${problem}`);
    const path = normalized(entry.fileName);
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
      folders.add(path.slice(0, at));
    }
    if (entry.fileName.endsWith('/')) {
      folders.add(path);
      continue;
    }
    if (path === '') throw refused(archive, `${show(entry)} has no name`);
    if (files.has(path)) throw refused(archive, `${show(entry)} stands twice`);
    files.set(path, entry);
    bytes += entry.uncompressedSize;
    if (bytes > maxBytes) {
      throw refused(archive, `holds more than ${maxBytes} bytes, the limit, at ${show(entry)}`);
    }
  }
  for (const [path, entry] of files) {
    if (folders.has(path)) throw refused(archive, `${show(entry)} is both a file and a folder`);
  }
  return files;
}

/** Passes data on and fails at the end when it is not what the archive promised. */
function checksum(expected: number): Transform {
  let sum = 0;
  return new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      sum = crc32(chunk, sum);
      done(null, chunk);
    },
    flush(done) {
      done(sum === expected ? null : new Error('its checksum is wrong'));
    },
  });
}

async function writeEntry(
  zip: ZipFile,
  archive: string,
  entry: Entry,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    const data = await zip.openReadStreamPromise(entry);
    const out = createWriteStream(path, { flags: 'wx' });
    await pipeline(data, checksum(entry.crc32), out, { signal });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    // zlib's errors have codes as well (Z_DATA_ERROR), but only the file system's have a call.
    const call = (error as NodeJS.ErrnoException).syscall;
    if (systemCode(error) !== undefined && call !== undefined) throw writeFailed(path, error);
    throw refused(archive, `${JSON.stringify(entry.fileName)}: ${messageOf(error)}`, error);
  }
}

/**
 * Extracts a zip archive into a folder, which should be new: after a failure it holds a part.
 * Refused are names outside of the folder, links and other special files, encrypted entries, names
 * that stand twice, and archives beyond the limits; all of that before anything is written. Sizes and
 * checksums of the data are checked while it is written.
 *
 * @param archive Path of the archive.
 * @param folder Where its files go; made as needed.
 * @param options Limits, abort signal, progress.
 * @throws TensorRTError `ARCHIVE_INVALID` that names the entry; `WRITE_FAILED`.
 */
export async function extractZip(
  archive: string,
  folder: string,
  options: ExtractOptions,
): Promise<Extracted> {
  const { signal } = options;
  let zip: ZipFile;
  try {
    zip = await openPromise(archive, { autoClose: false, lazyEntries: true });
  } catch (error) {
    throw refused(archive, `not a zip archive: ${messageOf(error)}`, error);
  }
  try {
    const files = await checkedFiles(zip, archive, options);
    await mkdir(folder, { recursive: true }).catch((error: unknown) => {
      throw writeFailed(folder, error);
    });
    const queue = [...files];
    let bytes = 0;
    let done = 0;
    let failed = false;
    const worker = async () => {
      for (let next = queue.shift(); next !== undefined && !failed; next = queue.shift()) {
        const [path, entry] = next;
        try {
          await writeEntry(zip, archive, entry, join(folder, path), signal);
        } catch (error) {
          failed = true;
          throw error;
        }
        bytes += entry.uncompressedSize;
        options.onFile(++done, files.size);
      }
    };
    const results = await Promise.allSettled(Array.from({ length: PARALLEL }, worker));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    return { files: files.size, bytes };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof TensorRTError) throw error;
    throw refused(archive, messageOf(error), error);
  } finally {
    zip.close();
  }
}
