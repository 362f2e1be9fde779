import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { openPromise } from 'yauzl';
import { expected, integer } from '../arguments.js';
import { messageOf, systemCode, TensorRTError } from '../errors.js';
import { TEMPORARY_PREFIX, writeFailed } from '../files.js';
import { type LongCallOptions, throttle } from '../progress.js';
import { extractZip } from './archive.js';
import { isUrl } from './fetch.js';
import { withLock } from './lock.js';
import { sha256File, transfer } from './transfer.js';

/** What {@link downloadDataset} takes. */
export interface DownloadOptions extends LongCallOptions {
  /** Folder that the archive's files are to be in. */
  folder: string;
  /** SHA-256 that the archive must have, in hex. */
  sha256?: string;
  /** Remove the archive when it is extracted; false by default. */
  deleteArchive?: boolean;
  /** Where archives are kept; the folder `archives` beside `folder` by default. */
  archivesFolder?: string;
  /** Largest size of the archive, and of its files together, in bytes; 200 GiB by default. */
  maxBytes?: number;
  /** Largest number of entries in the archive; 2,000,000 by default. */
  maxEntries?: number;
}

/** A dataset that is there. */
export interface DownloadedDataset {
  /** Its folder. */
  folder: string;
  /** Whether this call put it there; false when it was there already. */
  downloaded: boolean;
  /** The archive, when it is kept. */
  archive?: string;
  /** SHA-256 of the archive, in hex. */
  sha256: string;
  /** Number of files. */
  files: number;
  /** Their size in bytes. */
  bytes: number;
}

/** What lies in a downloaded folder, so that a second call knows it; written last. */
const MARKER = '.tensorrt-node-dataset.json';

interface Marker {
  version: 1;
  url: string;
  sha256: string;
  files: number;
  bytes: number;
}

async function readMarker(folder: string): Promise<Marker | undefined> {
  try {
    return JSON.parse(await readFile(join(folder, MARKER), 'utf8')) as Marker;
  } catch {
    return undefined;
  }
}

/** Name of the archive of an address: its own, and a digest that tells equal names apart. */
function archiveName(url: string): { name: string; digest: string } {
  const digest = createHash('sha256').update(url).digest('hex').slice(0, 8);
  let last = '';
  try {
    last = decodeURIComponent(new URL(url).pathname).split('/').at(-1) ?? '';
  } catch {
    // A name that cannot be decoded is only a name.
  }
  const stem = basename(last, extname(last))
    .replace(/[^\w.-]+/g, '_')
    .replace(/^\.+/, '');
  return { name: `${stem.slice(0, 80) || 'archive'}-${digest}.zip`, digest };
}

/** Refuses a folder that holds something else; nothing of a user's is replaced. */
async function requireFree(folder: string): Promise<void> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return;
    throw writeFailed(folder, error);
  }
  if (names.length === 0) return;
  throw new TensorRTError(
    'WRITE_FAILED',
    `Cannot write ${folder}: it holds files that were not downloaded from this address`,
    { remedy: 'Choose another folder, or empty that one.' },
  );
}

/** Removes what came of a download, and what is known of it. */
async function forget(part: string): Promise<void> {
  await rm(part, { force: true });
  await rm(`${part}.json`, { force: true });
}

/** Refuses what is no archive (a page that says "sign in", for one) before it is kept as one. */
async function requireZip(part: string, url: string): Promise<void> {
  try {
    (await openPromise(part, { autoClose: false, lazyEntries: true })).close();
  } catch (error) {
    await forget(part);
    throw new TensorRTError(
      'ARCHIVE_INVALID',
      `What ${url} gave is not a zip archive: ${messageOf(error)}`,
      { remedy: 'Check the address; only zip archives can be extracted.', cause: error },
    );
  }
}

async function fetchArchive(
  url: string,
  archive: string,
  options: DownloadOptions,
  signal: AbortSignal,
): Promise<string> {
  const wanted = options.sha256?.toLowerCase();
  const report = throttle(options.onProgress, 'download');
  const kept = await sha256File(archive, signal).catch(() => undefined);
  signal.throwIfAborted();
  if (kept !== undefined && (wanted === undefined || kept === wanted)) return kept;
  const part = `${archive}.part`;
  await transfer(url, part, {
    maxBytes: options.maxBytes ?? DEFAULT_MAX_BYTES,
    verified: wanted !== undefined,
    signal,
    onBytes: (done, total) => report(done, total, 'bytes'),
  });
  const sha256 = await sha256File(part, signal);
  if (wanted !== undefined && sha256 !== wanted) {
    // Kept, it would be taken for the beginning of the right file for ever.
    await forget(part);
    throw new TensorRTError(
      'CHECKSUM_MISMATCH',
      `${url} has the SHA-256 ${sha256}, not ${wanted}; nothing was kept`,
      { remedy: 'Check the address and the expected SHA-256.' },
    );
  }
  await requireZip(part, url);
  await rename(part, archive);
  await rm(`${part}.json`, { force: true });
  return sha256;
}

