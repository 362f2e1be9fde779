import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type BenchResult, bench } from '../../lib/index.js';
import { benchText } from '../../lib/report/index.js';
import { cli, cliJson } from '../cli/command-line.js';
import {
  DYNAMIC,
  FakeGpu,
  FIXED,
  numbers,
  script,
  typedModel,
} from '../session/tensorrt/support.js';

let gpu: FakeGpu;
let fixed: string;
let dynamic: string;
beforeAll(async () => {
  gpu = await FakeGpu.open();
  fixed = await gpu.plan('fixed', FIXED);
  dynamic = await gpu.plan('dynamic', DYNAMIC);
}, 900_000);
afterEach(() => script());
afterAll(() => gpu.close());

const QUICK = { duration: 0, warmUp: 0, iterations: 4 };
const quick = (options: Parameters<typeof bench>[1] = {}) =>
  bench(fixed, { libraryDir: gpu.fakes.dir, ...QUICK, ...options });

describe('bench', () => {
  it('measures every stage of every iteration, and run beside the loop', async () => {
    const result = await quick({ useCudaGraph: true });
    expect(result.iterations).toBe(4);
    expect(result.cudaGraph).toEqual({ enabled: true });
    for (const stage of ['latency', 'enqueue', 'h2d', 'compute', 'd2h', 'host'] as const) {
      expect(result.times[stage].count).toBe(4);
      expect(Object.keys(result.times[stage].percentiles)).toEqual(['p90', 'p95', 'p99']);
    }
    expect(result.throughput).toBeCloseTo((4 / result.hostWallMs) * 1000);
    expect(result.engine.shapes).toEqual({ image: [2, 3, 4, 4], extra: [2, 2] });
    expect(result.system).toMatchObject({ gpu: { name: 'Fake GPU', computeCapability: '9.0' } });
    expect(result.overhead.map(({ memory }) => memory)).toEqual(['memory', 'pinned']);
    for (const one of result.overhead) {
      expect(one.runMinusLoop).toBeCloseTo(one.run - one.loop, 9);
      expect(one.runSyncOverLoop).toBeCloseTo(one.runSync / one.loop, 9);
      expect(one.stages.worker).toBeGreaterThan(0);
    }
    expect(Object.keys(result.eventLoopDelay)).toEqual(['idle', 'loop', 'run']);
    expect(result.switches).toMatchObject({
      infStreams: 1,
      useCudaGraph: true,
      useSpinWait: false,
    });
    // Everything that was pinned for it has been given up.
    expect((await gpu.session(fixed)).memory().pinnedBytes).toBe(0);
  });

  it('runs as many streams as it is told, at the same time', async () => {
    const result = await quick({ infStreams: 3, overhead: false });
    expect(result.loops).toHaveLength(3);
    expect(result.iterations).toBe(12);
    expect(result.overhead).toEqual([]);
    expect(result.cudaGraph).toEqual({ enabled: false });
    expect(result.memory.executionContexts).toBe(3);
  });

  it('leaves the data on the GPU', async () => {
    const result = await quick({ noDataTransfers: true });
    expect(result.overhead.map(({ memory }) => memory)).toEqual(['device']);
    expect(result.memory.pinnedBytes).toBe(0);
  });

  it('takes shapes that are dynamic from its profile or from the caller', async () => {
    const options = { libraryDir: gpu.fakes.dir, ...QUICK, overhead: false };
    expect((await bench(dynamic, options)).engine.shapes).toEqual({
      image: [2, 3, 4, 4],
      extra: [2, 2],
    });
    const shapes = { image: [5, 3, 4, 4], extra: [5, 2] };
    const result = await bench(dynamic, { ...options, shapes, outputs: true });
    expect(result.engine.shapes).toEqual(shapes);
    expect(result.outputs!.scores!.dims).toEqual([5, 10]);
    await expect(bench(dynamic, { ...options, shapes: { other: [1] } })).rejects.toThrow(
      'Expected shapes of the inputs image, extra for shapes but received one of other',
    );
    await expect(
      bench(dynamic, { ...options, shapes: { image: [9, 3, 4, 4], extra: [9, 2] } }),
    ).rejects.toMatchObject({ code: 'PROFILE_INVALID' });
  });

  it('feeds every element type, and files', async () => {
    const onnx = typedModel(FIXED, { image: 2, extra: 7 });
    const path = await gpu.plan('typed', onnx);
    const options = { libraryDir: gpu.fakes.dir, ...QUICK, overhead: false };
    expect((await bench(path, options)).engine.inputs.map(({ type }) => type)).toEqual([
      'uint8',
      'int64',
    ]);
    const file = join(gpu.folder, 'image.bin');
    await writeFile(file, numbers(96, 3));
    const result = await quick({ loadInputs: { image: file }, outputs: true, overhead: false });
    const again = await quick({ loadInputs: { image: file }, outputs: true, overhead: false });
    expect(result.outputs).toEqual(again.outputs);
    const other = await quick({ outputs: true, overhead: false });
    expect(other.outputs).not.toEqual(result.outputs);
    await writeFile(file, 'short');
    await expect(quick({ loadInputs: { image: file } })).rejects.toThrow(
      `Expected 384 bytes of float32 for input image but ${file} has 5`,
    );
    await expect(quick({ loadInputs: { image: '/nowhere' } })).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
  });

  it('takes the shape of an image of bytes in the order of the model, too', async () => {
    const model = {
      inputs: { image: [1, 6, 8, 3] },
      outputs: { scores: [1, 4] },
      nodes: [{ op: 'Conv', name: 'conv', inputs: ['image', 'w'], outputs: ['scores'] }],
      weights: { w: { dims: [4, 3, 1, 1], first: 1 } },
    };
    const path = await gpu.plan('bytes', typedModel(model, { image: 2 }));
    const options = { libraryDir: gpu.fakes.dir, ...QUICK, overhead: false };
    for (const image of [
      [1, 3, 6, 8],
      [1, 6, 8, 3],
    ]) {
      const result = await bench(path, { ...options, shapes: { image } });
      expect(result.engine.shapes).toEqual({ image: [1, 6, 8, 3] });
    }
  });

  it('profiles layers, and asks for them', async () => {
    const result = await quick({ profile: true, layerInfo: true, overhead: false });
    expect(result.layers!.map(({ name }) => name)).toEqual(['conv', 'fc', 'relu']);
    expect(result.layers![0]!.milliseconds).toHaveLength(4);
    expect(JSON.parse(result.layerInfo!).Bindings).toEqual(['image', 'extra', 'scores', 'other']);
  });

  it('names wrong options, and stops when it is told', async () => {
    await expect(quick({ infStreams: 0 })).rejects.toThrow('for infStreams but received 0');
    await expect(quick({ percentiles: [101] })).rejects.toThrow(
      'Expected numbers over 0 to 100 for percentiles but received 101',
    );
    await expect(quick({ duration: -1 })).rejects.toThrow('for duration but received -1');
    const reason = new Error('enough');
    const phases: string[] = [];
    const controller = new AbortController();
    const stopped = quick({
      duration: 60,
      signal: controller.signal,
      onProgress: ({ phase }) => {
        phases.push(phase);
        if (phase === 'bench') setTimeout(() => controller.abort(reason), 20);
      },
    });
    await expect(stopped).rejects.toBe(reason);
    expect(phases).toEqual(['idle', 'warm up', 'bench']);
  });
});

