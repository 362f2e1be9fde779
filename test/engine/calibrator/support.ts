// Calibrated builds on the fake driver and the fake TensorRT, in child processes.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  buildFakes,
  type FakeMajor,
  type FakeOptions,
  type Fakes,
  fakeEnvironment,
} from '../../fakes/build.js';
import { type SmallModel, smallModel } from '../../fakes/model.js';
import { type ChildResult, compileLib, runModule } from '../compiled-lib.js';

const NODES: SmallModel['nodes'] = [
  { op: 'Conv', name: 'conv', inputs: ['image', 'w'], outputs: ['features'] },
  { op: 'Relu', name: 'relu', inputs: ['features'], outputs: ['scores'] },
];
const WEIGHTS = { w: { dims: [8, 3, 3, 3], first: 0.25 } };

/** Models of the tests: two rows fixed, dynamic, and one with two inputs. */
export const MODELS: Readonly<Record<string, SmallModel>> = {
  FIXED: {
    inputs: { image: [2, 3, 4, 4] },
    outputs: { scores: [2, 10] },
    nodes: NODES,
    weights: WEIGHTS,
  },
  DYNAMIC: {
    inputs: { image: ['batch', 3, 'height', 'width'] },
    outputs: { scores: ['batch', 10] },
    nodes: NODES,
    weights: WEIGHTS,
  },
  TWO: {
    inputs: { image: [2, 3, 4, 4], extra: [2, 2] },
    outputs: { scores: [2, 10] },
    nodes: [
      ...NODES.slice(0, 1),
      { op: 'Gemm', name: 'fc', inputs: ['features', 'extra'], outputs: ['scores'] },
    ],
    weights: WEIGHTS,
  },
  QUANTIZED: {
    inputs: { image: [2, 3, 4, 4] },
    outputs: { scores: [2, 10] },
    nodes: [
      { op: 'QuantizeLinear', name: 'q', inputs: ['image', 's', 'z'], outputs: ['quantized'] },
      { op: 'DequantizeLinear', name: 'd', inputs: ['quantized', 's', 'z'], outputs: ['scores'] },
    ],
    weights: { s: { dims: [], first: 0.5 }, z: { dims: [], first: 0 } },
  },
};

/** Objects of the fake driver that a process still held at its end. */
export interface Held {
  deviceAllocations: number;
  pinnedBlocks: number;
  streams: number;
  events: number;
  peak: number;
  allocatedOn: number[];
  calls: Record<string, number>;
}

/** Nothing but what a process may hold. */
export const NOTHING = { deviceAllocations: 0, pinnedBlocks: 0, streams: 0, events: 0 };

/** The bits of a cache's scale, as TensorRT writes them: amax / 127 in float32. */
export function scaleBits(amax: number): string {
  const bits = new Uint32Array(Float32Array.of(Math.fround(Math.fround(amax) / 127)).buffer);
  return bits[0]!.toString(16).padStart(8, '0');
}

/** Versions that calibrate: 8.6 where its headers are, which no package holds. */
export const CALIBRATING: readonly FakeMajor[] =
  (process.env.TENSORRT8_INCLUDE_DIR ?? '') === '' ? [10] : [10, 8];

/** Compiled fakes, the compiled library, and models for children to build. */
export class Workshop {
  readonly fakes: Fakes;
  readonly root: string;
  readonly folder: string;
  readonly #prelude: string;

  private constructor(fakes: Fakes, root: string, folder: string) {
    this.fakes = fakes;
    this.root = root;
    this.folder = folder;
    this.#prelude = `
import { access, readFile, writeFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { buildEngine } from './dist/engine/index.js';
import { Tensor } from './dist/tensor.js';
const folder = ${JSON.stringify(folder)};
const file = (name) => join(folder, name);
const [FIXED, DYNAMIC, TWO, QUANTIZED] = ['FIXED', 'DYNAMIC', 'TWO', 'QUANTIZED'].map((name) =>
  file(name + '.onnx'),
);
const filled = (value, dims = [2, 3, 4, 4]) =>
  new Tensor('float32', new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(value), dims);
const build = (model, calibrator, options = {}) =>
  buildEngine(model, {
    libraryDir: ${JSON.stringify(fakes.dir)},
    cache: false,
    calibrator,
    ...options,
  });
const print = (value) => console.log(JSON.stringify(value));
const text = (bytes) => new TextDecoder().decode(bytes);
const told = (error) => ({
  name: error?.name, code: error?.code, message: error?.message, remedy: error?.remedy,
});
const outcome = (promise) => promise.then((result) => ({ built: true, result }), (error) => ({ error }));
const there = (path) => access(path).then(() => true, () => false);
`;
  }

  static async open(major: FakeMajor = 10): Promise<Workshop> {
    const fakes = await buildFakes(major);
    if (fakes === undefined) throw new Error(`No headers of TensorRT ${major}`);
    const folder = await mkdtemp(join(tmpdir(), 'calibrator-'));
    for (const [name, model] of Object.entries(MODELS)) {
      await writeFile(join(folder, `${name}.onnx`), smallModel(model));
    }
    return new Workshop(fakes, compileLib(), folder);
  }

  async close(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
    await rm(this.root, { recursive: true, force: true });
  }

  /** Runs a script; `held` is what the fake driver still had at its end. */
  async run(
    source: string,
    options: { cuda?: FakeOptions; tensorrt?: FakeOptions; env?: NodeJS.ProcessEnv } = {},
  ): Promise<ChildResult & { lines: unknown[]; held: Held | null }> {
    const report = join(this.folder, `report-${Math.random().toString(36).slice(2)}.json`);
    const env = {
      ...fakeEnvironment(this.fakes, {
        cuda: { report, ...options.cuda },
        tensorrt: options.tensorrt ?? {},
      }),
      ...options.env,
    };
    const result = await runModule(this.root, this.#prelude + source, { env });
    const text = await readFile(report, 'utf8').catch(() => 'null');
    const lines = result.stdout
      .split('\n')
      .filter((line) => line.startsWith('{') || line.startsWith('['))
      .map((line) => JSON.parse(line) as unknown);
    return { ...result, lines, held: JSON.parse(text) as Held | null };
  }
}
