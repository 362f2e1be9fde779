import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CALIBRATING, NOTHING, scaleBits, Workshop } from './support.js';

describe.each(CALIBRATING)('a build with a calibrator on TensorRT %i', (major) => {
  const version = major === 8 ? 'TRT-8601' : 'TRT-101600';
  let shop: Workshop;
  beforeAll(async () => {
    shop = await Workshop.open(major);
  }, 900_000);
  afterAll(() => shop.close());

  it('hands all batches over in order and gives what TensorRT made of them', async () => {
    const { status, stderr, lines, held } = await shop.run(
      `
      const order = [];
      const memory = filled(0);
      async function* batches() {
        for (const value of [1, -8, 4, 2, 3]) {
          order.push(value);
          // The same memory for every batch: it has been copied when the next one is asked for.
          memory.data.fill(value);
          yield { image: memory };
          memory.data.fill(99);
        }
        order.push('end');
      }
      const progress = [];
      const { plan, calibration } = await build(FIXED, { batches, total: 10 }, {
        int8: true,
        onProgress: ({ phase, done, total, unit }) => progress.push({ phase, done, total, unit }),
      });
      const { cache, waitMs, calibrationMs, ...rest } = calibration;
      print({ plan: plan.length > 0, order, rest, cache: text(cache) });
      print({ waitMs: waitMs >= 0, spent: calibrationMs >= waitMs });
      print(progress.filter(({ phase }) => phase === 'calibrate').at(-1));`,
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(lines[0]).toEqual({
      plan: true,
      order: [1, -8, 4, 2, 3, 'end'],
      rest: {
        algorithm: 'minmax',
        fromCache: false,
        batches: 5,
        images: 10,
        paddedRows: 0,
        droppedRows: 0,
        shapes: { image: [2, 3, 4, 4] },
      },
      cache:
        `${version}-MinMaxCalibration\nfeatures: ${scaleBits(8)}\nimage: ${scaleBits(8)}\n` +
        `scores: ${scaleBits(16)}\n`,
    });
    expect(lines[1]).toEqual({ waitMs: true, spent: true });
    expect(lines[2]).toEqual({ phase: 'calibrate', done: 10, total: 10, unit: 'images' });
    expect(held).toMatchObject(NOTHING);
    expect(held!.calls.cuMemcpyHtoDAsync_v2).toBe(5);
  });

  it('takes several inputs, other sources, dynamic shapes and short last batches', async () => {
    const { status, stderr, lines, held } = await shop.run(
      `
      const firstLine = ({ calibration }) => text(calibration.cache).split('\\n')[0];
      const shapes = { min: [1, 3, 2, 2], opt: [2, 3, 4, 4], max: [8, 3, 8, 8] };
      const profiles = [{ image: shapes }];
      const two = await build(TWO, {
        // An array; the order of the names does not matter.
        batches: [{ extra: filled(5, [2, 2]), image: filled(1) }],
        algorithm: 'entropy',
      });
      print({ header: firstLine(two), cache: text(two.calibration.cache).split('\\n').slice(1) });
      function* rows(...counts) {
        for (const count of counts) yield { image: filled(count, [count, 3, 6, 5]) };
      }
      for (const lastBatch of ['pad', 'drop']) {
        const { calibration } = await build(DYNAMIC, { batches: rows(4, 4, 3), lastBatch }, { profiles });
        const { cache, waitMs, calibrationMs, algorithm, ...rest } = calibration;
        print({ ...rest, scale: text(cache).match(/image: (.*)/)[1] });
      }
      // The first batch of a model that fixes its rows may be the last, and short.
      const { calibration } = await build(FIXED, { batches: () => [{ image: filled(7, [1, 3, 4, 4]) }] });
      print({ padded: calibration.paddedRows, images: calibration.images, batches: calibration.batches });`,
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(lines[0]).toEqual({
      header: `${version}-EntropyCalibration2`,
      cache: [
        `extra: ${scaleBits(5)}`,
        `features: ${scaleBits(1)}`,
        `image: ${scaleBits(1)}`,
        `scores: ${scaleBits(2)}`,
        '',
      ],
    });
    const shapes = { image: [4, 3, 6, 5] };
    const common = { fromCache: false, shapes, scale: scaleBits(4) };
    expect(lines[1]).toEqual({ ...common, batches: 3, images: 11, paddedRows: 1, droppedRows: 0 });
    expect(lines[2]).toEqual({ ...common, batches: 2, images: 8, paddedRows: 0, droppedRows: 3 });
    expect(lines[3]).toEqual({ padded: 1, images: 1, batches: 1 });
    expect(held).toMatchObject(NOTHING);
  });

  it('takes batches to the GPU that is built for', async () => {
    const { status, stderr, lines, held } = await shop.run(
      `
      const { calibration } = await build(FIXED, { batches: [{ image: filled(1) }] }, { deviceId: 1 });
      print({ batches: calibration.batches });`,
      { cuda: { devices: 2 } },
    );
    expect({ status, stderr, lines }).toEqual({ status: 0, stderr: '', lines: [{ batches: 1 }] });
    expect(held!.allocatedOn).toEqual([1]);
  });

  it('rejects with the very error of a source that throws, and keeps nothing', async () => {
    const { status, stderr, lines, held } = await shop.run(
      `
      const mine = new Error('the disk is gone');
      let ended = false;
      const failing = async function* () {
        yield { image: filled(1) };
        yield { image: filled(2) };
        throw mine;
      };
      const sync = function* () {
        yield { image: filled(1) };
        throw mine;
      };
      const cache = file('failed.cache');
      for (const batches of [failing, sync, () => { throw mine; }]) {
        const { error } = await outcome(build(FIXED, { batches, cache }));
        print({ same: error === mine, cache: await there(cache) });
      }
      const tired = async function* () {
        try {
          for (;;) yield { image: filled(1) };
        } finally {
          ended = true;
        }
      };
      // What the progress function throws ends the build as well, and the source is told.
      const enough = new Error('enough');
      const stopped = await outcome(build(FIXED, { batches: tired, cache }, {
        onProgress: ({ phase, done }) => {
          if (phase === 'calibrate' && done >= 6) throw enough;
        },
      }));
      await new Promise((resolve) => setTimeout(resolve, 10));
      print({ same: stopped.error === enough, ended, cache: await there(cache) });
      const controller = new AbortController();
      let pulled = 0;
      ended = false;
      const watched = async function* () {
        try {
          for (;;) {
            if ((pulled += 1) === 3) controller.abort(mine);
            yield { image: filled(1) };
          }
        } finally {
          ended = true;
        }
      };
      const aborted = await outcome(build(FIXED, { batches: watched, cache }, { signal: controller.signal }));
      await new Promise((resolve) => setTimeout(resolve, 10));
      print({ same: aborted.error === mine, ended, cache: await there(cache) });`,
      { tensorrt: { batchMs: 20 } },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const rejected = { same: true, cache: false };
    const closed = { ...rejected, ended: true };
    expect(lines).toEqual([rejected, rejected, rejected, closed, closed]);
    expect(held).toMatchObject(NOTHING);
  });

  it('rejects while the library is still at work', async () => {
    const { status, stderr, lines, held } = await shop.run(
      `
      const mine = new Error('wrong images');
      const order = [];
      async function* batches() {
        yield { image: filled(1) };
        // TensorRT has taken a batch, and works on it for a second.
        await new Promise((resolve) => setTimeout(resolve, 50));
        throw mine;
      }
      setTimeout(() => order.push('library'), 900);
      await outcome(build(FIXED, { batches })).then(({ error }) => order.push(error === mine));
      await new Promise((resolve) => setTimeout(resolve, 1000));
      print(order);
      // A source that never answers is no reason to wait either.
      const controller = new AbortController();
      setTimeout(() => controller.abort(mine), 50);
      const hung = { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) };
      const { error } = await outcome(build(FIXED, { batches: hung }, { signal: controller.signal }));
      print([error === mine]);`,
      { tensorrt: { batchMs: 1000 } },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(lines).toEqual([[true, 'library'], [true]]);
    expect(held).toMatchObject(NOTHING);
  });

  it('names what is wrong with a batch', async () => {
    const { status, stderr, lines, held } = await shop.run(
      `
      const good = () => ({ image: filled(1) });
      const spoiled = (value) => {
        const tensor = filled(1);
        tensor.data[95] = value;
        return { image: tensor };
      };
      const shapes = { min: [1, 3, 2, 2], opt: [2, 3, 4, 4], max: [8, 3, 8, 8] };
      const dynamic = { profiles: [{ image: shapes }] };
      const cases = [
        [FIXED, []],
        [FIXED, [good(), {}]],
        [FIXED, [{ ...good(), mask: filled(1) }]],
        [FIXED, [{ image: new Tensor('float16', new Uint16Array(96), [2, 3, 4, 4]) }]],
        [FIXED, [good(), { image: filled(1, [2, 3, 4, 5]) }]],
        [FIXED, [{ image: filled(1, [3, 3, 4, 4]) }]],
        [FIXED, [good(), good(), spoiled(NaN)]],
        [FIXED, [spoiled(-Infinity)]],
        [FIXED, [null]],
        [DYNAMIC, [good(), { image: filled(1, [2, 3, 4, 5]) }], dynamic],
        [DYNAMIC, [good(), { image: filled(1, [1, 3, 4, 4]) }, good()], dynamic],
        [DYNAMIC, [good()]],
      ];
      for (const [model, batches, options] of cases) {
        const { error } = await outcome(build(model, { batches }, options));
        print(told(error));
      }`,
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const failed = (message: string) => ({
      name: 'TensorRTError',
      code: 'CALIBRATION_FAILED',
      message,
    });
    const way = { remedy: expect.stringContaining('calibrate --provider tensorrt') };
    expect(lines).toMatchObject([
      failed('There is no batch to calibrate with'),
      {
        name: 'TypeError',
        message: 'Expected tensors for the inputs "image" in batch 2 but it lacks "image"',
      },
      {
        name: 'TypeError',
        message: 'Expected tensors for the inputs "image" in batch 1 but it has "mask"',
      },
      {
        name: 'TypeError',
        message:
          'Expected a tensor of type float32 for input "image" of batch 1 but received "float16" of type string',
      },
      {
        name: 'RangeError',
        message:
          'Expected the shape [2, 3, 4, 4] for input "image" of batch 2 but received [2, 3, 4, 5]',
      },
      {
        name: 'RangeError',
        message:
          'Expected the shape [2, 3, 4, 4] for input "image" of batch 1 but received [3, 3, 4, 4]',
      },
      failed('Batch 3 has values in input "image" that are NaN or infinite'),
      failed('Batch 1 has values in input "image" that are NaN or infinite'),
      { name: 'TypeError' },
      {
        ...failed('Batch 2 has the shape [2, 3, 4, 5] for input "image", not [2, 3, 4, 4]'),
        ...way,
      },
      { ...failed('Batch 2 has 1 rows and is not the last'), ...way },
      { name: 'TensorRTError', code: 'PROFILE_INVALID' },
    ]);
    expect(held).toMatchObject(NOTHING);
  });

  it('says what the GPU refused', async () => {
    const script = `
      const batches = () => [1, 2, 3].map((value) => ({ image: filled(value) }));
      const { error } = await outcome(build(FIXED, { batches, cache: file('gpu.cache') }));
      print({ ...told(error), cache: await there(file('gpu.cache')) });`;
    const upload = await shop.run(script, { cuda: { fail: 'cuMemcpyHtoDAsync_v2:2' } });
    expect(upload.lines).toMatchObject([{ code: 'CALIBRATION_FAILED', cache: false }]);
    expect(upload.held).toMatchObject(NOTHING);
    const full = await shop.run(script, { cuda: { fail: 'cuMemHostAlloc:2' } });
    expect(full.lines).toMatchObject([{ code: 'OUT_OF_MEMORY', cache: false }]);
    expect(full.held).toMatchObject(NOTHING);
  });
});
