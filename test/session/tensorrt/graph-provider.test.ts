import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { calibrate, mergeFolders, onnxRuntimeProvider } from '../../../lib/calibration/index.js';
import { planMinMax } from '../../../lib/calibration/minmax/plan.js';
import { addReductions } from '../../../lib/calibration/minmax/reductions.js';
import { buildEngine } from '../../../lib/engine/index.js';
import { encodeModel, graphOf, loadModel } from '../../../lib/onnx/index.js';
import { tensorrtProvider } from '../../../lib/session/index.js';
import { profileFor } from '../../../lib/session/tensorrt/shape-range.js';
import { calibrateAuto, calibrateFolder, calibrateShard } from '../../../lib/tasks/index.js';
import { Tensor } from '../../../lib/tensor.js';
import { digits, model as digitsModel, train } from '../../cli/calibrated-digits.js';
import { cliJson } from '../../cli/command-line.js';
import { smallModel } from '../../fakes/model.js';
import { COLOURS, colourFolder, colourModel, writeImage } from '../../tasks/colours.js';
import { FakeGpu, numbers, script } from './support.js';

let gpu: FakeGpu;
let folder: string;
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  gpu = await FakeGpu.open();
  folder = await colourFolder();
}, 900_000);
afterEach(() => script());
afterAll(async () => {
  await rm(folder, { recursive: true });
  await gpu.close();
});

/** Bounds of the input itself, which the fakes compute truly. */
const BOUNDS = smallModel({
  inputs: { image: ['n', 3, 'h', 'w'] },
  outputs: { low: [1], high: [1] },
  nodes: [
    { op: 'ReduceMin', name: 'min', inputs: ['image'], outputs: ['low'] },
    { op: 'ReduceMax', name: 'max', inputs: ['image'], outputs: ['high'] },
  ],
});

function image(seed: number, ...dims: number[]) {
  const size = dims.reduce((a, b) => a * b, 1);
  return { image: new Tensor('float32', numbers(size, seed), dims) };
}

const boundsOf = ({ data }: Tensor) => ({
  low: Math.min(...(data as Float32Array)),
  high: Math.max(...(data as Float32Array)),
});

describe('tensorrtProvider', () => {
  it('takes whatever shapes come, several at once, and builds again for what is new', async () => {
    const provider = tensorrtProvider({ libraryDir: gpu.fakes.dir });
    const runner = await provider.open(await loadModel(BOUNDS), { exact: false });
    const feeds = [
      ...[image(1, 2, 3, 8, 8), image(2, 1, 3, 8, 8), image(3, 2, 3, 8, 9), image(4, 5, 3, 4, 40)],
      ...[image(5, 1, 3, 8, 8), image(6, 3, 3, 50, 8)],
    ];
    const results = await Promise.all(feeds.map((one) => runner.run(one)));
    const found = results.map(({ low, high }) => ({ low: low!.data[0], high: high!.data[0] }));
    expect(found).toEqual(feeds.map((one) => boundsOf(one.image)));
    await runner.release();
    await runner.release();
  });

  it('names the TensorRT that computes', async () => {
    const provider = tensorrtProvider({ libraryDir: gpu.fakes.dir });
    expect(provider.name).toBe('tensorrt');
    expect(await provider.versions()).toEqual({ tensorrt: '10.16.0' });
  });

  it('fails with what the build came to, each time', async () => {
    script({ tensorrt: { failBuild: '1+' } });
    const provider = tensorrtProvider({ libraryDir: gpu.fakes.dir });
    const runner = await provider.open(await loadModel(BOUNDS), { exact: false });
    for (let i = 0; i < 2; i += 1) {
      await expect(runner.run(image(1, 1, 3, 4, 4))).rejects.toMatchObject({
        code: 'BUILD_FAILED',
      });
    }
    await runner.release();
  });

  it('finds the very tensors that ONNX Runtime finds', async () => {
    for (const bytes of [await readFile(digitsModel), colourModel({ softmax: true })]) {
      const model = await loadModel(bytes);
      const byOrt = await planMinMax(model, onnxRuntimeProvider());
      const byGraph = await planMinMax(model, tensorrtProvider());
      const types = ({ tensors }: typeof byOrt) => tensors.map(({ name, type }) => [name, type]);
      expect(types(byGraph)).toEqual(types(byOrt));
      expect(byGraph.reduced.map(({ name }) => name)).toEqual(
        byOrt.reduced.map(({ name }) => name),
      );
    }
  });

  it('makes graphs of reductions that NVIDIA’s own builder takes', async () => {
    const model = await loadModel(digitsModel);
    const { reduced } = await planMinMax(model, tensorrtProvider());
    const graph = addReductions(model, reduced, { rows: true, magnitudes: false });
    const shape = (n: number) => [n, 3, 32, 32];
    const { outputs } = await buildEngine(encodeModel(graph.model), {
      computeCapabilities: [89],
      profiles: [{ input: { min: shape(1), opt: shape(32), max: shape(32) } }],
    });
    expect(outputs.map(({ name }) => name)).toEqual(graph.outputs.map(({ name }) => name));
    const count = graph.outputs.reduce((sum, { columns }) => sum + columns.length, 0);
    expect(count).toBe(2 * reduced.length);
    expect(graphOf(graph.model).output.length).toBeLessThan(5);
  });
});

