import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type BuildOptions, buildEngine } from '../../lib/engine/index.js';
import { smallModel } from '../fakes/model.js';
import { openFakes } from './fake-builds.js';
import { convModel } from './models.js';

const NET = smallModel({
  inputs: { image: [1, 3, 4, 4], extra: [1, 2] },
  outputs: { scores: [1, 10] },
  nodes: [
    { op: 'Conv', name: '/layer1/conv', inputs: ['image', 'w'], outputs: ['a'] },
    { op: 'Relu', name: '/layer1/relu', inputs: ['a'], outputs: ['b'] },
    { op: 'Conv', name: '/layer2/conv', inputs: ['b', 'w'], outputs: ['c'] },
    { op: 'Gemm', name: 'fc, last', inputs: ['c', 'extra'], outputs: ['scores'] },
  ],
  weights: { w: { dims: [8, 3, 3, 3], first: 0.25 } },
});

const { eight, ten, eleven } = await openFakes();

const told = async (options: BuildOptions) => (await ten.build(NET, options)).told;
const warningsOf = ({ warnings }: { warnings: { text: string }[] }) =>
  warnings.map(({ text }) => text);

describe('the builder is told', () => {
  it('nothing by default but how much its engine may say', async () => {
    expect(await told({})).toMatchObject({
      flags: ['tf32'],
      hardware: 0,
      auxStreams: -1,
      averages: 1,
      tacticSources: 0,
      timingEntries: -1,
      device: 0,
      precisions: {},
    });
  });

  it('every switch', async () => {
    const flags = await told({
      refit: true,
      stripWeights: true,
      versionCompatible: true,
      excludeLeanRuntime: true,
      directIO: true,
      sparsity: 'enable',
      precisionConstraints: 'obey',
    });
    expect(flags.flags).toEqual([
      'obey_precision_constraints',
      'strip_plan',
      'tf32',
      'refit',
      'sparse_weights',
      'direct_io',
      'version_compatible',
      'exclude_lean_runtime',
    ]);
  });

  it('numbers, levels and sources', async () => {
    const result = await told({
      maxAuxStreams: 2,
      avgTiming: 8,
      hardwareCompatibilityLevel: 'ampere+',
      tacticSources: '+CUDNN,+JIT_CONVOLUTIONS,-cublas',
      memPoolSize: { workspace: 2 ** 20, tacticSharedMem: 1024 },
      builderOptimizationLevel: 5,
    });
    expect(result).toMatchObject({
      auxStreams: 2,
      averages: 8,
      hardware: 1,
      tacticSources: (1 << 2) | (1 << 4),
      optimization: 5,
    });
    expect(Object.values(result.pools)).toEqual([2 ** 20, 1024]);
  });

  it('which GPU to build for', async () => {
    const { told: other } = await ten.build(NET, { deviceId: 1 }, {}, { devices: 2 });
    expect(other.device).toBe(1);
    await expect(ten.build(NET, { deviceId: 7 }, {}, { devices: 2 })).rejects.toMatchObject({
      code: 'DEVICE_NOT_FOUND',
      message: 'There is no GPU 7: the driver shows 2',
    });
  });

  it('types of layers, the most specific name first', async () => {
    const { result, told: builder } = await ten.build(NET, {
      fp16: true,
      layerPrecisions: '*:fp16,/layer1/*:fp32,/layer1/relu:int8,fc, last:fp32,nowhere:fp16',
      layerOutputTypes: { '/layer2/*': 'fp16' },
    });
    expect(builder.flags).toEqual(['fp16', 'prefer_precision_constraints', 'tf32']);
    expect(builder.precisions).toEqual({
      '/layer1/conv': 'FP32',
      '/layer1/relu': 'Int8',
      '/layer2/conv': 'FP16',
      'fc, last': 'FP32',
    });
    expect(builder.outputTypes).toEqual({ '/layer2/conv': 'FP16' });
    expect(warningsOf(result)).toContain('No layer is named "nowhere": its type has no effect');
  });

  it('types of inputs and outputs', async () => {
    const { result, told: builder } = await ten.build(NET, {
      inputIOFormats: 'fp16:chw,fp32:chw',
      outputIOFormats: ['fp16'],
    });
    expect(builder.inputs).toEqual({
      image: { type: 'FP16', formats: 1 },
      extra: { type: 'FP32', formats: 1 },
    });
    expect(builder.outputs.scores).toEqual({ type: 'FP16', formats: 1 });
    expect(result.inputs.map(({ type }) => type)).toEqual(['float16', 'float32']);
    await expect(told({ inputIOFormats: 'fp16,fp16,fp16' })).rejects.toMatchObject({
      code: 'PROFILE_INVALID',
    });
  });
});

