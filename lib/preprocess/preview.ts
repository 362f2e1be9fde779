import { expected } from '../arguments.js';
import { writeFile } from '../files.js';
import type { Tensor, TensorType } from '../tensor.js';
import { loadSharp } from './load-sharp.js';
import { pixelsToTensor } from './planar.js';
import type { Recipe } from './recipe.js';
import type { Pixels } from './resample.js';

/** NumPy's codes of the element types, little-endian. */
const NPY_TYPES: Record<TensorType, string> = {
  float32: '<f4',
  float64: '<f8',
  float16: '<f2',
  int8: '|i1',
  uint8: '|u1',
  int32: '<i4',
  int64: '<i8',
  bool: '|b1',
};

/**
 * A tensor as the bytes of a NumPy file (format 1.0, row-major), which `numpy.load` reads.
 *
 * @param tensor The tensor.
 */
export function encodeNpy(tensor: Tensor): Uint8Array {
  const { dims, data } = tensor;
  const shape = dims.length === 1 ? `${dims[0]},` : dims.join(', ');
  const fields = `{'descr': '${NPY_TYPES[tensor.type]}', 'fortran_order': False, 'shape': (${shape}), }`;
  // The data begin at a multiple of 64, and the header ends in a line feed.
  const length = Math.ceil((10 + fields.length + 1) / 64) * 64;
  const header = Buffer.alloc(length, ' ', 'latin1');
  header.write('\x93NUMPY\x01\x00', 'latin1');
  header.writeUInt16LE(length - 10, 8);
  header.write(fields, 10, 'latin1');
  header.write('\n', length - 1, 'latin1');
  return Buffer.concat([header, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)]);
}

/**
 * Writes a tensor as a NumPy file, whole or not at all.
 *
 * @param path Path of the file.
 * @param tensor The tensor.
 * @throws TensorRTError `WRITE_FAILED`.
 */
export function writeNpy(path: string, tensor: Tensor): Promise<void> {
  return writeFile(path, encodeNpy(tensor));
}

/**
 * Pixels as the bytes of a PNG file, without loss.
 *
 * @param pixels Pixels of `readImage`.
 */
export async function pixelsToPng(pixels: Pixels): Promise<Uint8Array> {
  const sharp = await loadSharp();
  const { width, height } = pixels;
  return sharp(pixels.data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

/**
 * Writes what a model sees of an image: a `.png` (the pixels, after resizing), or a `.npy` (the
 * tensor, after scaling and normalization).
 *
 * @param path Path of the file; its extension decides.
 * @param pixels Pixels of `readImage`.
 * @param recipe Recipe of the tensor.
 * @throws RangeError for another extension.
 * @throws TensorRTError `WRITE_FAILED`.
 */
export async function savePreview(path: string, pixels: Pixels, recipe: Recipe): Promise<void> {
  if (/\.png$/i.test(path)) return writeFile(path, await pixelsToPng(pixels));
  if (/\.npy$/i.test(path)) return writeNpy(path, pixelsToTensor(pixels, recipe));
  throw expected('out', 'a path that ends in .png or .npy', path, 'range');
}
