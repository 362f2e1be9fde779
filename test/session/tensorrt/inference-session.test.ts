import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { InferenceSession } from '../../../lib/session/tensorrt/index.js';
import { Tensor } from '../../../lib/tensor.js';
import {
  answersTo,
  DYNAMIC,
  FakeGpu,
  FIXED,
  feedsOf,
  numbers,
  script,
  typedModel,
} from './support.js';

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

const values = (tensor: { data?: unknown } | undefined) => [...(tensor!.data as Float32Array)];

describe('a session of fixed shapes', () => {
  it('knows its inputs, outputs and library', async () => {
    await using session = await gpu.session(fixed);
    expect(session.inputs).toEqual([
      { name: 'image', type: 'float32', shape: [2, 3, 4, 4] },
      { name: 'extra', type: 'float32', shape: [2, 2] },
    ]);
    expect(session.outputNames).toEqual(['scores', 'other']);
    expect(session.inputNames).toEqual(['image', 'extra']);
    expect([session.provider, session.libraryVersion, session.deviceId]).toEqual([
      'tensorrt',
      '10.16.0',
      0,
    ]);
    expect(session.profiles).toEqual([]);
  });

  it('runs and runs synchronously, from a path, bytes, and a build result', async () => {
    const plan = new Uint8Array(await readFile(fixed));
    for (const source of [fixed, plan, { plan }]) {
      await using session = await gpu.session(source);
      const outputs = await session.run(feedsOf(2));
      expect(Object.keys(outputs)).toEqual(['scores', 'other']);
      expect(outputs.scores!.dims).toEqual([2, 10]);
      expect(values(outputs.scores)).toEqual(answersTo(2).scores);
      expect(values(outputs.other)).toEqual(answersTo(2).other);
      const second = session.runSync(feedsOf(2, 5));
      expect(values(second.scores)).toEqual(answersTo(2, 5).scores);
      expect(values(outputs.scores)).toEqual(answersTo(2).scores);
      expect(session.graphCapture()).toEqual({ enabled: true });
    }
  });

  it('reports its memory', async () => {
    await using session = await gpu.session(fixed);
    session.runSync(feedsOf(2));
    const memory = session.memory();
    // Inputs 384 and 16 bytes, outputs 80 and 24, all staged; the device adds scratch memory.
    expect(memory.stagingBytes).toBe(504);
    expect(memory.deviceBytes).toBeGreaterThan(504);
    expect(memory.executionContexts).toBe(1);
    expect(memory.gpuFreeBytes).toBeLessThanOrEqual(memory.gpuTotalBytes - memory.deviceBytes);
  });

  it('runs without graphs when told to, and when the driver cannot capture', async () => {
    await using plain = await gpu.session(fixed, { enableGraphCapture: false });
    expect(values((await plain.run(feedsOf(2))).scores)).toEqual(answersTo(2).scores);
    expect(plain.graphCapture()).toEqual({ enabled: false });
    script({ cuda: { noCapture: 1 } });
    await using fallback = await gpu.session(fixed);
    for (const seed of [1, 2, 3]) {
      const { scores } = await fallback.run(feedsOf(2, seed));
      expect(values(scores)).toEqual(answersTo(2, seed).scores);
    }
    const { enabled, problem } = fallback.graphCapture();
    expect(enabled).toBe(false);
    expect(problem).toContain('Cuda Runtime (error 900)');
  });

  it('computes only what is fetched, and writes into tensors that are given', async () => {
    await using session = await gpu.session(fixed);
    const some = await session.run(feedsOf(2), ['other']);
    expect(Object.keys(some)).toEqual(['other']);
    expect(values(some.other)).toEqual(answersTo(2).other);
    const target = new Tensor('float32', new Float32Array(20), [2, 10]);
    const mixed = await session.run(feedsOf(2, 7), { scores: target, other: null });
    expect(mixed.scores).toBe(target);
    expect(values(target)).toEqual(answersTo(2, 7).scores);
    expect(values(mixed.other as Tensor)).toEqual(answersTo(2, 7).other);
  });

  it('serves many callers at once over several contexts', async () => {
    script({ cuda: { delayUs: 50 } });
    await using session = await gpu.session(fixed, { contexts: 3, spinMicroseconds: 0 });
    const callers = Array.from({ length: 8 }, async (_, caller) => {
      for (let i = 0; i < 100; i += 1) {
        const seed = caller * 100 + i;
        const { scores } = await session.run(feedsOf(2, seed));
        expect(values(scores)).toEqual(answersTo(2, seed).scores);
        if (i % 25 === 0) {
          const now = session.runSync(feedsOf(2, seed + 1));
          expect(values(now.other)).toEqual(answersTo(2, seed + 1).other);
        }
      }
    });
    await Promise.all(callers);
    expect(session.memory().executionContexts).toBe(3);
  });

  it('answers pings and loops, with and without spinning', async () => {
    for (const spinWait of [false, true]) {
      await using session = await gpu.session(fixed, { spinWait });
      await session.ping();
      const loop = (transfers: 'none' | 'pinned' | 'memory', events: boolean) =>
        session.loop(feedsOf(2), { transfers, events, spin: spinWait, iterations: 5, warmUp: 0 });
      for (const transfers of ['none', 'pinned', 'memory'] as const) {
        const times = await loop(transfers, true);
        expect(times.graph).toBe(true);
        for (const stage of ['host', 'enqueue', 'upload', 'compute', 'download'] as const) {
          expect(times[stage]).toHaveLength(5);
        }
      }
      const plain = await loop('memory', false);
      expect([plain.host.length, plain.compute.length]).toEqual([5, 0]);
      expect(plain.endMs).toBeGreaterThan(plain.beginMs);
    }
  });
});

