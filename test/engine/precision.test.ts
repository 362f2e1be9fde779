import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CalibrationTable } from '../../lib/calibration/index.js';
import { buildEngine } from '../../lib/engine/index.js';
import { smallModel } from '../fakes/model.js';
import { openFakes } from './fake-builds.js';
import { convModel, quantizedModel } from './models.js';

const NET = smallModel({
  inputs: { image: [1, 3, 4, 4] },
  outputs: { scores: [1, 10] },
  nodes: [
    { op: 'Conv', name: 'conv', inputs: ['image', 'w'], outputs: ['features'] },
    { op: 'Add', name: 'add', inputs: ['features', 'b'], outputs: ['sum'] },
    { op: 'Reshape', name: 'flat', inputs: ['sum'], outputs: ['flatted'] },
    { op: 'Gemm', name: 'fc', inputs: ['flatted'], outputs: ['scores'] },
  ],
  weights: { w: { dims: [8, 3, 3, 3], first: 0.25 }, b: { dims: [8], first: -1.5 } },
});
const CONSTANT = '(Unnamed Layer* 1) [Constant]_output';
const range = (amax: number) => ({ lowest: -amax, highest: amax / 2 });
const table = (entries: Record<string, number>) =>
  new CalibrationTable(Object.entries(entries).map(([name, amax]) => [name, range(amax)] as const));
const FULL = { image: 2, features: 4, sum: 8, scores: 1 };

const { eight, ten, eleven } = await openFakes();

describe('precision flags', () => {
  it('are what the options say', async () => {
    expect((await ten.build(NET)).told.flags).toEqual(['tf32']);
    expect((await ten.build(NET, { fp16: true })).told.flags).toEqual(['fp16', 'tf32']);
    const both = await ten.build(NET, { fp16: true, bf16: true, tf32: false });
    expect(both.told.flags).toEqual(['fp16', 'bf16']);
  });

  it('come from a Q/DQ model by themselves', async () => {
    const { told, result } = await ten.build(quantizedModel());
    expect(told.flags).toEqual(['int8', 'tf32']);
    expect(result.warnings).toEqual([]);
    await expect(ten.build(quantizedModel(), { calibration: table(FULL) })).rejects.toMatchObject({
      code: 'MODEL_QUANTIZED',
    });
  });

  it('best is all that there is, and says what it leaves out', async () => {
    const without = await ten.build(NET, { best: true });
    expect(without.told.flags).toEqual(['fp16', 'bf16', 'tf32']);
    expect(without.result.warnings.map(({ text }) => text)).toEqual([
      'best leaves INT8 out: the build has no calibration table and no calibrator',
    ]);
    const all = await ten.build(NET, { best: true, calibration: table(FULL) });
    expect(all.told.flags).toEqual(['fp16', 'int8', 'bf16', 'tf32']);
  });

  it('refuses INT8 without ranges, and wrong types', async () => {
    const begun = ten.builds();
    await expect(ten.build(NET, { int8: true })).rejects.toMatchObject({ code: 'RANGES_MISSING' });
    await expect(ten.build(NET, { int8: 1 as never })).rejects.toThrow(
      'Expected true or false for int8 but received 1 of type number',
    );
    await expect(ten.build(NET, { calibration: 3 as never })).rejects.toThrow(
      'Expected a path or a CalibrationTable for calibration',
    );
    expect(ten.builds()).toBe(begun);
  });
});