describe('the profile of shapes that come', () => {
  const dynamic = new Map([['image', ['n', 3, 'h', 'w']]]);

  it('is for the first ones, then for more than was seen', () => {
    const first = profileFor(image(1, 4, 3, 64, 96), dynamic, undefined);
    expect(first).toEqual({
      image: { min: [1, 3, 64, 96], opt: [4, 3, 64, 96], max: [4, 3, 64, 96] },
    });
    expect(profileFor(image(1, 2, 3, 64, 96), dynamic, first)).toBe(first);
    const wider = profileFor(image(1, 6, 3, 60, 100), dynamic, first);
    expect(wider).toEqual({
      image: { min: [1, 3, 30, 96], opt: [4, 3, 64, 96], max: [32, 3, 64, 160] },
    });
  });

  it('is none where nothing is dynamic', () => {
    expect(profileFor(image(1, 1, 3, 4, 4), new Map(), undefined)).toBeUndefined();
  });
});

describe('calibration on the GPU', () => {
  it('keeps batches in work, which changes nothing', async () => {
    const batches = Array.from({ length: 9 }, (_, i) => ({
      input: new Tensor('float32', numbers((i + 1) * 3072, i), [i + 1, 3, 32, 32]),
    }));
    const one = await calibrate(digitsModel, batches);
    const several = await calibrate(digitsModel, batches, { inFlight: 4 });
    expect([...several.ranges]).toEqual([...one.ranges]);
  });

  it('names all tensors, whatever sizes the images have', async () => {
    for (let i = 0; i < 40; i += 1) {
      await writeImage(at(`mixed/${i}.png`), [i * 6, 90, 255 - i * 5], 6 + (i % 3), 8 + (i % 2));
    }
    const options = {
      images: at('mixed'),
      fraction: 1,
      recipe: { resize: { mode: 'none' } },
    } as const;
    const calls: number[] = [];
    const onGpu = await calibrateFolder(at('model.onnx'), {
      ...options,
      provider: 'tensorrt',
      libraryDir: gpu.fakes.dir,
      batch: 4,
      onProgress: ({ phase, done }) => phase === 'calibrate' && calls.push(done),
    });
    const onCpu = await calibrateFolder(at('model.onnx'), options);
    expect([...onGpu.table.ranges.keys()]).toEqual([...onCpu.table.ranges.keys()]);
    expect(onGpu).toMatchObject({ provider: 'tensorrt', images: 40 });
    expect(onGpu.table.meta?.versions).toEqual({ tensorrt: '10.16.0' });
    expect(calls.at(-1)).toBe(40);
  });

  it('measures shards, which merge', async () => {
    const options = {
      images: at('mixed'),
      fraction: 1,
      recipe: { resize: { mode: 'none' } },
      batch: 4,
      provider: 'tensorrt',
      libraryDir: gpu.fakes.dir,
    } as const;
    const whole = await calibrateFolder(at('model.onnx'), options);
    const images: number[] = [];
    for (const index of [1, 2, 3]) {
      const out = at(`parts/${index}`);
      const shard = { index, count: 3 };
      const part = await calibrateShard(at('model.onnx'), { ...options, shard, out });
      expect(part).toMatchObject({ provider: 'tensorrt', total: 40 });
      images.push(part.images);
      expect(part.meta).toMatchObject({ versions: { tensorrt: '10.16.0' }, shard: { batch: 4 } });
    }
    const table = await mergeFolders([1, 2, 3].map((index) => at(`parts/${index}`)));
    // The fakes do not compute these ranges; that all are there, and who measured them, can be seen.
    expect([...table.ranges.keys()]).toEqual([...whole.table.ranges.keys()]);
    expect(images).toEqual([16, 12, 12]);
    expect(table.meta).toMatchObject({
      versions: { tensorrt: '10.16.0' },
      sample: { images: 40 },
    });
  });

  it('chooses among the methods, by what the GPU counts', async () => {
    const builds = at('auto.jsonl');
    script({ tensorrt: { buildReport: builds } });
    const result = await calibrateAuto(at('model.onnx'), {
      ...{ images: at('mixed'), fraction: 1, recipe: { resize: { mode: 'none' } } },
      ...{ provider: 'tensorrt', libraryDir: gpu.fakes.dir, out: at('chosen') },
    });
    expect(result).toMatchObject({ provider: 'tensorrt', images: 20, heldBack: 20 });
    expect(result.table.meta?.versions).toMatchObject({ tensorrt: '10.16.0' });
    const methods = result.scores.map(({ method }) => method);
    expect([...new Set(methods)].sort()).toEqual(['entropy', 'minmax', 'percentile']);
    const lines = (await readFile(builds, 'utf8')).trimEnd().split('\n');
    // Every engine is of float32 without TF32.
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.map((line) => JSON.parse(line).flags)).toEqual(lines.map(() => []));
  });

  it('is a flag, which writes TensorRT’s cache too', async () => {
    const { status, document } = await cliJson([
      ...['calibrate', at('model.onnx'), '--images', at('images'), '--fraction', '1'],
      ...['--recipe', at('plain.json'), '--provider', 'tensorrt', '--library-dir', gpu.fakes.dir],
      ...['--native-cache', at('native.cache'), '--out', at('calibration')],
    ]);
    expect(status).toBe(0);
    expect(document).toMatchObject({ provider: 'tensorrt', images: 5 });
    expect(document.files).toContain(at('native.cache'));
    expect(await readFile(at('native.cache'), 'utf8')).toMatch(/^TRT-101600-MinMaxCalibration\n/);
  });

  it('takes the CPU under auto where there is no GPU, and says so', async () => {
    script({ cuda: { devices: 0, initError: 100 } });
    const { document, stderr } = await cliJson([
      ...['calibrate', digits, '--images', train, '--count', '3', '--recipe', at('plain.json')],
      ...['--provider=auto', '--library-dir', gpu.fakes.dir, '--out', at('auto')],
    ]);
    expect(document.provider).toBe('onnxruntime-cpu');
    expect(stderr).toContain('Run by: onnxruntime-cpu\n');
  });

  it('stops with the reason of an abort while it builds', async () => {
    script({ tensorrt: { buildMs: 500 } });
    const controller = new AbortController();
    const run = calibrateFolder(at('model.onnx'), {
      images: at('images'),
      fraction: 1,
      recipe: { resize: { mode: 'none' } },
      provider: 'tensorrt',
      libraryDir: gpu.fakes.dir,
      signal: controller.signal,
    });
    setTimeout(() => controller.abort(new Error('enough')), 300);
    await expect(run).rejects.toThrow('enough');
    expect(COLOURS).toHaveLength(4);
  });
});