describe('a session of dynamic shapes', () => {
  it('takes whatever its profile takes, one graph for each kind', async () => {
    await using session = await gpu.session(dynamic);
    expect(session.inputs[0]).toEqual({ name: 'image', type: 'float32', shape: ['?', 3, 4, 4] });
    expect(session.profiles).toEqual([
      {
        image: { min: [1, 3, 4, 4], opt: [2, 3, 4, 4], max: [8, 3, 4, 4] },
        extra: { min: [1, 2], opt: [2, 2], max: [8, 2] },
      },
    ]);
    // Twice more kinds than contexts that are kept.
    for (let i = 0; i < 32; i += 1) {
      const rows = 1 + (i % 8);
      const outputs =
        i % 3 === 0 ? session.runSync(feedsOf(rows, i)) : await session.run(feedsOf(rows, i));
      expect(outputs.scores!.dims).toEqual([rows, 10]);
      expect(values(outputs.scores)).toEqual(answersTo(rows, i).scores);
    }
    expect(session.graphCapture()).toEqual({ enabled: true });
    const loop = await session.loop(feedsOf(3), { iterations: 3, warmUp: 0 });
    expect(loop.host).toHaveLength(3);
  });

  it('names the input and the profile for a shape outside', async () => {
    await using session = await gpu.session(dynamic, { profile: 0 });
    const message =
      'Input image of shape [9, 3, 4, 4] fits no optimization profile of the engine, which takes ' +
      '[1, 3, 4, 4] to [8, 3, 4, 4]';
    await expect(session.run(feedsOf(9))).rejects.toMatchObject({
      code: 'PROFILE_INVALID',
      message,
    });
    expect(() => session.runSync(feedsOf(9))).toThrow(message);
    await expect(session.loop(feedsOf(9))).rejects.toMatchObject({ code: 'PROFILE_INVALID' });
    const mixed = { ...feedsOf(2), extra: feedsOf(3).extra };
    // The fake computes whatever fits; real engines refuse what contradicts itself.
    await expect(session.run(mixed)).resolves.toBeDefined();
    await expect(gpu.session(dynamic, { profile: 1 })).rejects.toMatchObject({
      code: 'PROFILE_INVALID',
    });
  });
});

describe('tensor types', () => {
  it('moves every type without changing a byte', async () => {
    const codes = { uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float16: 10 } as const;
    const data = {
      uint8: Uint8Array.of(1, 2, 3, 4),
      int8: Int8Array.of(1, 2, 3, 4),
      int32: Int32Array.of(1, 2, 3, 4),
      int64: BigInt64Array.of(1n, 2n, 3n, 4n),
      bool: Uint8Array.of(0, 1, 1, 0),
      float16: Uint16Array.of(0x3c00, 0x4000, 0x4200, 0x4400),
    };
    for (const [type, code] of Object.entries(codes) as [keyof typeof codes, number][]) {
      const model = typedModel(
        {
          inputs: { x: [1, 4] },
          outputs: { y: [1, 2] },
          nodes: [{ op: 'Relu', name: 'relu', inputs: ['x'], outputs: ['y'] }],
        },
        { x: code },
      );
      await using session = await gpu.session(await gpu.plan(type, model));
      expect(session.inputs).toEqual([{ name: 'x', type, shape: [1, 4] }]);
      const { y } = await session.run({ x: new Tensor(type, data[type], [1, 4]) });
      // lowest + highest + first: 1 + 4 + 1 = 6, for bool 0 + 1 + 0 = 1; the second value plus the peak.
      const sum = type === 'bool' ? 1 : 6;
      expect(values(y)).toEqual([sum / 2 + ((sum * 64) % 2 === 0 ? 4 : 0), sum]);
    }
  });
});