describe('wrong options', () => {
  it.each([
    [{ refit: 1 }, 'Expected true or false for refit'],
    [{ maxAuxStreams: -1 }, 'for maxAuxStreams but received -1'],
    [{ sparsity: 'much' }, 'Expected one of "disable", "enable", "force" for sparsity'],
    [{ hardwareCompatibilityLevel: 'all' }, 'for hardwareCompatibilityLevel but received "all"'],
    [{ tacticSources: 'CUDNN' }, 'Expected sources such as -CUDNN,+CUBLAS'],
    [{ tacticSources: 3 }, 'Expected sources such as -CUDNN,+CUBLAS'],
    [{ layerPrecisions: 'conv1' }, 'Expected layer types such as conv1:fp16'],
    [{ layerPrecisions: 'conv1:fp7' }, 'Expected a type among fp32, fp16, bf16, int8, int32'],
    [{ layerPrecisions: { conv: 3 } }, 'Expected a type for layerPrecisions["conv"]'],
    [{ layerPrecisions: 3 }, 'Expected an object of types by layer name'],
    [{ inputIOFormats: 'fp16:chw32' }, 'Expected the format chw, which is linear'],
    [{ inputIOFormats: 'half' }, 'Expected a type among fp32'],
    [{ excludeLeanRuntime: true }, 'Expected versionCompatible beside it for excludeLeanRuntime'],
    [{ timingCacheFile: true }, 'Expected a path for timingCacheFile'],
    [{ deviceId: -1 }, 'for deviceId but received -1'],
  ])('%j are refused before anything is built', async (options, message) => {
    const begun = ten.builds();
    await expect(told(options as BuildOptions)).rejects.toThrow(message);
    expect(ten.builds()).toBe(begun);
  });

  it('what no version does is an error with another way', async () => {
    await expect(told({ sparsity: 'force' })).rejects.toMatchObject({
      code: 'OPTION_UNSUPPORTED',
      remedy: 'Prune the model in the 2:4 pattern, and use enable.',
    });
    await expect(told({ heuristic: true })).rejects.toMatchObject({ code: 'OPTION_UNSUPPORTED' });
  });
});

describe('a timing cache', () => {
  it('is begun, used and extended', async () => {
    const file = ten.path('sub/timing.cache');
    const first = await ten.build(NET, { timingCacheFile: file });
    expect(first.told.timingEntries).toBe(0);
    expect(readFileSync(file, 'utf8')).toContain('Conv/FP32\t1');
    const second = await ten.build(NET, { timingCacheFile: file, fp16: true });
    expect(second.told.timingEntries).toBe(3);
    const text = readFileSync(file, 'utf8');
    expect([text.includes('Conv/FP32\t1'), text.includes('Conv/FP16\t1')]).toEqual([true, true]);
    expect(second.result.warnings).toEqual([]);
    expect(existsSync(`${file}.lock`)).toBe(false);
  });

  it('keeps what another process wrote meanwhile', async () => {
    const file = ten.path('shared.cache');
    const slow = ten.build(NET, { timingCacheFile: file }, { buildMs: 100 });
    const other = ten.build(NET, { timingCacheFile: file, fp16: true }, { buildMs: 100 });
    await Promise.all([slow, other]);
    const text = readFileSync(file, 'utf8');
    expect([text.includes('Conv/FP32\t1'), text.includes('Conv/FP16\t1')]).toEqual([true, true]);
  });

  it('that is damaged or foreign is begun anew, and says so', async () => {
    const file = ten.path('bad.cache');
    for (const content of ['garbage', 'FAKETIMING\nOther GPU 80601\nConv/FP8\t1\nend\n']) {
      writeFileSync(file, content);
      const { result } = await ten.build(NET, { timingCacheFile: file });
      expect(warningsOf(result)).toContain(
        `${file} is no timing cache of this GPU and version; it is started anew`,
      );
      expect(readFileSync(file, 'utf8')).not.toContain('FP8');
      expect(readFileSync(file, 'utf8')).toContain('Conv/FP32\t1');
    }
  });

  it('that cannot be read ends the build, one that cannot be written does not', async () => {
    await expect(told({ timingCacheFile: ten.folder })).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
    writeFileSync(ten.path('file'), '');
    const timingCacheFile = ten.path('file/timing.cache');
    await expect(told({ timingCacheFile })).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    // The name of its lock is longer than a file name may be.
    const { result } = await ten.build(NET, { timingCacheFile: ten.path('t'.repeat(252)) });
    expect(warningsOf(result)[0]).toContain('The timing cache is not written');
  });
});

