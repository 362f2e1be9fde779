import { describe, expect, it } from 'vitest';
import {
  CalibrationTable,
  decodeMeta,
  decodeTable,
  encodeCache,
  encodeFlatBuffers,
  encodeJson,
  encodeMeta,
  encodeNativeCache,
  inspectTable,
} from '../../../lib/calibration/index.js';
import { TensorRTError } from '../../../lib/errors.js';
import { bytesOf } from './fixtures.js';
import { mutate, seeded } from './mutate.js';

/** `npm run fuzz` raises these. */
const COUNT = Number(process.env.FUZZ_TABLES ?? 10_000);
const SEED = Number(process.env.FUZZ_SEED ?? 20240501);

const tricky = 'fixtures/writer/tricky';
const FORMATS: Record<string, string[]> = {
  'calibration.json': [
    `${tricky}/calibration.json`,
    `${tricky}/calibration.dict.json`,
    `${tricky}/legacy_1.12-1.19/calibration.json`,
    'fixtures/writer/nonfinite/calibration.json',
    'tables/model/percentile_default/calibration.json',
  ],
  'calibration.flatbuffers': [
    `${tricky}/calibration.flatbuffers`,
    'fixtures/writer/empty/calibration.flatbuffers',
    'fixtures/writer/scalar_kinds/calibration.flatbuffers',
  ],
  'calibration.cache': [`${tricky}/calibration.cache`, 'tables/model/minmax/calibration.cache'],
  'native.cache': ['fixtures/native_trt/trt_native.cache'],
};

/** What reading gave: a table that every writer takes or refuses with a code, or the code. */
function outcome(bytes: Uint8Array, source: string): string {
  let table: CalibrationTable;
  try {
    table = decodeTable(bytes, source);
  } catch (error) {
    if (error instanceof TensorRTError) return error.code;
    throw error;
  }
  expect(table).toBeInstanceOf(CalibrationTable);
  inspectTable(table);
  for (const write of [encodeCache, encodeFlatBuffers, encodeJson, encodeNativeCache]) {
    try {
      write(table as never);
    } catch (error) {
      if (!(error instanceof TensorRTError) || error.code !== 'TABLE_INEXPRESSIBLE') throw error;
    }
  }
  return 'table';
}

describe('damaged tables', () => {
  const seeds = Object.values(FORMATS).map((paths) => paths.map(bytesOf));
  const others = seeds.flat();

  it.each(Object.keys(FORMATS))(
    'of %s are read or refused with TABLE_INVALID, never slowly',
    (source) => {
      const random = seeded(SEED);
      const files = FORMATS[source]?.map(bytesOf) as Uint8Array[];
      const outcomes: Record<string, number> = {};
      let slowest = 0;
      for (let i = 0; i < COUNT / 4; i += 1) {
        const bytes = mutate(files[i % files.length] as Uint8Array, random, others);
        const usage = process.cpuUsage();
        const what = outcome(bytes, source);
        const { user, system } = process.cpuUsage(usage);
        slowest = Math.max(slowest, (user + system) / 1e3);
        outcomes[what] = (outcomes[what] ?? 0) + 1;
      }
      expect(Object.keys(outcomes).sort()).toEqual(['TABLE_INVALID', 'table']);
      expect(slowest).toBeLessThan(1000);
    },
    120_000,
  );

  it('of unknown name are told apart or refused', () => {
    const random = seeded(SEED + 1);
    for (let i = 0; i < COUNT / 10; i += 1) {
      const bytes = mutate(others[i % others.length] as Uint8Array, random, others);
      expect(['table', 'TABLE_INVALID']).toContain(outcome(bytes, 'some file'));
    }
  }, 120_000);

  it('and damaged provenance too', () => {
    const random = seeded(SEED + 2);
    const meta = new TextEncoder().encode(
      encodeMeta({
        version: 1,
        model: { sha256: 'a'.repeat(64), file: 'm.onnx' },
        sample: { images: 4, seed: 1 },
        shard: { index: 1, count: 2 },
      }),
    );
    const outcomes = new Set<string>();
    for (let i = 0; i < COUNT / 10; i += 1) {
      try {
        decodeMeta(mutate(meta, random, others));
        outcomes.add('meta');
      } catch (error) {
        if (!(error instanceof TensorRTError)) throw error;
        outcomes.add(error.code);
      }
    }
    expect(Array.from(outcomes).sort()).toEqual(['TABLE_INVALID', 'meta']);
  });
});

describe('tables made to be slow', () => {
  it.each([
    ['calibration.json', `{"a": "${'\\u0041'.repeat(500_000)}`],
    ['calibration.json', `{${' '.repeat(2_000_000)}`],
    ['calibration.json', `{"a": ${'1'.repeat(2_000_000)}}`],
    ['calibration.json', `{"a": 1.${'1'.repeat(2_000_000)}e}`],
    ['calibration.json', `${'{"a":'.repeat(300_000)}1`],
    ['calibration.json', '\n'.repeat(2_000_000)],
    ['calibration.cache', `${' '.repeat(2_000_000)}\n`],
    ['calibration.cache', `a ${'1'.repeat(2_000_000)}x\n`],
    ['calibration.cache', 'a\n'.repeat(1_000_000)],
    ['calibration.cache', `TRT-${'8'.repeat(2_000_000)}-MinMaxCalibration\n`],
    ['calibration.cache', `TRT-8601-MinMaxCalibration\n${':'.repeat(2_000_000)}\n`],
    ['calibration.cache', `TRT-8601-MinMaxCalibration\nx: ${'0'.repeat(2_000_000)}\n`],
  ])('of %s are refused in under a second: %.40j', (source, text) => {
    const bytes = new TextEncoder().encode(text);
    // Processor time, because other work on the machine does not count.
    const usage = process.cpuUsage();
    expect(() => decodeTable(bytes, source)).toThrow(
      expect.objectContaining({ code: 'TABLE_INVALID' }),
    );
    const { user, system } = process.cpuUsage(usage);
    expect((user + system) / 1e3).toBeLessThan(1000);
  });
});
