import type { Pixels } from './resample.js';

/** libvips does not read BMP; these are the kinds that programs write today, without compression. */
const RGB = 0;
const BITFIELDS = 3;
/** Largest image that is taken, in pixels; sharp's own limit. */
const MAX_PIXELS = 0x3fff ** 2;

/** A channel of a 16- or 32-bit pixel. */
interface Channel {
  shift: number;
  max: number;
}

function channelOf(mask: number): Channel {
  if (mask === 0) throw new Error('BMP without a mask for each colour');
  const shift = 31 - Math.clz32(mask & -mask);
  return { shift, max: mask >>> shift };
}

interface Header {
  width: number;
  height: number;
  topDown: boolean;
  bits: number;
  data: number;
  palette: { start: number; entry: number; colors: number };
  masks: readonly [number, number, number];
}

function readHeader(view: DataView): Header {
  if (view.byteLength < 30 || view.byteLength < 14 + view.getUint32(14, true)) {
    throw new Error('BMP is truncated');
  }
  const data = view.getUint32(10, true);
  const size = view.getUint32(14, true);
  if (size === 12) {
    // OS/2 1.x
    const bits = view.getUint16(24, true);
    return {
      width: view.getUint16(18, true),
      height: view.getUint16(20, true),
      topDown: false,
      bits,
      data,
      palette: { start: 26, entry: 3, colors: 1 << bits },
      masks: [0x7c00, 0x03e0, 0x001f],
    };
  }
  if (size < 40) throw new Error(`BMP with a header of ${size} bytes`);
  const height = view.getInt32(22, true);
  const bits = view.getUint16(28, true);
  const compression = view.getUint32(30, true);
  if (compression !== RGB && compression !== BITFIELDS) {
    throw new Error(`BMP with compression ${compression}; only uncompressed ones are read`);
  }
  const fields = compression === BITFIELDS;
  if (fields && view.byteLength < 66) throw new Error('BMP is truncated');
  const plain = bits === 16 ? [0x7c00, 0x03e0, 0x001f] : [0xff0000, 0x00ff00, 0x0000ff];
  const mask = (index: number) =>
    fields ? view.getUint32(54 + 4 * index, true) : (plain[index] as number);
  return {
    width: view.getInt32(18, true),
    height: Math.abs(height),
    topDown: height < 0,
    bits,
    data,
    palette: { start: 14 + size, entry: 4, colors: view.getUint32(46, true) || 1 << bits },
    masks: [mask(0), mask(1), mask(2)],
  };
}

/**
 * Decodes an uncompressed Windows or OS/2 bitmap of 1, 4, 8, 16, 24 or 32 bits to RGB; alpha is
 * dropped.
 *
 * @throws Error with the reason.
 */
export function decodeBmp(bytes: Uint8Array): Pixels {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = readHeader(view);
  const { width, height, bits } = header;
  if (![1, 4, 8, 16, 24, 32].includes(bits)) throw new Error(`BMP with ${bits} bits a pixel`);
  if (width <= 0 || height === 0 || width * height > MAX_PIXELS) {
    throw new Error(`BMP of ${width}×${height} pixels`);
  }
  const pitch = Math.ceil((width * bits) / 32) * 4;
  if (header.data + pitch * height > bytes.length) throw new Error('BMP is truncated');
  const rgb = new Uint8Array(width * height * 3);
  const readRow = rowReader(view, bytes, header);
  for (let y = 0; y < height; y++) {
    const row = header.data + pitch * (header.topDown ? y : height - 1 - y);
    readRow(row, rgb.subarray(y * width * 3, (y + 1) * width * 3));
  }
  return { data: rgb, width, height };
}

function rowReader(
  view: DataView,
  bytes: Uint8Array,
  { width, bits, palette, masks }: Header,
): (row: number, out: Uint8Array) => void {
  if (bits <= 8) {
    const mask = (1 << bits) - 1;
    return (row, out) => {
      for (let x = 0; x < width; x++) {
        const bit = x * bits;
        const index = (bytes[row + (bit >> 3)]! >> (8 - bits - (bit & 7))) & mask;
        if (index >= palette.colors) throw new Error('BMP with a colour outside of its palette');
        const at = palette.start + index * palette.entry;
        out.set([bytes[at + 2]!, bytes[at + 1]!, bytes[at]!], x * 3);
      }
    };
  }
  if (bits === 24) {
    return (row, out) => {
      for (let i = 0; i < width * 3; i += 3) {
        out[i] = bytes[row + i + 2]!;
        out[i + 1] = bytes[row + i + 1]!;
        out[i + 2] = bytes[row + i]!;
      }
    };
  }
  const channels = masks.map(channelOf);
  return (row, out) => {
    for (let x = 0; x < width; x++) {
      const pixel =
        bits === 16 ? view.getUint16(row + 2 * x, true) : view.getUint32(row + 4 * x, true);
      for (let c = 0; c < 3; c++) {
        const { shift, max } = channels[c]!;
        out[x * 3 + c] = Math.trunc((((pixel >>> shift) & max) * 255) / max);
      }
    }
  };
}