describe('the text of a bench', () => {
  it('has throughput, stages, overhead, event loop and warnings', async () => {
    script({ cuda: { delayUs: 50 } });
    const result: BenchResult = await quick();
    const text = benchText(result);
    expect(text).toContain('fixed.plan: image 2x3x4x4, extra 2x2; 1 stream(s), no CUDA graphs');
    expect(text).toContain('Fake GPU (9.0), TensorRT 10.16.0');
    expect(text).toMatch(/^Throughput: [\d.]+ qps \(4 iterations in /m);
    expect(text).toMatch(/^GPU compute +[\d.]+ +[\d.]+/m);
    expect(text).toMatch(/^ordinary memory +[\d.]+/m);
    expect(text).toMatch(/^run, pinned memory: [\d.]+ µs to the worker/m);
    // The fake's uploads take as long as its computation and more.
    expect(text).toContain('Event loop delay: idle p50');
    for (const { text: warning } of result.warnings) expect(text).toContain(`warning: ${warning}`);
  });
});

describe('the command', () => {
  const flags = () => [`--libraryDir=${gpu.fakes.dir}`, '--duration=0', '--warmUp=0'];

  it("takes trtexec's command line and writes trtexec's files", async () => {
    const file = (name: string) => join(gpu.folder, `${name}.json`);
    const names = ['Times', 'Profile', 'Output', 'LayerInfo', 'Summary'];
    const { status, document } = await cliJson([
      'bench',
      `--loadEngine=${fixed}`,
      ...flags(),
      '--iterations=6',
      '--avgRuns=3',
      '--percentile=50,99',
      '--infStreams=2',
      '--useCudaGraph',
      '--useSpinWait',
      '--noDataTransfers',
      '--separateProfileRun',
      ...names.map((name) => `--export${name}=${file(name)}`),
    ]);
    expect(status).toBe(0);
    expect(document.files).toEqual(names.map(file));
    expect(document.switches).toMatchObject({
      infStreams: 2,
      useCudaGraph: true,
      useSpinWait: true,
      noDataTransfers: true,
      percentiles: [50, 99],
    });
    const read = async (name: string) => JSON.parse(await readFile(file(name), 'utf8'));
    const times = await read('Times');
    expect(times).toHaveLength(12);
    expect(Object.keys(times[0])).toEqual([
      'startEnqMs',
      'endEnqMs',
      'startH2dMs',
      'endH2dMs',
      'startComputeMs',
      'endComputeMs',
      'startD2hMs',
      'endD2hMs',
      'h2dMs',
      'computeMs',
      'd2hMs',
      'latencyMs',
    ]);
    const profile = await read('Profile');
    expect(profile[0]).toEqual({ count: 6 });
    expect(Object.keys(profile[1])).toEqual([
      'name',
      'timeMs',
      'averageMs',
      'medianMs',
      'percentage',
    ]);
    const [scores] = await read('Output');
    expect([scores.name, scores.dimensions, scores.values.length]).toEqual(['scores', '2x10', 20]);
    expect(Object.keys(await read('LayerInfo'))).toEqual(['Layers', 'Bindings']);
    const { files, ...rest } = document;
    expect(await read('Summary')).toEqual(rest);
    expect(document.averages).toHaveLength(4);
  });

  it('builds an ONNX model first', async () => {
    const { status, stdout, stderr } = await cli([
      'bench',
      join(gpu.folder, 'dynamic.onnx'),
      ...flags(),
      '--shapes=image:3x3x4x4,extra:3x2',
      '--noOverhead',
      `--cacheDir=${join(gpu.folder, 'cache')}`,
    ]);
    expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('image 3x3x4x4, extra 3x2');
    expect(stdout).not.toContain('run/loop');
  });

  it.each([
    [['bench'], 'Missing argument MODEL'],
    [['bench', 'a.plan', '--loadEngine=b.plan'], 'Expected one model or engine'],
    [['bench', 'a.plan', '--percentile=0'], 'numbers over 0 to 100'],
    [['bench', 'a.plan', '--warmUp=-1'], 'milliseconds, at least 0'],
    [['bench', 'a.plan', '--loadInputs=image'], 'a list such as input:input.bin'],
  ])('refuses %j', async (args, message) => {
    const { status, stderr } = await cli(args);
    expect(status).toBe(2);
    expect(stderr).toContain(message);
  });
});
