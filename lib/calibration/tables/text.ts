import { defined } from '../../defined.js';
import { TensorRTError } from '../../errors.js';

/** No table comes near this size; a larger file is something else. */
export const MAX_TABLE_BYTES = 64 * 1024 * 1024;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * A table's bytes as text.
 *
 * @throws TensorRTError `TABLE_INVALID` when they are not UTF-8.
 */
export function decodeText(bytes: Uint8Array, source: string): string {
  try {
    return decoder.decode(bytes);
  } catch (error) {
    throw invalid(source, 'The text is not UTF-8', error);
  }
}

/** A `TABLE_INVALID` that names the file. */
export function invalid(source: string, what: string, cause?: unknown): TensorRTError {
  return new TensorRTError('TABLE_INVALID', `${source}: ${what}`, {
    remedy: 'Write the table again with what produced it, or choose another file.',
    ...defined({ cause }),
  });
}
