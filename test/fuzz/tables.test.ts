import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type CalibrationTable,
  convertTable,
  decodeTable,
  diffTables,
  inspectTable,
  mergeFolders,
  mergeTables,
  readTable,
  repairTable,
} from '../../lib/calibration/index.js';
import { diffText, tableText } from '../../lib/report/index.js';
import { bytesOf } from '../calibration/tables/fixtures.js';
import { mutate, seeded } from '../calibration/tables/mutate.js';
import { Outcomes, SEED } from './limits.js';

/** Reading alone is fuzzed with 10,000 tables in test/calibration/tables; here, what comes after. */
const COUNT = Number(process.env.FUZZ_TABLES ?? 10_000);
const tricky = 'fixtures/writer/tricky';
const SOURCES = {
  'calibration.json': [
    `${tricky}/calibration.json`,
    `${tricky}/legacy_1.12-1.19/calibration.json`,
    'tables/model/minmax/calibration.json',
    'tables/model/percentile_default/calibration.json',
  ],
  'calibration.flatbuffers': [
    `${tricky}/calibration.flatbuffers`,
    'tables/model/minmax/calibration.flatbuffers',
  ],
  'calibration.cache': [`${tricky}/calibration.cache`, 'tables/model/minmax/calibration.cache'],
  'native.cache': ['fixtures/native_trt/trt_native.cache'],
};
const files = Object.entries(SOURCES).flatMap(([name, paths]) =>
  paths.map((path) => ({ name, bytes: bytesOf(path) })),
);
const others = files.map(({ bytes }) => bytes);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trtn-fuzz-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('damaged tables', () => {
  it('are shown, compared and joined, or refused with a code', async () => {
    const random = seeded(SEED);
    const outcomes = new Outcomes();
    // Tables of one origin have much in common still.
    const before = new Map<Uint8Array, CalibrationTable>();
    for (let i = 0; i < COUNT / 5; i += 1) {
      const { name, bytes } = files[i % files.length]!;
      await outcomes.run(`table ${i} of seed ${SEED}`, () => {
        const table = decodeTable(mutate(bytes, random, others), name);
        tableText(name, 'cache', inspectTable(table), table.meta);
        const last = before.get(bytes) ?? table;
        before.set(bytes, table);
        diffText(diffTables(last, table), 'a', 'b');
        mergeTables([last, table]);
      });
    }
    expect(outcomes.check()).toEqual(
      expect.arrayContaining(['TABLE_INVALID', 'TABLE_MISMATCH', 'fine']),
    );
  });

  it('in folders are read, converted, repaired and merged, or refused with a code', async () => {
    const random = seeded(SEED + 1);
    const outcomes = new Outcomes();
    const out = join(folder, 'out');
    for (let i = 0; i < COUNT / 50; i += 1) {
      const place = await mkdtemp(join(folder, 'case-'));
      const set = ['calibration.json', 'calibration.flatbuffers', 'calibration.cache'];
      for (const name of set) {
        const bytes = bytesOf(`tables/model/minmax/${name}`);
        // Most folders have one damaged file of three.
        const damaged = random() < 0.4 ? mutate(bytes, random, others) : bytes;
        if (random() < 0.9) await writeFile(join(place, name), damaged);
      }
      const steps = {
        read: () => readTable(place),
        convert: () => convertTable(place, out, { style: 'onnxruntime-1.20' }),
        'to TensorRT': () => convertTable(place, out, { to: 'tensorrt' }),
        repair: () => repairTable(place, out),
        merge: () => mergeFolders([place, place]),
      };
      for (const [step, work] of Object.entries(steps)) {
        await outcomes.run(`${step} of folder ${i} of seed ${SEED + 1}`, work);
      }
      await rm(place, { recursive: true });
    }
    expect(outcomes.check()).toEqual(
      expect.arrayContaining(['TABLE_INVALID', 'TABLE_MISMATCH', 'fine']),
    );
  });
});
