import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NOTHING, scaleBits, Workshop } from './support.js';

describe.each([10, 8] as const)('a build with a calibrator on TensorRT %i', (major) => {
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
});
