import type { NamedTensors, Tensor } from '../../tensor.js';

/** Bits of a float32 without its sign; whatever is larger is NaN. */
const MAGNITUDE = 0x7fffffff;
const INFINITY = 0x7f800000;

/** As integers, and four at a time: twice as fast as comparing numbers. */
function someNaN32({ buffer, byteOffset, length }: Float32Array): boolean {
  const bits = new Int32Array(buffer, byteOffset, length);
  const end = length & ~3;
  for (let i = 0; i < end; i += 4) {
    if (
      (bits[i]! & MAGNITUDE) > INFINITY ||
      (bits[i + 1]! & MAGNITUDE) > INFINITY ||
      (bits[i + 2]! & MAGNITUDE) > INFINITY ||
      (bits[i + 3]! & MAGNITUDE) > INFINITY
    ) {
      return true;
    }
  }
  for (let i = end; i < length; i++) if ((bits[i]! & MAGNITUDE) > INFINITY) return true;
  return false;
}

function isNaNIn({ type, data }: Tensor): boolean {
  if (type === 'float32') return someNaN32(data as Float32Array);
  if (type === 'float64') return (data as Float64Array).some(Number.isNaN);
  return type === 'float16' && (data as Uint16Array).some((bits) => (bits & 0x7fff) > 0x7c00);
}

/** Whether any element of any float tensor is NaN. */
export function hasNaN(tensors: NamedTensors): boolean {
  for (const name in tensors) if (isNaNIn(tensors[name]!)) return true;
  return false;
}
