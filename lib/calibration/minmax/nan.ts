import type { NamedTensors, Tensor } from '../../tensor.js';

/** Whether a value is NaN or infinite. Four sums, so that additions need not wait for each other. */
function hasNonFinite(values: Float32Array): boolean {
  const end = values.length - (values.length % 4);
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  for (let i = 0; i < end; i += 4) {
    // Zero for every finite number, NaN for all else.
    a += values[i]! * 0;
    b += values[i + 1]! * 0;
    c += values[i + 2]! * 0;
    d += values[i + 3]! * 0;
  }
  for (let i = end; i < values.length; i++) a += values[i]! * 0;
  return Number.isNaN(a + b + c + d);
}

function isNaNIn({ type, data }: Tensor): boolean {
  if (type === 'float32') {
    return hasNonFinite(data as Float32Array) && (data as Float32Array).some(Number.isNaN);
  }
  if (type === 'float64') return (data as Float64Array).some(Number.isNaN);
  return type === 'float16' && (data as Uint16Array).some((bits) => (bits & 0x7fff) > 0x7c00);
}

/** Whether any element of any float tensor is NaN. */
export function hasNaN(tensors: NamedTensors): boolean {
  for (const name in tensors) if (isNaNIn(tensors[name]!)) return true;
  return false;
}