describe('memory of other kinds', () => {
  it('reads and writes pinned tensors, wherever an array looks into them', async () => {
    await using session = await gpu.session(fixed);
    using image = session.createPinnedTensor('float32', [2, 3, 4, 4]);
    using scores = session.createPinnedTensor('float32', [2, 10]);
    image.data.set(numbers(96, 3));
    expect([image.location, session.memory().pinnedBytes]).toEqual(['cpu-pinned', 8192]);
    const { extra } = feedsOf(2, 3);
    const outputs = await session.run({ image, extra }, { scores });
    expect(outputs.scores).toBe(scores);
    expect(values(scores)).toEqual(answersTo(2, 3).scores);
    const view = new Tensor('float32', image.data.subarray(0), [2, 3, 4, 4]);
    expect(values(session.runSync({ image: view, extra }).scores)).toEqual(answersTo(2, 3).scores);
    image.dispose();
    image.dispose();
    expect(session.memory().pinnedBytes).toBe(4096);
    // Ordinary memory from now on.
    expect(values(session.runSync({ image, extra }).scores)).toEqual(answersTo(2, 3).scores);
  });

  it('keeps tensors on the GPU and chains runs over them', async () => {
    await using session = await gpu.session(fixed);
    using image = session.createDeviceTensor('float32', [2, 3, 4, 4]);
    using scores = session.createDeviceTensor('float32', [2, 10]);
    expect([image.location, image.size, image.deviceId]).toEqual(['gpu-buffer', 96, 0]);
    image.uploadSync(numbers(96, 4));
    const { extra } = feedsOf(2, 4);
    for (let i = 0; i < 3; i += 1) {
      const outputs = await session.run({ image, extra }, { scores });
      expect(outputs.scores).toBe(scores);
    }
    expect([...scores.downloadSync().data]).toEqual(answersTo(2, 4).scores);
    expect(() => image.uploadSync(numbers(95, 1))).toThrow(RangeError);
    image.dispose();
    image.dispose();
    expect(() => image.downloadSync()).toThrow('A GPU tensor was used after it was disposed');
    await expect(session.run({ image, extra })).rejects.toMatchObject({ code: 'SESSION_RELEASED' });
  });

  it('lets a GPU tensor go while a run uses it', async () => {
    script({ cuda: { delayUs: 20_000 } });
    await using session = await gpu.session(fixed);
    const image = session.createDeviceTensor('float32', [2, 3, 4, 4]);
    image.uploadSync(numbers(96, 4));
    const run = session.run({ image, extra: feedsOf(2, 4).extra });
    image.dispose();
    expect(values((await run).scores)).toEqual(answersTo(2, 4).scores);
  });
});

