import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FakeOptions } from '../../fakes/build.js';
import { CALIBRATING, NOTHING, scaleBits, Workshop } from './support.js';

/** A line of the fake builder's report for each build. */
const BUILDS = `
  const builds = async () => (await readFile(file('builds.jsonl'), 'utf8').catch(() => ''))
    .split('\\n').filter(Boolean).map((line) => JSON.parse(line));
`;

describe.each(CALIBRATING)('a calibrator beside an image input on TensorRT %i', (major) => {
  const version = major === 8 ? 'TRT-8601' : 'TRT-101600';
  let shop: Workshop;
  beforeAll(async () => {
    shop = await Workshop.open(major);
  }, 900_000);
  afterAll(() => shop.close());
  const run = (source: string, fake: FakeOptions = {}) =>
    shop.run(BUILDS + source, {
      tensorrt: { buildReport: `${shop.folder}/builds.jsonl`, ...fake },
    });

  it('measures the float model, and builds the engine of bytes with its ranges', async () => {
    const { status, stderr, lines, held } = await run(`
      const profiles = [
        { image: { min: [1, 4, 4, 3], opt: [2, 4, 4, 3], max: [8, 8, 8, 3] } },
        { image: { min: [9, 4, 4, 3], opt: [9, 4, 4, 3], max: [9, 4, 4, 3] } },
      ];
      const progress = [];
      const { inputs, imageInput, calibration, ranges, profiles: built } = await build(
        DYNAMIC,
        { batches: () => [{ image: filled(1) }, { image: filled(-8) }], total: 4, cache: file('a.cache') },
        {
          imageInput: { mean: [0.5, 0.5, 0.5] }, profiles, int8: true, fp16: true, directIO: true,
          builderOptimizationLevel: 5, timingCacheFile: file('timings'),
          onProgress: ({ phase, elapsedMs }) => progress.push({ phase, elapsedMs }),
        },
      );
      const { cache, cacheFile, fromCache, images, shapes } = calibration;
      print({ inputs, mean: imageInput.mean, built });
      print({ cache: text(cache), written: await there(cacheFile), fromCache, images, shapes });
      print(ranges);
      print((await builds()).map(({ inputs, flags, ranges, optimization, profiles, timingEntries }) => (
        { type: inputs.image.type, flags, ranges, optimization, profiles, timings: timingEntries >= 0 }
      )));
      const phases = progress.map(({ phase }) => phase);
      const times = progress.map(({ elapsedMs }) => elapsedMs);
      print({
        order: phases.filter((phase, at) => phase !== phases[at - 1]).slice(0, 4),
        back: times.some((time, at) => time < times[at - 1]),
      });
    `);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(lines[0]).toEqual({
      inputs: [{ name: 'image', type: 'uint8', shape: [-1, -1, -1, 3] }],
      mean: [0.5, 0.5, 0.5],
      built: [
        { image: { min: [1, 4, 4, 3], opt: [2, 4, 4, 3], max: [8, 8, 8, 3] } },
        { image: { min: [9, 4, 4, 3], opt: [9, 4, 4, 3], max: [9, 4, 4, 3] } },
      ],
    });
    expect(lines[1]).toEqual({
      cache:
        `${version}-MinMaxCalibration\nfeatures: ${scaleBits(8)}\nimage: ${scaleBits(8)}\n` +
        `scores: ${scaleBits(16)}\n`,
      written: true,
      fromCache: false,
      images: 4,
      shapes: { image: [2, 3, 4, 4] },
    });
    expect(lines[2]).toMatchObject({
      covered: expect.arrayContaining(['image_pixels', 'features', 'scores']),
      missing: [],
      unused: [],
    });
    const [first, second, ...more] = lines[3] as unknown as Record<string, unknown>[];
    expect(more).toEqual([]);
    // The first build is thrown away: it takes what bears on ranges, and little time.
    expect(first).toEqual({
      type: 'FP32',
      flags: ['int8', 'tf32'],
      ranges: {},
      optimization: 1,
      profiles: 1,
      timings: true,
    });
    expect(second).toMatchObject({
      type: 'UInt8',
      flags: ['fp16', 'int8', 'tf32', 'direct_io'],
      ranges: { image_pixels: [-8, 8], features: [-8, 8], scores: [-16, 16] },
      optimization: 5,
      profiles: 2,
      timings: true,
    });
    // Tensors that hold bytes are left in floating point.
    const names = Object.keys((second as { ranges: object }).ranges);
    expect(names.filter((name) => name.startsWith('image_image'))).toEqual([]);
    expect(lines[4]).toMatchObject({ back: false });
    const { order } = lines[4] as unknown as { order: string[] };
    expect(order.slice(0, 2)).toEqual(['float model', 'calibrate']);
    expect(held).toMatchObject(NOTHING);
  });

  it('builds once where a cache is given, and not at all where the engine is cached', async () => {
    const { status, stderr, lines } = await run(`
      const pulled = [];
      const batches = () => (pulled.push(1), [{ image: filled(4) }]);
      const options = { imageInput: true, cache: file('engines') };
      const before = (await builds()).length;
      const made = async (calibrator, more = {}) => {
        const { cache, calibration } = await build(FIXED, calibrator, { ...options, ...more });
        const { fromCache, batches: count } = calibration;
        print({ hit: cache.hit, fromCache, count, pulled: pulled.length, builds: (await builds()).length - before });
      };
      const cache = file('fixed.cache');
      await made({ batches, id: 'photos', cache });
      await made({ batches, id: 'photos', cache });
      await made({ cache });
      await made({ cache: await readFile(cache) }, { cache: false });
      await made({ batches, id: 'photos', cache }, { imageInput: { divisor: 1 } });
      const last = (await builds()).at(-1);
      print({ ranges: last.ranges, flags: last.flags });
    `);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(lines.slice(0, 5)).toEqual([
      { hit: false, fromCache: false, count: 1, pulled: 1, builds: 2 },
      { hit: true, fromCache: false, count: 1, pulled: 1, builds: 2 },
      { hit: false, fromCache: true, count: 0, pulled: 1, builds: 3 },
      { hit: false, fromCache: true, count: 0, pulled: 1, builds: 4 },
      { hit: false, fromCache: true, count: 0, pulled: 1, builds: 5 },
    ]);
    expect(lines[5]).toMatchObject({
      ranges: { image_pixels: [-4, 4], features: [-4, 4], scores: [-8, 8] },
      flags: expect.arrayContaining(['int8']),
    });
  });

  it('wants no plan of the first build, which 10 ends once it has calibrated', async () => {
    const source = `
      const progress = [];
      const onProgress = ({ phase }) => progress.push(phase);
      const made = await outcome(build(FIXED, { batches: [{ image: filled(4) }] }, { imageInput: true, onProgress }));
      print({ ...told(made.error), type: made.result?.inputs[0].type, cache: made.result?.calibration.cache });
    `;
    // The first build that comes to its end fails: on 10 that is the second one.
    const failing = await run(source, { failBuild: 1 });
    expect({ status: failing.status, stderr: failing.stderr }).toEqual({ status: 0, stderr: '' });
    if (major === 8) expect(failing.lines).toMatchObject([{ type: 'uint8' }]);
    else expect(failing.lines).toMatchObject([{ code: 'BUILD_FAILED' }]);
    expect(failing.held).toMatchObject(NOTHING);
    // One that cannot be stopped gives a plan that is dropped.
    const endless = await run(source, { ignoreMonitor: 1 });
    expect(endless.lines).toMatchObject([{ type: 'uint8' }]);
    expect(endless.held).toMatchObject(NOTHING);
  });

  it('rejects with what ends the calibration, and builds nothing after it', async () => {
    const { status, stderr, lines, held } = await run(`
      const before = (await builds()).length;
      const mine = new Error('the disk is gone');
      const failing = function* () {
        yield { image: filled(1) };
        throw mine;
      };
      const options = { imageInput: true };
      const thrown = await outcome(build(FIXED, { batches: failing }, options));
      print({ same: thrown.error === mine });
      const bytes = new Tensor('uint8', new Uint8Array(96), [2, 4, 4, 3]);
      print(told((await outcome(build(FIXED, { batches: [{ image: bytes }] }, options))).error));
      const controller = new AbortController();
      const endless = async function* () {
        for (;;) {
          yield { image: filled(1) };
          controller.abort(mine);
        }
      };
      const { signal } = controller;
      const stopped = await outcome(build(FIXED, { batches: endless }, { ...options, signal }));
      print({ same: stopped.error === mine });
      const types = (await builds()).slice(before).map(({ inputs }) => inputs.image.type);
      print({ bytes: types.includes('UInt8') });
    `);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(lines).toEqual([
      { same: true },
      {
        name: 'TypeError',
        message:
          'Expected a tensor of type float32 for input "image" of batch 1 but received "uint8" of type string',
      },
      { same: true },
      { bytes: false },
    ]);
    expect(held).toMatchObject({ deviceAllocations: 0, streams: 0 });
  });
});
