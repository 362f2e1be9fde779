import type { Tensor, TensorType } from '../tensor.js';

/** numpy's names of the element types. */
const DESCR: Readonly<Record<TensorType, string>> = {
  float32: '<f4',
  float64: '<f8',
  float16: '<f2',
  int8: '|i1',
  uint8: '|u1',
  int32: '<i4',
  int64: '<i8',
  bool: '|b1',
};

/** The header is filled up so that the data starts on a multiple of this. */
const ALIGNMENT = 64;

/**
 * A tensor as a `.npy` file, version 1.0 of numpy's format: `numpy.load` reads it.
 *
 * @param tensor The tensor; its memory is little-endian on every machine Node.js runs on.
 */
export function encodeNpy(tensor: Tensor): Uint8Array {
  const { dims, type, data } = tensor;
  const shape = dims.length === 1 ? `(${dims[0]},)` : `(${dims.join(', ')})`;
  const fields = `{'descr': '${DESCR[type]}', 'fortran_order': False, 'shape': ${shape}, }`;
  const start = 10;
  const length = Math.ceil((start + fields.length + 1) / ALIGNMENT) * ALIGNMENT;
  const result = Buffer.alloc(length + data.byteLength, ' ', 'latin1');
  result.write('\x93NUMPY\x01\x00', 0, 'latin1');
  result.writeUInt16LE(length - start, 8);
  result.write(fields, start, 'latin1');
  result.write('\n', length - 1, 'latin1');
  result.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), length);
  return result;
}
