/**
 * Compares two strings by code point, as Python and UTF-8 bytes do; JavaScript's own order puts
 * characters beyond U+FFFF before U+E000 to U+FFFF.
 *
 * @returns A negative number, 0 or a positive number.
 */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** Moves surrogates above every other UTF-16 unit, which makes unit order code point order. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

const RUN = 4096;

const pause = () => new Promise<void>((resolve) => setImmediate(resolve));

/**
 * A sorted copy of `items`, by code point of `key(item)`. Sorts in runs of a few thousand and lets
 * the event loop turn between them, because one sort of 150,000 paths stops it for a fifth of a
 * second.
 */
export async function sortByCodePoint<T>(
  items: readonly T[],
  key: (item: T) => string,
): Promise<T[]> {
  const compare = (a: T, b: T) => compareCodePoints(key(a), key(b));
  if (items.length <= RUN) return [...items].sort(compare);
  let runs: T[][] = [];
  for (let start = 0; start < items.length; start += RUN) {
    runs.push(items.slice(start, start + RUN).sort(compare));
    await pause();
  }
  while (runs.length > 1) {
    const merged: T[][] = [];
    for (let i = 0; i < runs.length; i += 2) {
      const next = runs[i + 1];
      merged.push(next === undefined ? runs[i]! : await merge(runs[i]!, next, compare));
    }
    runs = merged;
  }
  return runs[0] ?? [];
}

async function merge<T>(a: T[], b: T[], compare: (a: T, b: T) => number): Promise<T[]> {
  const out: T[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    out.push(compare(a[i]!, b[j]!) <= 0 ? a[i++]! : b[j++]!);
    if (out.length % RUN === 0) await pause();
  }
  while (i < a.length) out.push(a[i++]!);
  while (j < b.length) out.push(b[j++]!);
  return out;
}
