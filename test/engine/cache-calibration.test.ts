import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Workshop } from './calibrator/support.js';

describe('the engine cache and INT8', () => {
  let shop: Workshop;
  beforeAll(async () => {
    shop = await Workshop.open();
  }, 900_000);
  afterAll(() => shop.close());

  it('knows a calibrator by the id of its data, and pulls no batch on a hit', async () => {
    const { status, stderr, lines, held } = await shop.run(`
      let pulled = 0;
      async function* batches() {
        pulled += 1;
        yield { image: filled(1) };
      }
      const made = async (calibrator, cache = file('engines')) => {
        pulled = 0;
        const result = await build(FIXED, { batches, ...calibrator }, { cache, int8: true });
        const { calibration, warnings } = result;
        const { hit, reason } = result.cache;
        print({
          hit, reason, pulled,
          shapes: calibration.shapes,
          cache: text(calibration.cache).split('-')[0],
          warnings: warnings.filter(({ text }) => /cached/.test(text)),
        });
      };
      await made({});
      await made({});
      await made({ id: 'photos' });
      await made({ id: 'photos' });
      await made({ id: 'other photos' });
      await made({ id: 'photos', algorithm: 'entropy' });
      print(await readdir(file('engines')));
    `);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const same = { shapes: { image: [2, 3, 4, 4] }, cache: 'TRT' };
    const unnamed = {
      hit: false,
      reason: 'its calibrator has no id',
      pulled: 1,
      ...same,
      warnings: [
        {
          text: 'The engine is not cached: its calibrator has no id',
          explanation: expect.stringContaining('Give the calibrator an id'),
        },
      ],
    };
    const miss = {
      hit: false,
      reason: 'the cache has no engine with this key',
      pulled: 1,
      ...same,
      warnings: [],
    };
    const hit = { hit: true, reason: 'found in the cache', pulled: 0, ...same, warnings: [] };
    expect(lines.slice(0, 6)).toEqual([unnamed, unnamed, miss, hit, miss, miss]);
    expect(lines[6]).toHaveLength(6);
    expect(held).toMatchObject({ deviceAllocations: 0, streams: 0 });
  });

  it('tells a table that changed, and reports its coverage on a hit too', async () => {
    const { status, stderr, lines } = await shop.run(`
      import { CalibrationTable } from './dist/calibration/index.js';
      import { explainCache } from './dist/engine/index.js';
      const table = (amax) => new CalibrationTable(
        ['image', 'features', 'scores'].map((name) => [name, { lowest: -amax, highest: amax }]),
      );
      const options = (amax) => ({
        cache: file('tables'), calibration: table(amax), libraryDir: ${JSON.stringify(shop.fakes.dir)},
      });
      for (const amax of [1, 1, 2]) {
        const { cache, ranges } = await buildEngine(FIXED, options(amax));
        print({ hit: cache.hit, covered: ranges.covered });
      }
      const { hit, near } = await explainCache(FIXED, options(3));
      print({ hit, texts: near.map(({ differences }) => differences.map(({ text }) => text)) });
      const plain = await explainCache(FIXED, { ...options(1), calibration: undefined, fp16: true });
      print({ texts: plain.near[0].differences.map(({ text }) => text) });
    `);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const covered = expect.arrayContaining(['image', 'features', 'scores']);
    expect(lines.slice(0, 3)).toEqual([
      { hit: false, covered },
      { hit: true, covered },
      { hit: false, covered },
    ]);
    expect(lines[3]).toEqual({
      hit: false,
      texts: [[expect.stringMatching(/^table/)], [expect.stringMatching(/^table/)]],
    });
    expect(lines[4]).toEqual({
      texts: ['precision: int8 -> fp16', expect.stringMatching(/^table: .* -> default$/)],
    });
  });
});
