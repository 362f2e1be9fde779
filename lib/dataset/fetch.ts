import { integer } from '../arguments.js';
import { defined } from '../defined.js';
import { messageOf, TensorRTError } from '../errors.js';
import { bodyPieces } from './body.js';

/** What {@link fetchImage} takes. */
export interface FetchImageOptions {
  /** Stops the download; it then rejects with `signal.reason`. */
  signal?: AbortSignal;
  /** Largest body in bytes; 64 MiB by default. */
  maxBytes?: number;
  /** Milliseconds until the download counts as failed; 30,000 by default. */
  timeoutMs?: number;
}

/** Whether a source of an image is an http or https address and not a path. */
export function isUrl(source: string): boolean {
  return /^https?:\/\//i.test(source);
}

/** The error of a failed download; `why` completes "Cannot download URL: …". */
export function downloadFailed(url: string, why: string, cause?: unknown): TensorRTError {
  return new TensorRTError('DOWNLOAD_FAILED', `Cannot download ${url}: ${why}`, {
    remedy: 'Check the address and the network, then try again.',
    ...defined({ cause }),
  });
}

/** `fetch` says only "fetch failed"; the reason is in its cause. */
export function networkReason(error: unknown): string {
  const cause = (error as { cause?: unknown } | undefined)?.cause;
  return cause === undefined ? messageOf(error) : `${messageOf(error)} (${messageOf(cause)})`;
}

/**
 * Downloads one image into memory.
 *
 * @param url An http or https address; redirects are followed.
 * @param options Limits and abort signal.
 * @throws TensorRTError `DOWNLOAD_FAILED` for anything but a complete answer with status 200 that
 *   is within the limits.
 */
export async function fetchImage(
  url: string,
  options: FetchImageOptions = {},
): Promise<Uint8Array> {
  const maxBytes = integer('maxBytes', options.maxBytes ?? 64 * 2 ** 20, 1);
  const timeoutMs = integer('timeoutMs', options.timeoutMs ?? 30_000, 1, 2 ** 31 - 1);
  const { signal } = options;
  signal?.throwIfAborted();
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const either = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
    const response = await fetch(url, { signal: either });
    if (response.status !== 200 || response.body === null) {
      await response.body?.cancel();
      throw downloadFailed(url, `the server answered ${response.status} ${response.statusText}`);
    }
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of bodyPieces(response.body, either)) {
      size += chunk.length;
      if (size > maxBytes) throw downloadFailed(url, `it is larger than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (error instanceof TensorRTError) throw error;
    if (timeout.aborted) throw downloadFailed(url, `no answer within ${timeoutMs} ms`, error);
    throw downloadFailed(url, networkReason(error), error);
  }
}
