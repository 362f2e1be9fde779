// Sessions on the fake driver and the fake TensorRT, inside the test's own process: base.node opens the
// fake driver by its path and keeps it, and the loader then finds it under its name.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { InferenceSession } from '../../../lib/session/tensorrt/index.js';
import { Tensor } from '../../../lib/tensor.js';
import {
  buildFakes,
  type FakeMajor,
  type FakeOptions,
  type Fakes,
  fakeEnvironment,
} from '../../fakes/build.js';
import { expectedOutput } from '../../fakes/expected.js';
import { type SmallModel, smallModel } from '../../fakes/model.js';

const run = promisify(execFile);
const BASE = new URL('../../../build/Release/base.node', import.meta.url);

/** A classifier of fixed shapes: two inputs, two outputs. */
export const FIXED: SmallModel = {
  inputs: { image: [2, 3, 4, 4], extra: [2, 2] },
  outputs: { scores: [2, 10], other: [2, 3] },
  nodes: [
    { op: 'Conv', name: 'conv', inputs: ['image', 'w'], outputs: ['features'] },
    { op: 'Gemm', name: 'fc', inputs: ['features', 'extra'], outputs: ['scores'] },
    { op: 'Relu', name: 'relu', inputs: ['features'], outputs: ['other'] },
  ],
  weights: { w: { dims: [8, 3, 3, 3], first: 0.25 } },
};

/** The same with a dynamic batch; the fakes' program builds a profile of 1, 2 and 8. */
export const DYNAMIC: SmallModel = {
  ...FIXED,
  inputs: { image: ['batch', 3, 4, 4], extra: ['batch', 2] },
  outputs: { scores: ['batch', 10], other: ['batch', 3] },
};

/** The bytes of a model whose inputs have other element types: ONNX's numbers of them by name. */
export function typedModel(model: SmallModel, types: Readonly<Record<string, number>>): Uint8Array {
  const bytes = Buffer.from(smallModel(model));
  for (const [name, type] of Object.entries(types)) {
    // The value_info: name, then type { tensor_type { elem_type: 1 …
    const start = bytes.lastIndexOf(Buffer.from([10, name.length, ...Buffer.from(name), 18]));
    const at = start + name.length + 6;
    if (start < 0 || bytes[at] !== 8 || bytes[at + 1] !== 1) throw new Error(`No input ${name}`);
    bytes[at + 1] = type;
  }
  return bytes;
}

/** Live objects of the fake driver. */
export interface Live {
  deviceAllocations: number;
  pinnedBlocks: number;
  streams: number;
  events: number;
  graphs: number;
  graphExecs: number;
  calls: Record<string, number>;
}

/** Chooses the fakes' behaviour from the next session on. */
export function script(options: { cuda?: FakeOptions; tensorrt?: FakeOptions } = {}): void {
  const text = (values: FakeOptions = {}) =>
    Object.entries(values)
      .map(([key, value]) => `${key}=${value}`)
      .join(';');
  process.env.TENSORRT_NODE_FAKE_CUDA = text(options.cuda);
  process.env.TENSORRT_NODE_FAKE_TENSORRT = text(options.tensorrt);
}

/** Deterministic numbers in (-4, 4), exact in float32. */
export function numbers(count: number, seed: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, (_, i) => (((i * 37 + seed * 11) % 101) - 50) / 16);
}

/** Feeds of the classifiers above. */
export function feedsOf(rows: number, seed = 0) {
  return {
    image: new Tensor('float32', numbers(rows * 48, seed), [rows, 3, 4, 4]),
    extra: new Tensor('float32', numbers(rows * 2, seed + 1), [rows, 2]),
  };
}

/** What the fake engine answers to them. */
export function answersTo(rows: number, seed = 0) {
  const { image, extra } = feedsOf(rows, seed);
  const inputs = [image, extra].map(({ data, dims }) => ({ data, shape: dims }));
  return {
    scores: [...expectedOutput(inputs, { shape: [rows, 10] })],
    other: [...expectedOutput(inputs, { shape: [rows, 3], index: 1 })],
  };
}

/** Compiled fakes, and a folder for plans. */
export class FakeGpu {
  readonly fakes: Fakes;
  readonly folder: string;

  private constructor(fakes: Fakes, folder: string) {
    this.fakes = fakes;
    this.folder = folder;
  }

  static async open(major: FakeMajor = 10): Promise<FakeGpu> {
    const fakes = await buildFakes(major);
    if (fakes === undefined) throw new Error(`No headers of TensorRT ${major}`);
    script();
    createRequire(import.meta.url)(BASE.pathname).queryDriver(fakes.cuda);
    return new FakeGpu(fakes, await mkdtemp(join(tmpdir(), 'session-')));
  }

  async close(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Builds a plan with the fakes' own test program. */
  async plan(
    name: string,
    model: SmallModel | Uint8Array,
    tensorrt: FakeOptions = {},
  ): Promise<string> {
    const onnx = join(this.folder, `${name}.onnx`);
    const path = join(this.folder, `${name}.plan`);
    await writeFile(onnx, model instanceof Uint8Array ? model : smallModel(model));
    const { stdout } = await run(this.fakes.driver, [this.fakes.dir, 'build', onnx, path], {
      env: fakeEnvironment(this.fakes, { tensorrt }),
    });
    if (!/^plan \d+$/m.test(stdout)) throw new Error(`No plan: ${stdout}`);
    return path;
  }

  /** Opens a session on the fakes. */
  session(
    engine: Parameters<typeof InferenceSession.create>[0],
    options: Parameters<typeof InferenceSession.create>[1] = {},
  ): Promise<InferenceSession> {
    return InferenceSession.create(engine, { libraryDir: this.fakes.dir, ...options });
  }
}
