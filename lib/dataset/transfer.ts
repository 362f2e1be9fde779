import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { defined } from '../defined.js';
import { TensorRTError } from '../errors.js';
import { writeFailed } from '../files.js';
import { bodyPieces } from './body.js';
import { downloadFailed, networkReason } from './fetch.js';

/** What {@link transfer} takes. */
export interface TransferOptions {
  /** Largest file in bytes. */
  maxBytes: number;
  /** Whether a checksum will tell if pieces of two versions were joined. */
  verified: boolean;
  /** Stops it; it then rejects with `signal.reason`, and a later call goes on from there. */
  signal: AbortSignal;
  /** Told how many bytes are there, of how many. */
  onBytes: (done: number, total: number | undefined) => void;
}

/** What is known of the file whose beginning lies in the `.part` file. */
interface PartState {
  url: string;
  /** Strong entity tag or date, for `If-Range`; absent when the server gives none. */
  validator?: string;
}

const ATTEMPTS = 3;
const PAUSE_MS = 500;

/** A break in the middle of a body, after which going on makes sense. */
class Interrupted extends Error {}

function validatorOf(headers: Headers): string | undefined {
  const etag = headers.get('etag');
  // A weak tag says only that the contents mean the same, so it cannot vouch for bytes.
  if (etag !== null && !etag.startsWith('W/')) return etag;
  return headers.get('last-modified') ?? undefined;
}

async function resumable(
  part: string,
  url: string,
  verified: boolean,
): Promise<{ size: number; validator?: string }> {
  try {
    const { size } = await stat(part);
    const state = JSON.parse(await readFile(`${part}.json`, 'utf8')) as PartState;
    if (size === 0 || state.url !== url) return { size: 0 };
    if (state.validator !== undefined) return { size, validator: state.validator };
    return { size: verified ? size : 0 };
  } catch {
    return { size: 0 };
  }
}

/** First byte and full size of a 206 answer, when it says so. */
function rangeOf(headers: Headers): { start: number; total: number | undefined } | undefined {
  const match = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '');
  if (match === null) return undefined;
  return { start: Number(match[1]), total: match[2] === '*' ? undefined : Number(match[2]) };
}

async function attempt(url: string, part: string, options: TransferOptions): Promise<void> {
  const { maxBytes, signal } = options;
  const known = await resumable(part, url, options.verified);
  const response = await fetch(url, {
    signal,
    headers: {
      // Ranges count the bytes of the file and not of a compressed form of it.
      'accept-encoding': 'identity',
      ...(known.size > 0 ? { range: `bytes=${known.size}-` } : {}),
      ...(known.size > 0 && known.validator !== undefined ? { 'if-range': known.validator } : {}),
    },
  });
  let start = 0;
  let total: number | undefined;
  if (response.status === 206 && known.size > 0) {
    const range = rangeOf(response.headers);
    if (range?.start !== known.size) {
      await response.body?.cancel();
      await rm(part, { force: true });
      throw new Interrupted('the server sent another part than was asked for');
    }
    start = known.size;
    total = range.total;
  } else if (response.status === 416) {
    await response.body?.cancel();
    // Nothing is left to send when the earlier call stopped after the last byte.
    if (response.headers.get('content-range') === `bytes */${known.size}`) return;
    await rm(part, { force: true });
    throw new Interrupted('the file has changed on the server');
  } else if (response.status !== 200 || response.body === null) {
    await response.body?.cancel();
    const why = `the server answered ${response.status} ${response.statusText}`;
    if (response.status >= 500) throw new Interrupted(why);
    throw downloadFailed(url, why);
  } else {
    const length = response.headers.get('content-length');
    if (length !== null) total = Number(length);
    const validator = validatorOf(response.headers);
    const state: PartState = { url, ...defined({ validator }) };
    await rm(part, { force: true });
    await writeFile(`${part}.json`, JSON.stringify(state)).catch((error: unknown) => {
      throw writeFailed(part, error);
    });
  }
  if (total !== undefined && total > maxBytes) {
    await response.body?.cancel();
    throw downloadFailed(url, `it has ${total} bytes; the limit is ${maxBytes}`);
  }
  const size = await append(response.body!, url, part, start, total, options);
  if (total !== undefined && size < total) {
    throw new Interrupted(`the connection ended after ${size} of ${total} bytes`);
  }
}

async function append(
  body: ReadableStream<Uint8Array>,
  url: string,
  part: string,
  start: number,
  total: number | undefined,
  { maxBytes, onBytes, signal }: TransferOptions,
): Promise<number> {
  const file = await open(part, start > 0 ? 'a' : 'w').catch((error: unknown) => {
    throw writeFailed(part, error);
  });
  let size = start;
  try {
    for await (const chunk of bodyPieces(body, signal)) {
      if (size + chunk.length > maxBytes) {
        throw downloadFailed(url, `it is larger than ${maxBytes} bytes, the limit`);
      }
      await file.writeFile(chunk).catch((error: unknown) => {
        throw writeFailed(part, error);
      });
      size += chunk.length;
      onBytes(size, total);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return size;
}

/**
 * Downloads a file to `part`, going on where an earlier call or a killed process stopped when the
 * server can do that (`Range` with `If-Range`, so that pieces of two versions are never joined).
 * Broken connections and server errors are tried again.
 *
 * @param url An http or https address.
 * @param part Path of the unfinished file; what is known about it lies beside it, as `.json`.
 * @param options Limits, abort signal, progress.
 * @throws TensorRTError `DOWNLOAD_FAILED`, `WRITE_FAILED`.
 */
export async function transfer(url: string, part: string, options: TransferOptions): Promise<void> {
  const { signal } = options;
  for (let tried = 1; ; tried++) {
    try {
      return await attempt(url, part, options);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof TensorRTError) throw error;
      const why = error instanceof Interrupted ? error.message : networkReason(error);
      if (tried === ATTEMPTS) throw downloadFailed(url, why, error);
      await delay(PAUSE_MS * tried, undefined, { signal }).catch(() => {
        throw signal.reason;
      });
    }
  }
}

/** SHA-256 of a file, in lower-case hex. */
export async function sha256File(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { signal, highWaterMark: 1 << 20 })) {
    hash.update(chunk as Uint8Array);
  }
  return hash.digest('hex');
}
