import { crc32, inflateSync } from 'node:zlib';
import type { Pixels } from './resample.js';
import { startsWith } from './sniff.js';

/**
 * Largest image that is decoded here, in pixels. libvips takes about 0.9 ms of processor time to set
 * up for an image, whatever its size: 20 times what a PNG of 32×32 pixels needs. Larger ones are
 * decoded by sharp, on the thread pool.
 */
const MAX_PIXELS = 128 * 128;

/** Samples of a pixel, by the colour type of the header: grey, RGB, palette, grey and alpha, RGBA. */
const SAMPLES: Record<number, number> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
const PALETTE = 3;

/** Smallest buffer that zlib takes. */
const LEAST_CHUNK = 64;

interface Chunks {
  header: DataView;
  palette: Uint8Array | undefined;
  data: Uint8Array[];
}

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** The chunks that make the picture; undefined unless the file is whole. */
function readChunks(bytes: Uint8Array): Chunks | undefined {
  if (!startsWith(bytes, SIGNATURE)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: Partial<Chunks> & { data: Uint8Array[] } = { data: [] };
  for (let at = 8; at + 12 <= bytes.length; ) {
    const end = at + 8 + view.getUint32(at);
    if (end + 4 > bytes.length) return undefined;
    if (view.getUint32(end) !== crc32(bytes.subarray(at + 4, end))) return undefined;
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const body = bytes.subarray(at + 8, end);
    if (type === 'IHDR') found.header = new DataView(body.buffer, body.byteOffset, body.length);
    else if (type === 'PLTE') found.palette = body;
    else if (type === 'IDAT') found.data.push(body);
    else if (type === 'IEND') {
      const { header, palette, data } = found;
      return header?.byteLength === 13 && data.length > 0 ? { header, palette, data } : undefined;
    }
    at = end + 4;
  }
  return undefined;
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

/** Whichever of the three neighbours is nearest to left + up - diagonal. */
function paeth(left: number, up: number, diagonal: number): number {
  const byLeft = Math.abs(up - diagonal);
  const byUp = Math.abs(left - diagonal);
  const byDiagonal = Math.abs(left + up - 2 * diagonal);
  if (byLeft <= byUp && byLeft <= byDiagonal) return left;
  return byUp <= byDiagonal ? up : diagonal;
}

/**
 * Undoes the filters of the rows, each of which begins with a byte that names its filter: what the
 * encoder subtracted, from neighbours that stand already in `out`, is added again.
 */
function unfilter(rows: Uint8Array, stride: number, step: number): Uint8Array | undefined {
  const height = rows.length / (stride + 1);
  // One pixel and one row of zeros stand for the neighbours beyond the left and the upper edge.
  const pitch = stride + step;
  const out = new Uint8Array(pitch * (height + 1));
  for (let y = 0; y < height; y++) {
    const from = y * (stride + 1) + 1;
    const filter = rows[from - 1]!;
    const to = (y + 1) * pitch + step;
    if (filter > 4) return undefined;
    if (filter === 0) out.set(rows.subarray(from, from + stride), to);
    else UNDO[filter - 1]!(out, to, rows, from, stride, step, pitch);
  }
  const samples = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++) {
    const row = (y + 1) * pitch + step;
    samples.set(out.subarray(row, row + stride), y * stride);
  }
  return samples;
}

type Undo = (
  out: Uint8Array,
  to: number,
  rows: Uint8Array,
  from: number,
  stride: number,
  step: number,
  pitch: number,
) => void;

/** Filters 1 to 4: left, up, their mean, Paeth's. A loop each, because a choice costs every byte. */
const UNDO: readonly Undo[] = [
  (out, to, rows, from, stride, step) => {
    for (let x = 0; x < stride; x++) out[to + x] = rows[from + x]! + out[to + x - step]!;
  },
  (out, to, rows, from, stride, _step, pitch) => {
    for (let x = 0; x < stride; x++) out[to + x] = rows[from + x]! + out[to + x - pitch]!;
  },
  (out, to, rows, from, stride, step, pitch) => {
    for (let x = 0; x < stride; x++) {
      out[to + x] = rows[from + x]! + ((out[to + x - step]! + out[to + x - pitch]!) >> 1);
    }
  },
  (out, to, rows, from, stride, step, pitch) => {
    for (let x = 0; x < stride; x++) {
      const at = to + x;
      out[at] = rows[from + x]! + paeth(out[at - step]!, out[at - pitch]!, out[at - pitch - step]!);
    }
  },
];

/** Three samples a pixel, alpha dropped; undefined for a colour outside of the palette. */
function toRgb(
  samples: Uint8Array,
  count: number,
  palette: Uint8Array | undefined,
): Uint8Array | undefined {
  if (count === 3) return samples;
  const pixels = samples.length / count;
  const rgb = new Uint8Array(pixels * 3);
  for (let i = 0; i < pixels; i++) {
    const first = samples[i * count]!;
    if (palette !== undefined && first * 3 + 3 > palette.length) return undefined;
    for (let c = 0; c < 3; c++) {
      const sample = count === 4 ? samples[i * count + c]! : first;
      rgb[i * 3 + c] = palette === undefined ? sample : palette[first * 3 + c]!;
    }
  }
  return rgb;
}

/**
 * Decodes a small PNG of eight bits a sample that is not interlaced, to RGB as Pillow's
 * `convert('RGB')` gives it: alpha dropped, transparency, gamma and profiles ignored.
 *
 * @returns Undefined for whatever else, broken files too: sharp decides about those.
 */
export function decodeSmallPng(bytes: Uint8Array): Pixels | undefined {
  const chunks = readChunks(bytes);
  if (chunks === undefined) return undefined;
  const { header, data } = chunks;
  const [width, height] = [header.getUint32(0), header.getUint32(4)];
  const [depth, color] = [header.getUint8(8), header.getUint8(9)];
  const plain = [10, 11, 12].every((at) => header.getUint8(at) === 0);
  const count = SAMPLES[color];
  const palette = color === PALETTE ? chunks.palette : undefined;
  const pixels = width * height;
  if (!plain || depth !== 8 || count === undefined || pixels === 0 || pixels > MAX_PIXELS) {
    return undefined;
  }
  if (color === PALETTE && palette === undefined) return undefined;
  const stride = width * count;
  const length = (stride + 1) * height;
  let rows: Uint8Array;
  try {
    const chunkSize = Math.max(LEAST_CHUNK, length + 1);
    rows = inflateSync(join(data), { chunkSize, maxOutputLength: length });
  } catch {
    return undefined;
  }
  const samples = rows.length === length ? unfilter(rows, stride, count) : undefined;
  const rgb = samples === undefined ? undefined : toRgb(samples, count, palette);
  return rgb === undefined ? undefined : { data: rgb, width, height };
}
