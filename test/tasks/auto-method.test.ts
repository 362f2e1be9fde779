import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { calibrate, calibrateEach, filesDigest, readTable } from '../../lib/calibration/index.js';
import { sampleFiles } from '../../lib/dataset/index.js';
import type { Progress } from '../../lib/progress.js';
import { methodScoresText } from '../../lib/report/index.js';
import { holdBack } from '../../lib/tasks/auto-method.js';
import { calibrateAuto } from '../../lib/tasks/index.js';
import { Tensor } from '../../lib/tensor.js';
import { cli, cliJson } from '../cli/command-line.js';
import { Random } from '../support/graph-builder.js';
import { colourModel, writeImage } from './colours.js';

const digits = fileURLToPath(new URL('../../examples/digits/', import.meta.url));
const model = `${digits}model.onnx`;
const images = `${digits}images/train`;
const plain = { resize: { mode: 'none' } } as const;

let folder: string;
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trtn-auto-'));
  await writeFile(at('plain.json'), JSON.stringify(plain));
});
afterAll(() => rm(folder, { recursive: true }));

describe('holdBack', () => {
  const paths = (count: number) => Array.from({ length: count }, (_, i) => String(i));

  it('takes a fifth, evenly, but at least 50 images or half', () => {
    const { used, heldBack } = holdBack(paths(500));
    expect(heldBack).toHaveLength(100);
    expect(heldBack.slice(0, 3)).toEqual(['2', '7', '12']);
    expect(used).toHaveLength(400);
    expect(used.some((path) => heldBack.includes(path))).toBe(false);
    expect(holdBack(paths(120)).heldBack).toHaveLength(50);
    expect(holdBack(paths(11)).heldBack).toHaveLength(5);
  });

  it('refuses to divide a handful', () => {
    expect(() => holdBack(paths(9))).toThrow(
      expect.objectContaining({
        code: 'CALIBRATION_FAILED',
        message: 'Choosing a method needs at least 10 images but there are 9',
      }),
    );
  });
});

describe('calibrateEach', () => {
  const random = new Random(3);
  const batches = Array.from({ length: 4 }, () => ({
    input: new Tensor('float32', Float32Array.from(random.array(6144, 0.3)), [2, 3, 32, 32]),
  }));

  it('gives what each method gives alone', async () => {
    const each = await calibrateEach(model, batches, { percentiles: [99, 99.99] });
    expect(each.map(({ method, options }) => [method, options.percentile])).toEqual([
      ['minmax', undefined],
      ['entropy', 99.999],
      ['percentile', 99],
      ['percentile', 99.99],
    ]);
    const alone = [
      await calibrate(model, batches),
      await calibrate(model, batches, { method: 'entropy', numBins: 1024 }),
      await calibrate(model, batches, { method: 'percentile', percentile: 99 }),
      await calibrate(model, batches, { method: 'percentile', percentile: 99.99 }),
    ];
    each.forEach(({ table }, position) => {
      expect([...table!.amaxes()]).toEqual([...alone[position]!.amaxes()]);
      expect(table!.meta).toEqual(alone[position]!.meta);
    });
    expect(each[2]!.table!.amax('output')).toBeLessThan(each[0]!.table!.amax('output')!);
  });

  it('goes on without a method that refuses the values', async () => {
    const data = batches[0]!.input.data.slice();
    data[7] = Number.NaN;
    const each = await calibrateEach(model, [
      { input: new Tensor('float32', data, [2, 3, 32, 32]) },
    ]);
    expect(each.map(({ table }) => table !== undefined)).toEqual([true, true, false, false]);
    expect(each[2]!.failure).toMatchObject({
      code: 'CALIBRATION_FAILED',
      message: expect.stringMatching(/^Tensor "input": /),
    });
    await expect(calibrateEach(model, [])).rejects.toMatchObject({ code: 'CALIBRATION_FAILED' });
    const broken = [{ other: batches[0]!.input }];
    await expect(calibrateEach(model, broken)).rejects.toThrow(TypeError);
  });
});

