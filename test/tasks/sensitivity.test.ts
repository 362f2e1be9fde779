import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CalibrationTable, type TensorRange } from '../../lib/calibration/index.js';
import type { Progress } from '../../lib/progress.js';
import {
  calibrateFolder,
  readExcludeList,
  type SensitivityOptions,
  sensitivity,
} from '../../lib/tasks/index.js';

const digits = fileURLToPath(new URL('../../examples/digits/', import.meta.url));
const model = `${digits}model.onnx`;

/** Read by one layer alone. A range this wide leaves it one step of 127. */
const SPOILT = '/layer1/layer1.0/act1/Relu_output_0';
const READER = '/layer1/layer1.0/conv2/Conv';

let folder: string;
let good: CalibrationTable;
let table: CalibrationTable;
const at = (name: string) => join(folder, name);
const options = (more: Partial<SensitivityOptions> = {}): SensitivityOptions => ({
  calibration: table,
  images: `${digits}images/test`,
  count: 40,
  batch: 20,
  threads: 1,
  ...more,
});

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trtn-sensitivity-'));
  ({ table: good } = await calibrateFolder(model, {
    images: `${digits}images/train`,
    count: 60,
    recipe: { resize: { mode: 'none' } },
  }));
  const ranges = Array.from(good.ranges, ([name, range]): [string, TensorRange] => [
    name,
    name === SPOILT ? { ...range, highest: range.highest * 200 } : range,
  ]);
  table = new CalibrationTable(ranges, { method: 'minmax', meta: good.meta! });
});
afterAll(() => rm(folder, { recursive: true }));