const DEFAULT_MAX_BYTES = 200 * 2 ** 30;
const DEFAULT_MAX_ENTRIES = 2_000_000;

function checkOptions(url: string, options: DownloadOptions): void {
  if (typeof url !== 'string' || !isUrl(url)) throw expected('url', 'an http(s) address', url);
  if (typeof options?.folder !== 'string' || options.folder === '') {
    throw expected('folder', 'the path of a folder', options?.folder);
  }
  const { sha256 } = options;
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/i.test(sha256)) {
    throw expected('sha256', '64 hexadecimal digits', sha256, 'range');
  }
  integer('maxBytes', options.maxBytes ?? DEFAULT_MAX_BYTES, 1);
  integer('maxEntries', options.maxEntries ?? DEFAULT_MAX_ENTRIES, 1);
}

/**
 * Downloads a zip archive and extracts it, once: when the folder holds that dataset already, nothing
 * is done. The archive is downloaded to a `.part` file, from where a later call goes on, and kept in
 * a folder of its own. Its files are extracted beside the target and appear there all at once, so a
 * process that is killed leaves nothing half written. Two processes take turns.
 *
 * Progress comes in two phases: `download` in `bytes`, `extract` in `files`.
 *
 * @param url An http or https address of a zip archive.
 * @param options Target folder, checksum, limits, progress, abort signal.
 * @throws TypeError, RangeError for a wrong option.
 * @throws TensorRTError `DOWNLOAD_FAILED`, `CHECKSUM_MISMATCH`, `ARCHIVE_INVALID`; `WRITE_FAILED`,
 *   also when the folder holds something else.
 */
export async function downloadDataset(
  url: string,
  options: DownloadOptions,
): Promise<DownloadedDataset> {
  checkOptions(url, options);
  const folder = resolve(options.folder);
  const archives = resolve(options.archivesFolder ?? join(dirname(folder), 'archives'));
  const { name, digest } = archiveName(url);
  const archive = join(archives, name);
  options.signal?.throwIfAborted();
  for (const parent of [archives, dirname(folder)]) {
    await mkdir(parent, { recursive: true }).catch((error: unknown) => {
      throw writeFailed(parent, error);
    });
  }
  return withLock(archive, options.signal, async (signal) => {
    const there = await readMarker(folder);
    const same = options.sha256 === undefined || options.sha256.toLowerCase() === there?.sha256;
    if (there?.url === url && same) {
      const { sha256, files, bytes } = there;
      return { folder, downloaded: false, sha256, files, bytes };
    }
    await requireFree(folder);
    const sha256 = await fetchArchive(url, archive, options, signal);
    // The name does not vary, so that what a killed process left is found and removed here.
    const temporary = join(dirname(folder), `${TEMPORARY_PREFIX}${digest}-${basename(folder)}`);
    await rm(temporary, { recursive: true, force: true });
    try {
      const report = throttle(options.onProgress, 'extract');
      const { files, bytes } = await extractZip(archive, temporary, {
        maxBytes: options.maxBytes ?? DEFAULT_MAX_BYTES,
        maxEntries: options.maxEntries ?? DEFAULT_MAX_ENTRIES,
        signal,
        onFile: (done, total) => report(done, total, 'files'),
      });
      signal.throwIfAborted();
      const marker: Marker = { version: 1, url, sha256, files, bytes };
      await appear(temporary, folder, marker);
      if (options.deleteArchive === true) await rm(archive, { force: true });
      const kept = options.deleteArchive === true ? {} : { archive };
      return { folder, downloaded: true, sha256, files, bytes, ...kept };
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  });
}

async function appear(temporary: string, folder: string, marker: Marker): Promise<void> {
  try {
    await writeFile(join(temporary, MARKER), `${JSON.stringify(marker, null, 1)}\n`);
    await rmdir(folder).catch((error: unknown) => {
      if (systemCode(error) !== 'ENOENT') throw error;
    });
    await rename(temporary, folder);
  } catch (error) {
    throw writeFailed(folder, error);
  }
}
