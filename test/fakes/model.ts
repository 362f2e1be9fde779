// A writer for small ONNX files, independent of lib/onnx so that a test of one is no test of the other.

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  return [...bytes, rest];
}

const integer = (field: number, value: number): number[] => [field * 8, ...varint(value)];
const message = (field: number, body: readonly number[]): number[] => [
  ...varint(field * 8 + 2),
  ...varint(body.length),
  ...body,
];
const text = (field: number, value: string): number[] => message(field, [...Buffer.from(value)]);

/** A model in few words. A dimension that is a string is dynamic and has that name. */
export interface SmallModel {
  inputs: Readonly<Record<string, readonly (number | string)[]>>;
  outputs: Readonly<Record<string, readonly (number | string)[]>>;
  nodes: readonly { op: string; name: string; inputs: string[]; outputs: string[] }[];
  /** Float32 initialisers. */
  weights?: Readonly<Record<string, { dims: readonly number[]; first: number; file?: string }>>;
}

function valueInfo(name: string, dims: readonly (number | string)[]): number[] {
  const shape = dims.flatMap((dim) =>
    message(1, typeof dim === 'number' ? integer(1, dim) : text(2, dim)),
  );
  return [...text(1, name), ...message(2, message(1, [...integer(1, 1), ...message(2, shape)]))];
}

function tensor(name: string, dims: readonly number[], first: number, file?: string): number[] {
  const values = new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(first);
  const data =
    file === undefined
      ? message(9, [...new Uint8Array(values.buffer)])
      : [...message(13, [...text(1, 'location'), ...text(2, file)]), ...integer(14, 1)];
  return [...dims.flatMap((dim) => integer(1, dim)), ...integer(2, 1), ...text(8, name), ...data];
}

/** The bytes of an ONNX file. */
export function smallModel(model: SmallModel): Uint8Array {
  const graph = [
    ...model.nodes.flatMap(({ op, name, inputs, outputs }) =>
      message(1, [
        ...inputs.flatMap((input) => text(1, input)),
        ...outputs.flatMap((output) => text(2, output)),
        ...text(3, name),
        ...text(4, op),
      ]),
    ),
    ...text(2, 'small'),
    ...Object.entries(model.weights ?? {}).flatMap(([name, { dims, first, file }]) =>
      message(5, tensor(name, dims, first, file)),
    ),
    ...Object.entries(model.inputs).flatMap(([name, dims]) => message(11, valueInfo(name, dims))),
    ...Object.entries(model.outputs).flatMap(([name, dims]) => message(12, valueInfo(name, dims))),
  ];
  return Uint8Array.from([...integer(1, 8), ...message(7, graph), ...message(8, integer(2, 17))]);
}
