import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTable } from '../../lib/calibration/index.js';
import { calibratedDigits, digits, model } from './calibrated-digits.js';
import { cli, cliJson } from './command-line.js';

let folder: Awaited<ReturnType<typeof calibratedDigits>>;
const at = (name: string) => folder.at(name);
let common: string[];
beforeAll(async () => {
  folder = await calibratedDigits();
  common = [
    ...['calibrate', model, '--images', `${digits}images`, '--files', `${digits}calib_list.txt`],
    ...['--recipe', at('plain.json')],
  ];
});
afterAll(() => folder.remove());

/** ONNX Runtime's own ranges over the same 40 images. */
function reference(config: string): Record<string, [number, number]> {
  const file = `test/fixtures/ort-calibration/tables/model/${config}/ranges.json`;
  return JSON.parse(readFileSync(file, 'utf8'));
}

describe('calibrate --method', () => {
  it.each([
    ['minmax', ['--asymmetric']],
    ['entropy_default', ['--method', 'entropy']],
    ['entropy_512', ['--method', 'entropy', '--num-bins', '512']],
    ['percentile_default', ['--method', 'percentile']],
    ['percentile_999_asym', ['--method', 'percentile', '--percentile', '99.9', '--asymmetric']],
    ['distribution_512', ['--method=distribution', '--numBins=512']],
  ])('%s: the ranges of ONNX Runtime', async (config, args) => {
    const { status, document } = await cliJson([...common, ...args, '--out', at(config)]);
    expect(status).toBe(0);
    const { ranges } = await readTable(at(config));
    const expected = reference(config);
    expect([...ranges.keys()].sort()).toEqual(Object.keys(expected).sort());
    for (const [name, { lowest, highest }] of ranges) {
      const [low, high] = expected[name]!;
      const tolerance = 1e-5 * Math.max(Math.abs(low), Math.abs(high));
      expect(Math.abs(lowest - low), `${name} lowest`).toBeLessThanOrEqual(tolerance);
      expect(Math.abs(highest - high), `${name} highest`).toBeLessThanOrEqual(tolerance);
    }
    expect(document.method).toBe(config.split('_')[0]);
  });

  it('records the method with its options', async () => {
    const out = ['--out', at('recorded')];
    const entropy = await cliJson([...common, '--method', 'entropy', ...out]);
    expect(entropy.document.meta.method).toEqual({
      name: 'entropy',
      options: { numBins: 128, numQuantizedBins: 128, percentile: 99.999, symmetric: false },
    });
    const average = await cliJson([...common, '--moving-average', '0.1', '--symmetric', ...out]);
    expect(average.document.meta.method).toEqual({
      name: 'minmax',
      options: { symmetric: true, movingAverage: 0.1 },
    });
    expect(average.document.meta.sample.images).toBe(40);
  });

  it('writes ranges of channels into calibration.json', async () => {
    const { status } = await cli([...common, '--per-channel', '--out', at('channels')]);
    expect(status).toBe(0);
    const { ranges } = await readTable(at('channels'));
    expect(ranges.get('input')?.channels?.lowest).toHaveLength(3);
    expect((await readTable(at('channels'))).warnings).toEqual([]);
  });

  it('says that Entropy knows no symmetry', async () => {
    const args = ['--method', 'entropy', '--symmetric', '--out', at('warned')];
    const { status, stderr } = await cli([...common, ...args]);
    expect(status).toBe(0);
    expect(stderr).toContain('warning: --symmetric has no effect on entropy, as in ONNX Runtime');
  });

  it('shows both passes', async () => {
    const args = ['--method', 'percentile', '--out', at('shown')];
    const { stderr } = await cli([...common, ...args], { tty: true });
    // A bar is drawn ten times a second at most, so the last one of a short pass is not always seen.
    expect(stderr).toMatch(/measure .* of 40 images.*count .* of 40 images/s);
  });

  it('leaves no bar behind, whose timer would keep the process from ending, after a warning', async () => {
    const { stderr } = await cli([...common, '--out', at('bar')], { tty: true });
    expect(stderr).toContain('warning: Only 40 calibration images');
    const bars = stderr.split('\u001b[?25l').length - 1;
    expect(bars).toBeGreaterThanOrEqual(1);
    expect(stderr.split('\u001b[?25h').length - 1).toBe(bars);
  });

  it.each<[string[], string]>([
    [['--method', 'kl'], 'Expected one of minmax, entropy, percentile, distribution, auto for'],
    [['--percentile', '99'], 'Expected no value with the method minmax for --percentile but'],
    [['--num-bins', '99'], 'Expected no value with the method minmax for --num-bins but'],
    [
      ['--method', 'percentile', '--num-quantized-bins', '9'],
      'Expected no value with the method percentile for --num-quantized-bins but',
    ],
    [
      ['--method', 'entropy', '--movingAverage=0.5'],
      'Expected no value with the method entropy for --movingAverage but',
    ],
    [
      ['--method', 'distribution', '--symmetric'],
      'Expected no value with the method distribution for --symmetric but received true',
    ],
    [['--method', 'percentile', '--percentile', '101'], 'Expected a number from 0 to 100 for'],
    [['--moving-average', 'x'], 'Expected a number from 0 to 1 for --moving-average but'],
    [['--method=entropy', '--num-bins=0'], 'Expected an integer from 1 to 1048576 for --num-bins'],
    [
      ['--method=entropy', '--num-bins=64'],
      'Expected at least as many bins as quantized bins (128) for --num-bins but received 64',
    ],
    [
      ['--method=distribution', '--num-bins=511'],
      'Expected an integer from 512 to 1048576 for --num-bins but received 511',
    ],
    [
      ['--per-channel', '--style', 'onnxruntime-1.20'],
      'Expected "exact", because ONNX Runtime cannot write ranges of channels, for --style but',
    ],
    [['--symmetric', '--asymmetric'], "'--symmetric' cannot be used with option '--asymmetric'"],
  ])('%j is wrong usage that names the flag', async (args, message) => {
    const { status, stderr } = await cli([...common, ...args, '--out', at('never')]);
    expect(stderr).toContain(message);
    expect(status).toBe(2);
  });
});

it('asks for more images once, and takes --moving-average without a value', async () => {
  const { status, stderr } = await cli([...common, '--moving-average', '--out', at('short')]);
  expect(status).toBe(0);
  expect(stderr.match(/Only 40 calibration images/g)).toHaveLength(1);
  const { meta } = await readTable(at('short'));
  expect(meta?.method?.options?.movingAverage).toBe(0.01);
  await rm(at('short'), { recursive: true });
});