describe('wrong use', () => {
  it('names what is wrong with feeds and fetches', async () => {
    await using session = await gpu.session(fixed);
    const { image, extra } = feedsOf(2);
    const wrong: [Record<string, unknown>, string][] = [
      [{ image }, 'Expected a tensor float32 [2, 2] for input "extra" but received none'],
      [{ image, extra, more: extra }, 'received one for "more"'],
      [{ image, extra: image }, 'for input "extra" but received float32 [2, 3, 4, 4]'],
      [
        { image, extra: new Tensor('int32', new Int32Array(4), [2, 2]) },
        'Expected a tensor float32 [2, 2] for input "extra" but received int32 [2, 2]',
      ],
      [{ image, extra: 5 }, 'for input "extra" but received 5 of type number'],
      [
        { image, extra: { type: 'float32', dims: [2, 2], data: new Float32Array(3) } },
        'Expected 16 bytes for input "extra" but received 12',
      ],
      [
        { image, extra: { type: 'float32', dims: [2, 2], data: [1, 2, 3, 4] } },
        'Expected a tensor with a typed array for input "extra" but received an array of length 4',
      ],
      [
        { image, extra: { type: 'float32', dims: null, data: new Float32Array(4) } },
        'Expected a tensor float32 [2, 2] for input "extra" but received an instance of Object',
      ],
    ];
    for (const [feeds, message] of wrong) {
      await expect(session.run(feeds as never)).rejects.toThrow(message);
      expect(() => session.runSync(feeds as never)).toThrow(message);
    }
    await expect(session.run(null as never)).rejects.toThrow(TypeError);
    await expect(session.run({ image, extra }, ['none'])).rejects.toThrow('"scores", "other"');
    await expect(session.run({ image, extra }, [])).rejects.toThrow(TypeError);
    await expect(session.run({ image, extra }, { scores: extra })).rejects.toThrow(
      'Expected a tensor float32 [2, 10] for output "scores" but received float32 [2, 2]',
    );
    const scores = { type: 'float32', dims: [2, 10] };
    const targets: [unknown, string][] = [
      [null, 'Expected names of outputs for fetches but received null'],
      ['scores', 'Expected names of outputs for fetches but received "scores"'],
      [
        { scores },
        'Expected a tensor with a typed array for output "scores" but received undefined',
      ],
      [
        { scores: { ...scores, data: new Float32Array(19) } },
        'Expected 80 bytes for output "scores" but received 76',
      ],
      [
        { scores: { type: 'float32', dims: '2,10', data: new Float32Array(20) } },
        'Expected a tensor float32 [2, 10] for output "scores"',
      ],
    ];
    for (const [fetches, message] of targets) {
      await expect(session.run({ image, extra }, fetches as never)).rejects.toThrow(message);
      expect(() => session.runSync({ image, extra }, fetches as never)).toThrow(message);
    }
    // Refused before it is handed in: such a run would never have been over.
    for (const signal of [5, {}, null]) {
      await expect(session.run({ image, extra }, undefined, { signal } as never)).rejects.toThrow(
        'Expected an AbortSignal for signal',
      );
    }
    expect([image.location, session.createPinnedTensor('bool', [1]).location]).toEqual([
      'cpu',
      'cpu-pinned',
    ]);
    // And still works.
    expect(values((await session.run({ image, extra })).scores)).toEqual(answersTo(2).scores);
  });

  it('checks its options', async () => {
    for (const [options, message] of [
      [{ contexts: 0 }, 'contexts'],
      [{ deviceId: -1 }, 'deviceId'],
      [{ spinWait: 1 }, 'spinWait'],
      [{ spinMicroseconds: -1 }, 'spinMicroseconds'],
      [{ maxQueued: 0 }, 'maxQueued'],
      [{ profile: 0.5 }, 'profile'],
    ] as const) {
      await expect(gpu.session(fixed, options as never)).rejects.toThrow(message);
    }
    await expect(gpu.session(7 as never)).rejects.toThrow('engine');
    await using session = await gpu.session(fixed);
    await expect(session.loop(feedsOf(2), { iterations: 0 })).rejects.toThrow('iterations');
    await expect(session.loop(feedsOf(2), { transfers: 'x' as never })).rejects.toThrow(
      'transfers',
    );
    expect(() => session.createPinnedTensor('float32', [-1])).toThrow('dims');
    for (const make of ['createPinnedTensor', 'createDeviceTensor'] as const) {
      expect(() => session[make]('float3' as never, [1])).toThrow('Expected one of "float32"');
      expect(() => session[make]('float32', '4' as never)).toThrow('an array of extents for dims');
      expect(() => session[make]('int64', [2 ** 31, 2 ** 31])).toThrow(
        'Expected less than 2^53 bytes for dims',
      );
      expect(() => session[make]('uint8', [2 ** 44])).toThrow(
        expect.objectContaining({ code: 'OUT_OF_MEMORY' }),
      );
    }
  });

  it('refuses plans that are none, damaged, absent, or for another GPU number', async () => {
    const plan = await readFile(fixed);
    const open = (source: Parameters<typeof gpu.session>[0], options = {}) =>
      gpu.session(source, options).then(
        () => 'opened',
        (error) => error,
      );
    for (const bytes of [
      new Uint8Array(0),
      new TextEncoder().encode('no plan at all'),
      new Uint8Array(plan.subarray(0, plan.length - 20)),
    ]) {
      expect(await open(bytes)).toMatchObject({ code: 'ENGINE_INVALID' });
    }
    const path = join(gpu.folder, 'text.plan');
    await writeFile(path, 'text');
    const error = await open(path);
    expect(error).toMatchObject({ code: 'ENGINE_INVALID' });
    expect(error.message).toContain(path);
    expect(error.detail.length).toBeGreaterThan(0);
    expect(await open(join(gpu.folder, 'absent.plan'))).toMatchObject({ code: 'FILE_NOT_FOUND' });
    expect(await open(gpu.folder)).toMatchObject({ code: 'FILE_NOT_FOUND' });
    const device = await open(fixed, { deviceId: 5 });
    expect(device).toMatchObject({ code: 'DEVICE_NOT_FOUND' });
    expect(device.message).toContain('There is no GPU 5: the driver shows 1');
  });

  it('does not know library folders without a library', async () => {
    await expect(InferenceSession.create(fixed, { libraryDir: gpu.folder })).rejects.toMatchObject({
      code: 'LIBRARY_NOT_FOUND',
    });
  });
});