describe('what a version lacks', () => {
  it('8.6: plans without weights', async (context) => {
    if (eight === undefined) return context.skip('no TensorRT 8 headers');
    await expect(eight.build(NET, { stripWeights: true })).rejects.toMatchObject({
      code: 'OPTION_UNSUPPORTED',
      message: 'TensorRT 8.6.1 has no stripWeights: plans without weights came with TensorRT 10',
    });
    await expect(
      eight.build(NET, { hardwareCompatibilityLevel: 'sameComputeCapability' }),
    ).rejects.toMatchObject({ code: 'OPTION_UNSUPPORTED' });
    const { told: builder } = await eight.build(NET, {
      heuristic: true,
      layerPrecisions: { '/layer1/*': 'fp16' },
      precisionConstraints: 'obey',
      tacticSources: ['-CUDNN'],
      timingCacheFile: eight.path('timing.cache'),
      versionCompatible: true,
    });
    expect(builder.flags).toEqual([
      'obey_precision_constraints',
      'enable_tactic_heuristic',
      'tf32',
      'version_compatible',
    ]);
    expect(builder.precisions).toEqual({ '/layer1/conv': 'FP16', '/layer1/relu': 'FP16' });
  });

  it('11: types of layers', async (context) => {
    if (eleven === undefined) return context.skip('no TensorRT 11 headers');
    const begun = eleven.builds();
    for (const options of [
      { layerPrecisions: 'x:fp16' },
      { layerOutputTypes: 'x:fp16' },
      { precisionConstraints: 'obey' },
    ] as const) {
      await expect(eleven.build(NET, options)).rejects.toMatchObject({
        code: 'OPTION_UNSUPPORTED',
        remedy: 'Choose them in the model: `quantize --exclude` leaves layers float.',
      });
    }
    expect(eleven.builds()).toBe(begun);
    await expect(eleven.build(NET, { inputIOFormats: 'fp16' })).rejects.toMatchObject({
      code: 'OPTION_UNSUPPORTED',
      remedy: 'Put a Cast into the model.',
    });
    await expect(eleven.build(NET, { tacticSources: '+CUDNN' })).rejects.toMatchObject({
      code: 'OPTION_UNSUPPORTED',
    });
    const { told: builder } = await eleven.build(NET, {
      tacticSources: '-CUDNN,+JIT_CONVOLUTIONS',
      maxAuxStreams: 3,
      stripWeights: true,
      inputIOFormats: 'fp32:chw',
      timingCacheFile: eleven.path('timing.cache'),
    });
    expect(builder).toMatchObject({
      tacticSources: 2,
      auxStreams: 3,
      flags: ['strip_plan', 'tf32'],
      timingEntries: 0,
    });
  });

  it('RTX: timing caches and hardware levels', async () => {
    const rtx = (options: BuildOptions) =>
      buildEngine(convModel(), { computeCapabilities: [80], cache: false, ...options });
    await expect(rtx({ timingCacheFile: 'x' })).rejects.toMatchObject({
      code: 'OPTION_UNSUPPORTED',
      message: 'TensorRT-RTX 1.7.1 has no timing cache: it times nothing while it builds',
    });
    await expect(rtx({ hardwareCompatibilityLevel: 'ampere+' })).rejects.toMatchObject({
      code: 'OPTION_UNSUPPORTED',
      remedy: 'Give computeCapabilities, such as 80,86,89,120.',
    });
    const result = await rtx({ maxAuxStreams: 1, sparsity: 'enable' });
    expect(result.plan.byteLength).toBeGreaterThan(1000);
  });
});