describe('sensitivity', () => {
  it('finds the layer whose range is wrong, and that it alone must stay float', async () => {
    const progress: Progress[] = [];
    const result = await sensitivity(
      model,
      options({ maxDrop: 0.05, out: at('float.txt'), onProgress: (one) => progress.push(one) }),
    );
    expect(result).toMatchObject({
      by: 'layer',
      metric: 'agreement',
      target: 'tensorrt',
      images: 40,
      broken: [],
      maxDrop: 0.05,
      reused: 0,
      recipe: { resize: { mode: 'none' } },
    });
    expect(result.baseline.agreement).toBeLessThan(0.9);
    expect(result.units).toHaveLength(12);
    const [dearest, second] = result.units;
    expect(dearest).toMatchObject({ name: READER, nodes: [READER], opTypes: ['Conv'] });
    expect(dearest!.agreementCost).toBeGreaterThan(0.1);
    expect(dearest!.distanceCost).toBeGreaterThan(10 * second!.distanceCost);
    expect(result.proposal).toMatchObject({
      units: [READER],
      exclude: [READER],
      layerPrecisions: `${READER}:fp32`,
      meets: true,
    });
    expect(result.proposal.score).toEqual(dearest!.score);
    expect(progress.at(0)).toMatchObject({ phase: 'reference', total: 40 });
    const ranking = progress.filter(({ phase }) => phase === 'rank');
    expect(ranking.at(-1)).toMatchObject({ done: 520, total: 520, unit: 'images' });
    expect(result.files).toEqual([at('float.txt'), at('float.txt.json')]);
    expect(await readExcludeList(at('float.txt'))).toEqual([READER]);
    expect(await readFile(at('float.txt'), 'utf8')).toContain(
      `# build --layerPrecisions=${READER}:fp32 --precisionConstraints=obey\n`,
    );
    expect(JSON.parse(await readFile(at('float.txt.json'), 'utf8')).units).toHaveLength(12);
  });

  it('ranks blocks by distance, and leaves out what the caller excludes', async () => {
    const result = await sensitivity(
      model,
      options({ by: 'block', metric: 'distance', maxDrop: 0.1, exclude: ['/conv1/Conv'] }),
    );
    expect(result.units.map(({ name, nodes }) => [name, nodes.length])).toEqual([
      ['/layer1/layer1.0', 5],
      ['/global_pool/pool/GlobalAveragePool', 1],
      ['/layer2/layer2.0', 5],
    ]);
    expect(result.proposal.units).toEqual(['/layer1/layer1.0']);
    expect(result.proposal.exclude).toHaveLength(6);
    expect(result.proposal.exclude[0]).toBe('/conv1/Conv');
    expect(result.proposal.drop).toBeLessThanOrEqual(0.1);
    expect(result.files).toEqual([]);
  });

  it('proposes nothing where INT8 is good enough, and everything for a drop of 0', async () => {
    const fine = await sensitivity(model, options({ calibration: good, maxDrop: 0.1 }));
    expect(fine.proposal).toMatchObject({ units: [], exclude: [], meets: true });
    expect(fine.proposal.layerPrecisions).toBeUndefined();
    const exact = await sensitivity(
      model,
      options({ calibration: good, by: 'block', metric: 'distance', maxDrop: 0, count: 5 }),
    );
    // A pool without an int8 neighbour is float anyway.
    expect(exact.proposal).toMatchObject({ drop: 0, meets: true });
    expect(exact.proposal.units).toHaveLength(3);
  });

  it('goes on where an ended run was', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const resume = at('partial.json');
    const ended = sensitivity(
      model,
      options({
        resume,
        signal: controller.signal,
        onProgress: ({ phase, done }) => {
          if (phase === 'rank' && done > 160) controller.abort(reason);
        },
      }),
    );
    await expect(ended).rejects.toBe(reason);
    const kept = JSON.parse(await readFile(resume, 'utf8'));
    expect(kept.scores.length).toBeGreaterThanOrEqual(3);
    expect(kept.scores.length).toBeLessThan(13);

    const warnings: string[] = [];
    const onWarning = (warning: string) => warnings.push(warning);
    const result = await sensitivity(model, options({ resume, onWarning }));
    expect(result.reused).toBe(kept.scores.length);
    expect(warnings).toEqual([]);
    const again = await sensitivity(model, options({ resume, maxDrop: 0.9 }));
    expect(again.reused).toBe(13);
    expect(again.units).toEqual(result.units);
    const plain = await sensitivity(model, options());
    expect(plain.units).toEqual(result.units);

    const other = await sensitivity(model, options({ resume, count: 20, onWarning }));
    expect(other.reused).toBe(0);
    expect(warnings).toEqual([
      `${resume} belongs to another model, table, list of images or other options; it is begun anew`,
    ]);
  });

  it('does not trust a damaged file of partial results', async () => {
    for (const text of ['{"version":1,"key":"x","scores":[{}]}', 'torn', '[]', 'null']) {
      await writeFile(at('damaged.json'), text);
      const warnings: string[] = [];
      const { reused } = await sensitivity(
        model,
        options({
          ...{ resume: at('damaged.json'), count: 2, by: 'block' },
          onWarning: (warning) => warnings.push(warning),
        }),
      );
      expect(reused).toBe(0);
      expect(warnings).toEqual([
        `${at('damaged.json')} holds no partial results; it is begun anew`,
      ]);
    }
    await expect(sensitivity(model, options({ resume: folder }))).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
  });

  it('refuses what makes no sense', async () => {
    await expect(sensitivity(model, options({ maxDrop: 1.5 }))).rejects.toThrow(
      'Expected a number from 0 to 1 for maxDrop but received 1.5',
    );
    await expect(sensitivity(model, options({ by: 'tensor' as never }))).rejects.toThrow(
      'Expected one of "layer", "block" for by',
    );
    const quantized = fileURLToPath(
      new URL('../fixtures/ort-calibration/qdq_s8s8_sym_minmax.onnx', import.meta.url),
    );
    const lone = new CalibrationTable(good.ranges);
    await expect(sensitivity(quantized, options({ calibration: lone }))).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message: `${quantized} is quantized already`,
    });
    await expect(sensitivity(quantized, options())).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
    });
    await expect(
      sensitivity(model, options({ excludeTypes: ['Conv', 'Add', 'GlobalAveragePool'] })),
    ).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' });
  });
});
