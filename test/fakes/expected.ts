// The fakes' arithmetic in TypeScript: the twin of nvinfer/compute.cc, to the last bit of float32.

/** One input: its numbers, as float32 would hold them, and its shape. */
export interface FakeInput {
  data: ArrayLike<number>;
  shape: readonly number[];
}

/** One output: its shape, its index among the outputs, and what a refit added. */
export interface FakeOutput {
  shape: readonly number[];
  /** Position among the engine's outputs. */
  index?: number;
  /** Sum of the first elements of all refitted weights, in the order of their names. */
  bias?: number;
  /** 'min' or 'max' when the output is a ReduceMin or ReduceMax of the graph. */
  reduction?: 'min' | 'max';
}

const round = Math.fround;
const volume = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

function summarise(inputs: readonly FakeInput[], rows: number, row: number) {
  let lowest = Number.POSITIVE_INFINITY;
  let highest = Number.NEGATIVE_INFINITY;
  let first = 0;
  let nan = false;
  for (const { data, shape } of inputs) {
    const split = row >= 0 && shape.length > 0 && shape[0] === rows;
    const count = volume(shape) / (split ? rows : 1);
    const start = split ? row * count : 0;
    for (let i = 0; i < count; i += 1) {
      const value = data[start + i]!;
      if (Number.isNaN(value)) nan = true;
      if (value < lowest) lowest = value;
      if (value > highest) highest = value;
      if (i === 0) first = round(first + value);
    }
  }
  return { lowest, highest, first, nan };
}

/** What the fake engine writes into a float32 output. */
export function expectedOutput(inputs: readonly FakeInput[], output: FakeOutput): Float32Array {
  const { shape, index = 0, bias = 0, reduction } = output;
  const size = volume(shape);
  const result = new Float32Array(size);
  const rows = inputs[0]?.shape[0] ?? 1;
  const byRow = rows > 0 && shape.length > 0 && shape[0] === rows;
  const count = byRow ? size / rows : size;
  for (let row = 0; row < (byRow ? rows : 1); row += 1) {
    const { lowest, highest, first, nan } = summarise(inputs, rows, byRow ? row : -1);
    const sum = round(round(round(round(lowest + highest) + first) + bias) + index);
    const scaled = round(Math.abs(sum) * 64);
    const peak = Number.isFinite(scaled) && !nan ? Math.trunc(scaled) % count : count;
    for (let k = 0; k < count; k += 1) {
      let value = round(sum * round((k + 1) / count));
      if (k === peak) value = round(value + 4);
      if (reduction === 'min') value = lowest;
      if (reduction === 'max') value = highest;
      result[row * count + k] = nan ? Number.NaN : value;
    }
  }
  return result;
}
