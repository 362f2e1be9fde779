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
