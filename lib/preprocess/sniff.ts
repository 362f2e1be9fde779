/** What the first bytes of a file say about how it must be decoded. */
export type Flavor = 'cmyk' | 'grey16' | 'bmp' | 'unknown-tiff' | 'plain';

/** Whether a file begins with these bytes. */
export function startsWith(bytes: Uint8Array, signature: readonly number[]): boolean {
  return signature.every((byte, index) => bytes[index] === byte);
}

/** Number of components in the frame header of a JPEG; 0 when there is none. */
function jpegComponents(bytes: Uint8Array): number {
  let at = 2;
  while (at + 9 < bytes.length) {
    if (bytes[at] !== 0xff) return 0;
    const marker = bytes[at + 1]!;
    if (marker === 0xff) {
      at++;
      continue;
    }
    const isFrame =
      marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isFrame) return bytes[at + 9]!;
    at += 2 + ((bytes[at + 2]! << 8) | bytes[at + 3]!);
  }
  return 0;
}

/**
 * Tells the few kinds of images that libvips and Pillow turn into RGB differently from the rest,
 * without asking the decoder first, which would cost each image another turn of the thread pool.
 */
export function sniff(bytes: Uint8Array): Flavor {
  if (startsWith(bytes, [0xff, 0xd8])) return jpegComponents(bytes) === 4 ? 'cmyk' : 'plain';
  if (startsWith(bytes, [0x89, 0x50, 0x4e, 0x47])) {
    // IHDR stands first: bit depth and colour type are at 24 and 25.
    return bytes[24] === 16 && bytes[25] === 0 ? 'grey16' : 'plain';
  }
  if (startsWith(bytes, [0x49, 0x49]) || startsWith(bytes, [0x4d, 0x4d])) return 'unknown-tiff';
  if (startsWith(bytes, [0x42, 0x4d])) return 'bmp';
  return 'plain';
}