describe('a calibration table', () => {
  it('gives ranges to inputs, layers and constants, and tells who has none', async () => {
    const calibration = table({ image: 2, features: 4, ghost: 1, sum: 8, scores: 0 });
    const { told, result } = await ten.build(NET, { calibration });
    expect(told.flags).toEqual(['int8', 'tf32']);
    expect(told.ranges).toEqual({
      image: [-2, 2],
      features: [-4, 4],
      [CONSTANT]: [-1.5, 1.5],
      sum: [-8, 8],
      flatted: [-8, 8],
    });
    expect(result.ranges).toEqual({
      covered: ['image', 'features', 'sum'],
      derived: [CONSTANT, 'flatted'],
      missing: ['scores'],
      unused: ['ghost'],
      unusable: ['scores'],
    });
    expect(result.warnings.map(({ text }) => text)).toEqual([
      'Nothing says which model the calibration table was made for; it is used as it is',
      '1 tensors have no range and stay in floating point: scores',
      '1 entries of the calibration table are no range: scores',
      expect.stringContaining('Calibrator is not being used.'),
      expect.stringContaining('Missing scale and zero-point for tensor scores'),
    ]);
    expect(result.warnings.slice(3).every(({ explanation }) => explanation !== undefined)).toBe(
      true,
    );
  });

  it('bounds what lies between a product and its bias', async () => {
    const { told, result } = await ten.build(NET, { calibration: table({ image: 2, sum: 8 }) });
    expect(told.ranges.features).toEqual([-9.5, 9.5]);
    expect(result.ranges?.derived).toEqual(['features', CONSTANT, 'flatted']);
  });

  it('under strict, a tensor without a range ends the build', async () => {
    const begun = ten.builds();
    const failing = ten.build(NET, { calibration: table({ image: 2, features: 4 }), strict: true });
    await expect(failing).rejects.toMatchObject({
      code: 'TABLE_INCOMPLETE',
      message: 'The calibration table lacks the range of 3 tensors: sum, flatted, scores',
      detail: ['sum', 'flatted', 'scores'],
    });
    expect(ten.builds()).toBe(begun);
    const whole = await ten.build(NET, { calibration: table(FULL), strict: true });
    expect(whole.result.ranges?.missing).toEqual([]);
  });

  it("is TensorRT's own cache, too", async () => {
    const cache = ten.path('native.cache');
    // 127 times the float32 0x3c010204, which is amax / 127.
    writeFileSync(cache, 'TRT-101600-MinMaxCalibration\nimage: 3c810204\nfeatures: 3d010204\n');
    const { told } = await ten.build(NET, { calibration: cache });
    expect(told.ranges.image?.[1]).toBeCloseTo(2, 5);
    expect(told.ranges.features?.[1]).toBeCloseTo(4, 5);
  });

  it('of another model is refused', async () => {
    const other = table(FULL).with({ meta: { model: { sha256: '0'.repeat(64) } } as never });
    await expect(ten.build(NET, { calibration: other })).rejects.toMatchObject({
      code: 'TABLE_MISMATCH',
    });
  });
});

describe('other versions', () => {
  it('8.6 shares profiles between contexts, takes tables, and has no bf16', async (context) => {
    if (eight === undefined) return context.skip('no TensorRT 8 headers');
    const { told, result } = await eight.build(NET, {
      calibration: table(FULL),
      best: true,
      strict: true,
    });
    expect(result.library.version).toBe('8.6.1');
    expect(told.previews).toEqual([2]);
    expect(told.flags).toEqual(['fp16', 'int8', 'tf32']);
    expect(told.ranges.image).toEqual([-2, 2]);
    await expect(eight.build(NET, { bf16: true })).rejects.toMatchObject({
      code: 'OPTION_UNSUPPORTED',
      message: 'TensorRT 8.6.1 has no bf16: it came with TensorRT 10',
    });
  });

  it('11 takes precision from the model, and names what makes it', async (context) => {
    if (eleven === undefined) return context.skip('no TensorRT 11 headers');
    const { told } = await eleven.build(NET, { tf32: false });
    expect([told.flags, told.previews]).toEqual([[], []]);
    const begun = eleven.builds();
    await expect(eleven.build(NET, { fp16: true })).rejects.toMatchObject({
      code: 'OPTION_UNSUPPORTED',
      remedy: 'Build a model that `quantize --fp16` made.',
    });
    await expect(eleven.build(NET, { calibration: table(FULL) })).rejects.toMatchObject({
      code: 'OPTION_UNSUPPORTED',
      remedy: 'Give the table to `quantize`, and build the model that it writes.',
    });
    await expect(eleven.build(NET, { int8: true })).rejects.toMatchObject({
      code: 'OPTION_UNSUPPORTED',
    });
    await expect(eleven.build(NET, { bf16: true })).rejects.toMatchObject({
      code: 'OPTION_UNSUPPORTED',
    });
    expect(eleven.builds()).toBe(begun);
    const typed = await eleven.build(quantizedModel(), { int8: true });
    expect(typed.result.warnings.map(({ text }) => text)).toEqual([
      'int8 does nothing here: the model says itself what is INT8',
    ]);
  });

  it('RTX does the same', async () => {
    const options = { computeCapabilities: [80], cache: false };
    await expect(buildEngine(convModel(), { ...options, best: true })).rejects.toMatchObject({
      code: 'OPTION_UNSUPPORTED',
      message: 'TensorRT-RTX 1.7.1 has no best: its engines have the precision of the model',
    });
    const result = await buildEngine(convModel(), { ...options, tf32: false });
    expect(result.layers.length).toBeGreaterThan(0);
  });
});
