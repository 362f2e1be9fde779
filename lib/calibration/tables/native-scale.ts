const words = new Uint32Array(1);
const floats = new Float32Array(words.buffer);

/** The IEEE-754 bits of a number rounded to float32. */
export function floatBits(value: number): number {
  floats[0] = value;
  return words[0] as number;
}

/** The float32 of these IEEE-754 bits. */
export function floatFromBits(bits: number): number {
  words[0] = bits;
  return floats[0] as number;
}

/**
 * The dynamic range that ONNX Runtime's TensorRT execution provider makes of a scale in a TensorRT
 * cache. It decodes the bits with code of its own, which treats every exponent alike: 0 comes out as
 * 127 · 2^-127, denormals are wrong, and NaN is infinite.
 *
 * @param bits The IEEE-754 bits of the float32 scale.
 */
export function onnxRuntimeDynamicRange(bits: number): number {
  const sign = bits >>> 31 === 0 ? 1 : -1;
  const exponent = (bits >>> 23) & 0xff;
  const mantissa = bits & 0x7fffff;
  const scale = Math.fround(sign * 2 ** (exponent - 127) * (1 + mantissa / 2 ** 23));
  return Math.fround(scale * 127);
}
