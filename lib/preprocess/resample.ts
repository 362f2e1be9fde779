import { type Coefficients, nearestPositions, PRECISION_BITS } from './coefficients.js';
import type { Geometry } from './geometry.js';

/** An image in memory: rows from the top, each pixel red, green, blue, 8 bits each. */
export interface Pixels {
  /** `width · height · 3` bytes. */
  readonly data: Uint8Array;
  /** Pixels in a row. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
}

const HALF = 1 << (PRECISION_BITS - 1);
/** Multiplications until the event loop gets a turn; about 10 ms. */
const WORK_PER_TURN = 10_000_000;

const pause = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Rows `from` to `to` of `source`, resized across to the columns `left` … of `axis`. */
function horizontalRows(
  source: Pixels,
  target: Uint8ClampedArray,
  axis: Coefficients,
  columns: { left: number; count: number },
  rows: { first: number; from: number; to: number },
): void {
  const { first, size, weights, stride } = axis;
  const { data } = source;
  const pitch = source.width * 3;
  for (let y = rows.from; y < rows.to; y++) {
    let out = (y - rows.first) * columns.count * 3;
    for (let x = columns.left; x < columns.left + columns.count; x++) {
      let p = y * pitch + first[x]! * 3;
      let k = x * stride;
      const end = k + size[x]!;
      let r = HALF;
      let g = HALF;
      let b = HALF;
      // Two taps a turn: half the loop's overhead, and integer sums do not depend on their order.
      for (; k + 1 < end; k += 2, p += 6) {
        const u = weights[k]!;
        const v = weights[k + 1]!;
        r = (r + Math.imul(data[p]!, u) + Math.imul(data[p + 3]!, v)) | 0;
        g = (g + Math.imul(data[p + 1]!, u) + Math.imul(data[p + 4]!, v)) | 0;
        b = (b + Math.imul(data[p + 2]!, u) + Math.imul(data[p + 5]!, v)) | 0;
      }
      if (k < end) {
        const u = weights[k]!;
        r = (r + Math.imul(data[p]!, u)) | 0;
        g = (g + Math.imul(data[p + 1]!, u)) | 0;
        b = (b + Math.imul(data[p + 2]!, u)) | 0;
      }
      target[out++] = r >> PRECISION_BITS;
      target[out++] = g >> PRECISION_BITS;
      target[out++] = b >> PRECISION_BITS;
    }
  }
}

/** One row of the result: a weighted sum of rows of `source`, whose first is row `firstRow`. */
function verticalRow(
  source: Uint8Array,
  firstRow: number,
  axis: Coefficients,
  y: number,
  target: Uint8ClampedArray,
  sums: Int32Array,
): void {
  const pitch = sums.length;
  const { weights } = axis;
  let k = y * axis.stride;
  const end = k + axis.size[y]!;
  let p = (axis.first[y]! - firstRow) * pitch;
  sums.fill(HALF);
  for (; k + 3 < end; k += 4, p += 4 * pitch) {
    const [s, t, u, v] = [weights[k]!, weights[k + 1]!, weights[k + 2]!, weights[k + 3]!];
    for (let i = 0, q = p; i < pitch; i++, q++) {
      sums[i] =
        (sums[i]! +
          Math.imul(source[q]!, s) +
          Math.imul(source[q + pitch]!, t) +
          Math.imul(source[q + 2 * pitch]!, u) +
          Math.imul(source[q + 3 * pitch]!, v)) |
        0;
    }
  }
  for (; k < end; k++, p += pitch) {
    const weight = weights[k]!;
    for (let i = 0; i < pitch; i++) sums[i] = (sums[i]! + Math.imul(source[p + i]!, weight)) | 0;
  }
  for (let i = 0; i < pitch; i++) target[i] = sums[i]! >> PRECISION_BITS;
}

/** Takes one pixel of the image for each of the result. */
export function nearest(source: Pixels, plan: Geometry): Pixels {
  const columns = nearestPositions(source.width, plan.width);
  const rows = nearestPositions(source.height, plan.height);
  const data = new Uint8Array(plan.keptWidth * plan.keptHeight * 3);
  let out = 0;
  for (let y = 0; y < plan.keptHeight; y++) {
    const row = rows[plan.top + y]! * source.width;
    for (let x = 0; x < plan.keptWidth; x++) {
      const p = (row + columns[plan.left + x]!) * 3;
      data[out++] = source.data[p]!;
      data[out++] = source.data[p + 1]!;
      data[out++] = source.data[p + 2]!;
    }
  }
  return { data, width: plan.keptWidth, height: plan.keptHeight };
}

/** The part of an image that is kept when its size does not change. */
export function crop(source: Pixels, plan: Geometry): Pixels {
  if (plan.keptWidth === source.width && plan.keptHeight === source.height) return source;
  const pitch = plan.keptWidth * 3;
  const data = new Uint8Array(pitch * plan.keptHeight);
  for (let y = 0; y < plan.keptHeight; y++) {
    const start = ((plan.top + y) * source.width + plan.left) * 3;
    data.set(source.data.subarray(start, start + pitch), y * pitch);
  }
  return { data, width: plan.keptWidth, height: plan.keptHeight };
}

/**
 * Resizes an image to exactly the bytes that Pillow's `Image.resize` gives for 8-bit RGB: across,
 * then down, weights in fixed point with 22 bits, rounded and clipped to 8 bits in between. libvips
 * (and so sharp) differs: it first averages whole blocks when an image gets much smaller, and shifts
 * an image that gets larger by part of a pixel (mean differences of 0.2 to 0.9 and of 1 to 9).
 *
 * Only the part that `plan` keeps is computed. Large images let the event loop turn in between.
 *
 * @param source The image.
 * @param plan Its new size and the part to keep.
 * @param weights Weights of the axes whose size changes; at least one.
 * @param signal Stops the work; it then rejects with `signal.reason`.
 */
export async function resample(
  source: Pixels,
  plan: Geometry,
  weights: { readonly across?: Coefficients; readonly down?: Coefficients },
  signal?: AbortSignal,
): Promise<Pixels> {
  let work = 0;
  const turn = async (more: number) => {
    work += more;
    if (work < WORK_PER_TURN) return;
    work = 0;
    await pause();
    signal?.throwIfAborted();
  };

  const { across, down } = weights;
  const { keptWidth, keptHeight, left, top } = plan;
  const lastRow = top + keptHeight - 1;
  const firstRow = down === undefined ? top : down.first[top]!;
  const endRow = down === undefined ? top + keptHeight : down.first[lastRow]! + down.size[lastRow]!;
  const pitch = keptWidth * 3;

  let rows: Uint8Array;
  if (across === undefined) {
    rows = crop(source, { ...plan, top: firstRow, keptHeight: endRow - firstRow }).data;
  } else {
    const resized = new Uint8ClampedArray((endRow - firstRow) * pitch);
    rows = new Uint8Array(resized.buffer);
    const columns = { left, count: keptWidth };
    const rowWork = pitch * across.stride;
    const step = Math.max(1, Math.floor(WORK_PER_TURN / rowWork));
    for (let from = firstRow; from < endRow; from += step) {
      const to = Math.min(endRow, from + step);
      horizontalRows(source, resized, across, columns, { first: firstRow, from, to });
      await turn((to - from) * rowWork);
    }
  }
  if (down === undefined) return { data: rows, width: keptWidth, height: keptHeight };

  const data = new Uint8ClampedArray(keptHeight * pitch);
  const sums = new Int32Array(pitch);
  for (let y = 0; y < keptHeight; y++) {
    const row = data.subarray(y * pitch, (y + 1) * pitch);
    verticalRow(rows, firstRow, down, top + y, row, sums);
    await turn(pitch * down.size[top + y]!);
  }
  return { data: new Uint8Array(data.buffer), width: keptWidth, height: keptHeight };
}

/** Puts a resized image on the canvas of its plan; without one, returns it as it is. */
export function place(image: Pixels, plan: Geometry): Pixels {
  const { canvas } = plan;
  if (canvas === undefined) return image;
  const data = new Uint8Array(canvas.width * canvas.height * 3);
  const [r, g, b] = canvas.background;
  for (let i = 0; i < data.length; i += 3) {
    data[i] = r;
    data[i + 1] = g;
    data[i + 2] = b;
  }
  const pitch = image.width * 3;
  for (let y = 0; y < image.height; y++) {
    const row = image.data.subarray(y * pitch, (y + 1) * pitch);
    data.set(row, ((canvas.top + y) * canvas.width + canvas.left) * 3);
  }
  return { data, width: canvas.width, height: canvas.height };
}
