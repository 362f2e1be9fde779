import { readFile } from 'node:fs/promises';
import { messageOf, TensorRTError } from '../../errors.js';
import type { AnyTensor, InferenceSession, ValueMetadata } from '../../session/index.js';
import { TENSOR_ARRAYS, Tensor, type TensorData, type TensorType } from '../../tensor.js';

/** Shapes by input. */
export type BenchShapes = Readonly<Record<string, readonly number[]>>;

/** The shape as the engine takes it: of an image of bytes it may be given in the order of the model. */
function ordered({ type, shape }: ValueMetadata, dims: readonly number[]): readonly number[] {
  const pixels = type === 'uint8' && shape.length === 4 && shape[3] === 3;
  if (!pixels || dims.length !== 4 || dims[3] === 3 || dims[1] !== 3) return dims;
  const [batch, channels, height, width] = dims as [number, number, number, number];
  return [batch, height, width, channels];
}

/**
 * The shape of every input: the one given, the engine's own, or what its first profile is tuned for.
 *
 * @param session The engine.
 * @param shapes Those given.
 * @throws RangeError for shapes of inputs that are not there.
 */
export function inputShapes(session: InferenceSession, shapes: BenchShapes = {}): BenchShapes {
  const unknown = Object.keys(shapes).find((name) => !session.inputNames.includes(name));
  if (unknown !== undefined) {
    throw new RangeError(
      `Expected shapes of the inputs ${session.inputNames.join(', ')} for shapes but received one ` +
        `of ${unknown}`,
    );
  }
  return Object.fromEntries(
    session.inputs.map((input) => {
      const { name, shape } = input;
      const own = session.profiles[0]?.[name]?.opt ?? (shape as readonly number[]);
      const given = shapes[name];
      return [name, given === undefined ? own : ordered(input, given)];
    }),
  );
}

/** Numbers that repeat from run to run: a linear congruential generator. */
function fill(data: TensorData, type: TensorType): void {
  let state = 1;
  for (let index = 0; index < data.length; index += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const random = state / 2 ** 32;
    if (typeof data[index] === 'bigint') data[index] = BigInt(Math.floor(random * 2));
    else if (type === 'float32' || type === 'float64') data[index] = random;
    // Halves come as their bits: 0x3800 to 0x3bff are 0.5 to 1.
    else if (type === 'float16') data[index] = 0x3800 + Math.floor(random * 0x400);
    else if (type === 'uint8') data[index] = Math.floor(random * 256);
    else data[index] = Math.floor(random * 2);
  }
}

async function load(data: TensorData, { name, type }: ValueMetadata, path: string): Promise<void> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new TensorRTError('FILE_NOT_FOUND', `Cannot read ${path}: ${messageOf(error)}`, {
      remedy: 'Name a file of raw elements for each input (--loadInputs=name:file).',
      cause: error,
    });
  });
  if (bytes.byteLength !== data.byteLength) {
    throw new RangeError(
      `Expected ${data.byteLength} bytes of ${type} for input ${name} but ${path} has ` +
        `${bytes.byteLength}`,
    );
  }
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength).set(bytes);
}

/** Where the tensors of a run lie. */
export type BenchMemory = 'memory' | 'pinned' | 'device';

/** Tensors of runs, and how to give up what is scarce of them. */
export interface BenchTensors {
  feeds: Record<string, AnyTensor>;
  /** To write into; absent for ordinary memory, which every run makes anew. */
  fetches?: Record<string, AnyTensor>;
  dispose(): void;
}

/**
 * Makes the tensors of a run.
 *
 * @param session The engine.
 * @param shapes Of every input.
 * @param files Raw contents by input; random numbers otherwise.
 * @param memory Where they lie.
 * @param outputs Outputs of a run of these shapes, for their shapes.
 * @throws RangeError for files of another size; TensorRTError `FILE_NOT_FOUND`, `OUT_OF_MEMORY`.
 */
export async function benchTensors(
  session: InferenceSession,
  shapes: BenchShapes,
  files: Readonly<Record<string, string>>,
  memory: BenchMemory,
  outputs: Readonly<Record<string, AnyTensor>> = {},
): Promise<BenchTensors> {
  const made: { dispose(): void }[] = [];
  const keep = <T extends { dispose(): void }>(tensor: T): T => {
    made.push(tensor);
    return tensor;
  };
  const dispose = () => {
    for (const tensor of made) tensor.dispose();
  };
  try {
    const feeds: Record<string, AnyTensor> = {};
    for (const input of session.inputs) {
      const { name, type } = input;
      const dims = shapes[name]!;
      const length = dims.reduce((product, dim) => product * dim, 1);
      const host =
        memory === 'pinned'
          ? keep(session.createPinnedTensor(type, dims))
          : new Tensor(type, new TENSOR_ARRAYS[type](length) as TensorData, dims);
      const file = files[name];
      if (file === undefined) fill(host.data, type);
      else await load(host.data, input, file);
      feeds[name] = host;
      if (memory !== 'device') continue;
      const device = keep(session.createDeviceTensor(type, dims));
      device.uploadSync(host.data);
      feeds[name] = device;
    }
    if (memory === 'memory') return { feeds, dispose };
    const fetches = Object.fromEntries(
      Object.entries(outputs).map(([name, { type, dims }]) => [
        name,
        keep(
          memory === 'pinned'
            ? session.createPinnedTensor(type, dims)
            : session.createDeviceTensor(type, dims),
        ),
      ]),
    );
    return { feeds, fetches, dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}