describe('calibrateAuto', () => {
  it('keeps the best by images that it did not calibrate with, and says so', async () => {
    const progress: Progress[] = [];
    const result = await calibrateAuto(model, {
      ...{ images, count: 100, recipe: plain, batch: 10, out: at('auto'), threads: 1 },
      onProgress: (one) => progress.push(one),
    });
    expect(result).toMatchObject({ images: 50, heldBack: 50, available: 300, broken: [] });
    expect(result.scores).toHaveLength(4);
    expect(result.scores.map(({ kept }) => kept)).toEqual([true, false, false, false]);
    const [best, ...others] = result.scores;
    for (const { score } of others) {
      expect(score!.agreed).toBeLessThanOrEqual(best!.score!.agreed);
    }
    expect(best!.score!.agreed).toBeGreaterThanOrEqual(48);
    expect(new Set(progress.map(({ phase }) => phase))).toEqual(
      new Set(['measure', 'count', 'score']),
    );
    expect(progress.at(-1)).toMatchObject({ done: 250, total: 250 });
    const table = await readTable(at('auto'));
    expect(table.method).toBe(best!.method);
    expect(table.meta).toMatchObject({
      sample: { images: 50, count: 100 },
      method: { name: best!.method },
      selection: {
        images: 50,
        target: 'tensorrt',
        scores: JSON.parse(JSON.stringify(result.scores)),
      },
    });
    expect(table.meta!.selection!.filesSha256).not.toBe(table.meta!.sample!.filesSha256);
  });

  it('leaves out broken images of both parts', async () => {
    for (let i = 0; i < 12; i += 1) {
      const name = at(`torn/${String(i).padStart(2, '0')}.png`);
      if (i === 1 || i === 4) await writeFile(name, 'torn');
      else await writeImage(name, [i * 20, 255 - i * 20, 90]);
    }
    await writeFile(at('colour.onnx'), colourModel());
    const options = { images: at('torn'), fraction: 1, recipe: plain };
    const {
      images: used,
      heldBack,
      broken,
      table,
    } = await calibrateAuto(at('colour.onnx'), {
      ...{ ...options, skipBroken: true, percentile: 99, numBins: 512 },
    });
    expect(broken).toHaveLength(2);
    expect(used + heldBack).toBe(10);
    const read = Array.from({ length: 12 }, (_, i) => `${String(i).padStart(2, '0')}.png`);
    const parts = holdBack(sampleFiles(read, { fraction: 1 }));
    const fine = (names: string[]) =>
      names.filter((name) => name !== '01.png' && name !== '04.png');
    expect(table.meta!.sample!.filesSha256).toBe(filesDigest(fine(parts.used)));
    expect(table.meta!.selection!.filesSha256).toBe(filesDigest(fine(parts.heldBack)));
    await expect(calibrateAuto(at('colour.onnx'), options)).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
    });
  });

  it('is a method of the command', async () => {
    const command = [
      ...['calibrate', model, '--images', images, '--count', '30', '--method', 'auto'],
      ...['--recipe', at('plain.json'), '--out', at('cli')],
    ];
    const { status, stdout } = await cli(command);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^Scored on 15 images that were held back\nMethod +Same class +Logit/);
    expect(stdout).toMatch(/\npercentile 99\.999 +\d+ of 15 \(.*%\) +0\.\d+ \(\d.*%\)/);
    expect(stdout).toMatch(/kept\n/);
    expect(stdout).toMatch(/\n21 tensors calibrated on 15 images of 300/);
    const { document } = await cliJson([...command, '--percentile', '99.9']);
    expect(document).toMatchObject({ heldBack: 15, tensors: 21 });
    expect(document.scores).toHaveLength(3);
  });

  it('refuses what belongs to one method, and shards', async () => {
    const command = [
      ...['calibrate', model, '--images', images, '--method', 'auto'],
      ...['--recipe', at('plain.json'), '--out', at('refused')],
    ];
    for (const flags of [['--shard', '1/2'], ['--symmetric'], ['--moving-average']]) {
      const { status, stderr } = await cli([...command, ...flags]);
      expect(status).toBe(2);
      expect(stderr).toContain(`Expected no value with the method auto for ${flags[0]}`);
    }
    await expect(readdir(at('refused'))).rejects.toThrow('ENOENT');
  });

  it('shows a method that refused the values', () => {
    const text = methodScoresText(
      [{ method: 'entropy', options: {}, failure: 'why', kept: false }],
      7,
    );
    expect(text).toContain('entropy           –               –  refused: why');
  });
});
