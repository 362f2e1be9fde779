import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Workshop } from './support.js';

describe("TensorRT's calibration cache", () => {
  let shop: Workshop;
  beforeAll(async () => {
    shop = await Workshop.open(10);
  }, 900_000);
  afterAll(() => shop.close());

  const prelude = `
    let pulled = 0;
    const batches = () => [2, 3].map((value) => {
      pulled += 1;
      return { image: filled(value) };
    });
    const cache = file(crypto.randomUUID() + '.cache');
    const run = async (options = {}, model = FIXED) => {
      pulled = 0;
      const { built, result, error } = await outcome(build(model, { batches, cache, ...options }));
      if (!built) return print(told(error));
      const { fromCache, cacheRefused, batches: taken } = result.calibration;
      print({ pulled, fromCache, cacheRefused, taken });
    };`;

  it('is written, and used while data, model and calibrator are the same', async () => {
    const { status, stderr, lines } = await shop.run(`${prelude}
      await run({ id: 'a' });
      const origin = JSON.parse(await readFile(cache + '.json', 'utf8'));
      print({ ...origin, modelSha256: origin.modelSha256.length });
      await run({ id: 'a' });
      await run();
      await run({ batches: undefined });
      await run({ id: 'b' });
      await run({ id: 'b', algorithm: 'entropy' });
      await run({ id: 'b' });
      const bytes = await readFile(cache);
      await run({ cache: new Uint8Array(bytes) });
      await writeFile(cache, 'TRT-101600-MinMaxCalibration\\nimage: xyz\\n');
      await run({ id: 'b' });
      print(await readdir(folder).then((names) => names.filter((name) => name.startsWith('.'))));`);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const measured = { pulled: 2, fromCache: false, taken: 2 };
    const reused = { pulled: 0, fromCache: true, taken: 0 };
    const entropy = 'it is of TRT-101600-EntropyCalibration2, not of TRT-101600-MinMaxCalibration';
    const minmax = 'it is of TRT-101600-MinMaxCalibration, not of TRT-101600-EntropyCalibration2';
    expect(lines).toEqual([
      measured,
      { modelSha256: 64, algorithm: 'minmax', id: 'a', batches: 2, images: 4 },
      reused,
      reused,
      reused,
      { ...measured, cacheRefused: 'it was made of other data' },
      { ...measured, cacheRefused: minmax },
      { ...measured, cacheRefused: entropy },
      reused,
      { ...measured, cacheRefused: expect.stringContaining('in line 2') },
      [],
    ]);
  });

  it('is not mistaken for that of another model, and needs batches when it is not there', async () => {
    const { status, lines } = await shop.run(`${prelude}
      await run();
      await run({}, TWO);
      await run({ batches: undefined, cache: file('nowhere.cache') });
      await writeFile(file('plain.txt'), 'hello');
      await run({ batches: undefined, cache: file('plain.txt') });
      const { error } = await outcome(build(FIXED, { cache: 7 }));
      print(told(error));
      print(told((await outcome(build(FIXED, { batches, algorithm: 'best' }))).error));
      print(told((await outcome(build(FIXED, {}))).error));
      print(told((await outcome(build(QUANTIZED, { batches }))).error));`);
    expect(status).toBe(0);
    expect(lines).toMatchObject([
      { fromCache: false },
      { name: 'TypeError', message: expect.stringContaining('lacks "extra"') },
      {
        code: 'CALIBRATION_FAILED',
        message: 'There is no calibration cache to use: the file is not there',
      },
      {
        code: 'CALIBRATION_FAILED',
        message:
          "There is no calibration cache to use: it is not one of TensorRT's calibration caches",
      },
      {
        name: 'TypeError',
        message:
          'Expected a path or the bytes of a cache for calibrator.cache but received 7 of type number',
      },
      {
        name: 'RangeError',
        message:
          'Expected one of "minmax", "entropy" for calibrator.algorithm but received "best" of type string',
      },
      { name: 'TypeError' },
      { code: 'MODEL_QUANTIZED' },
    ]);
  });

  it('names its data to the engine cache', async () => {
    const { status, lines } = await shop.run(`${prelude}
      const engines = { cache: file('engines') };
      const again = async (options) => {
        pulled = 0;
        const { cache: { hit, reason }, calibration } = await build(FIXED, { batches, ...options }, engines);
        print({ pulled, hit, bytes: calibration.cache instanceof Uint8Array && calibration.cache.length > 0, reason });
      };
      await again({ id: 'a' });
      await again({ id: 'a' });
      await again({ id: 'b' });
      await again({});
      const { calibration } = await build(FIXED, { batches, id: 'a', cache: file('later.cache') }, engines);
      print({ written: text(await readFile(calibration.cacheFile)) === text(calibration.cache) });`);
    expect(status).toBe(0);
    expect(lines).toMatchObject([
      { pulled: 2, hit: false, bytes: true },
      { pulled: 0, hit: true, bytes: true },
      { pulled: 2, hit: false, bytes: true },
      { pulled: 2, hit: false, bytes: true, reason: 'its calibrator has no id' },
      { written: true },
    ]);
  });
});
