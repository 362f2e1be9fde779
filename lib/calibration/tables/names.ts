import { TensorRTError } from '../../errors.js';

/** Whether UTF-8 can hold a string: it has no lone surrogate. */
export function isUtf8(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

/** Names for a message: quoted, the first few of many. */
export function listNames(names: readonly string[], most = 10): string {
  const shown = names.slice(0, most).map((name) => JSON.stringify(name));
  const rest = names.length - shown.length;
  return shown.join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

/**
 * Refuses names that a format cannot hold.
 *
 * @throws TensorRTError `TABLE_INEXPRESSIBLE` that lists them; all are in `detail`.
 */
export function refuseNames(
  names: Iterable<string>,
  fits: (name: string) => boolean,
  format: string,
  why: string,
): void {
  const bad = Array.from(names).filter((name) => !fits(name));
  if (bad.length === 0) return;
  throw new TensorRTError(
    'TABLE_INEXPRESSIBLE',
    `${format} cannot hold ${bad.length === 1 ? 'the name' : 'the names'} ${listNames(bad)}: ${why}`,
    { remedy: 'Rename these tensors in the model, or use another format.', detail: bad },
  );
}
