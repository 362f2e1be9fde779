/** Rounds to float32. */
export const f32 = Math.fround;

/**
 * numpy's sum of contiguous float32: pairwise over halves, blocks of at most 128 with eight
 * accumulators. Every addition is rounded to float32, so the order decides the last bits.
 */
export function pairwiseSum32(values: Float32Array, start = 0, count = values.length): number {
  if (count < 8) {
    let sum = 0;
    for (let i = start; i < start + count; i += 1) sum = f32(sum + (values[i] as number));
    return sum;
  }
  if (count > 128) {
    const half = (count >> 1) - ((count >> 1) % 8);
    const left = pairwiseSum32(values, start, half);
    return f32(left + pairwiseSum32(values, start + half, count - half));
  }
  const whole = start + count - (count % 8);
  let a = values[start]!;
  let b = values[start + 1]!;
  let c = values[start + 2]!;
  let d = values[start + 3]!;
  let e = values[start + 4]!;
  let f = values[start + 5]!;
  let g = values[start + 6]!;
  let h = values[start + 7]!;
  for (let i = start + 8; i < whole; i += 8) {
    a = f32(a + values[i]!);
    b = f32(b + values[i + 1]!);
    c = f32(c + values[i + 2]!);
    d = f32(d + values[i + 3]!);
    e = f32(e + values[i + 4]!);
    f = f32(f + values[i + 5]!);
    g = f32(g + values[i + 6]!);
    h = f32(h + values[i + 7]!);
  }
  let sum = f32(f32(f32(a + b) + f32(c + d)) + f32(f32(e + f) + f32(g + h)));
  for (let i = whole; i < start + count; i += 1) sum = f32(sum + values[i]!);
  return sum;
}

/** {@link pairwiseSum32} in float64. */
export function pairwiseSum64(values: Float64Array, start = 0, count = values.length): number {
  if (count < 8) {
    let sum = 0;
    for (let i = start; i < start + count; i += 1) sum += values[i] as number;
    return sum;
  }
  if (count > 128) {
    const half = (count >> 1) - ((count >> 1) % 8);
    const left = pairwiseSum64(values, start, half);
    return left + pairwiseSum64(values, start + half, count - half);
  }
  const r = values.slice(start, start + 8);
  const whole = count - (count % 8);
  for (let i = 8; i < whole; i += 8) {
    for (let j = 0; j < 8; j += 1) r[j] = (r[j] as number) + (values[start + i + j] as number);
  }
  const [a, b, c, d, e, f, g, h] = r as unknown as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  let sum = a + b + (c + d) + (e + f + (g + h));
  for (let i = whole; i < count; i += 1) sum += values[start + i] as number;
  return sum;
}

/** numpy's `//` of two positive float32. */
export function floorDivide32(a: number, b: number): number {
  const quotient = f32(f32(a - f32(a % b)) / b);
  const floor = Math.floor(quotient);
  return quotient - floor > 0.5 ? f32(floor + 1) : floor;
}
