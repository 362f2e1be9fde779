import {
  createTensor,
  TensorProto_DataType as DataType,
  floatToHalf,
  readFloats,
  type TensorProto,
  tensorDims,
} from '../../onnx/index.js';
import { MAX_HALF, MIN_NORMAL_HALF } from './kept.js';
import type { Float16Weight } from './report.js';

/** The largest finite float16 as bits. */
const MAX_BITS = 0x7bff;

/** The smallest positive float16, 2^-24. */
const MIN_BITS = 1;

/**
 * A float32 tensor as float16. Finite values beyond ±65,504 become ±65,504; infinities and NaN stay.
 *
 * @param positive Whether zero is not allowed (a scale): what would become zero becomes 2^-24.
 * @returns The tensor, and what float16 could not hold, when there was anything.
 */
export function halfTensor(
  tensor: TensorProto,
  name: string,
  folder: string | undefined,
  positive = false,
): { half: TensorProto; inexact?: Omit<Float16Weight, 'name'> } {
  const values = readFloats(tensor, folder);
  const bits = new Uint16Array(values.length);
  let clamped = 0;
  let zeroed = 0;
  let subnormal = 0;
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i]!;
    const magnitude = Math.abs(value);
    if (magnitude > MAX_HALF && magnitude !== Number.POSITIVE_INFINITY) {
      bits[i] = value < 0 ? MAX_BITS | 0x8000 : MAX_BITS;
      clamped += 1;
      continue;
    }
    bits[i] = floatToHalf(value);
    if (magnitude === 0 || magnitude >= MIN_NORMAL_HALF) continue;
    // Also past here: NaN, which compares with nothing.
    if (Number.isNaN(value)) continue;
    if ((bits[i]! & 0x7fff) !== 0) subnormal += 1;
    else {
      zeroed += 1;
      if (positive) bits[i] = MIN_BITS;
    }
  }
  const half = createTensor(name, DataType.FLOAT16, tensorDims(tensor), bits);
  if (clamped + zeroed + subnormal === 0) return { half };
  return { half, inexact: { clamped, zeroed, subnormal } };
}
