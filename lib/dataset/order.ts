import { compareCodePoints } from '../code-points.js';

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
