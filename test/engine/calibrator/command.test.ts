import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTable } from '../../../lib/calibration/index.js';
import type { NearEntry } from '../../../lib/engine/index.js';
import { cli } from '../../cli/command-line.js';
import { Workshop } from './support.js';

const digits = resolve('examples/digits');
let shop: Workshop;
beforeAll(async () => {
  shop = await Workshop.open(10);
}, 900_000);
afterAll(() => shop.close());

/** Runs command lines in one process on the fakes; a line for each: status, document, messages. */
async function commands(lines: readonly (readonly string[])[]) {
  return shop.run(
    `
    import { PassThrough } from 'node:stream';
    import { run } from './dist/cli/run.js';
    for (const line of ${JSON.stringify(lines)}) {
      const streams = { stdout: new PassThrough(), stderr: new PassThrough() };
      const shown = { stdout: '', stderr: '' };
      for (const name of ['stdout', 'stderr']) streams[name].on('data', (chunk) => (shown[name] += chunk));
      const status = await run(line, { ...streams, env: process.env, signal: new AbortController().signal });
      await new Promise((resolve) => setImmediate(resolve));
      const document = shown.stdout.startsWith('{') ? JSON.parse(shown.stdout) : shown.stdout;
      print({ status, document, stderr: shown.stderr });
    }`,
    { env: { TENSORRT_NODE_NO_CACHE: '1' } },
  );
}

describe('build --images', () => {
  it('calibrates from a folder, writes cache and tables, and uses the cache again', async () => {
    const at = (name: string) => join(shop.folder, name);
    const build = [
      ...['build', `${digits}/model.onnx`, '--int8', '--images', `${digits}/images/train`],
      ...['--count', '10', '--batch', '4', '--calib', at('digits.cache'), '--json'],
      ...['--minShapes=input:1x3x32x32', '--optShapes=input:4x3x32x32'],
      ...['--maxShapes=input:8x3x32x32', '--saveEngine', at('digits.engine')],
    ];
    const { status, lines } = await commands([
      [...build, '--calibrationOut', at('tables')],
      build,
      [...build, '--seed', '5', '--lastBatch=drop', '--algorithm=entropy'],
    ]);
    expect(status).toBe(0);
    expect(lines).toMatchObject([
      {
        status: 0,
        document: {
          calibration: {
            algorithm: 'minmax',
            images: 10,
            batches: 3,
            paddedRows: 2,
            fromCache: false,
            shapes: { input: [4, 3, 32, 32] },
          },
          broken: [],
        },
        stderr: expect.stringContaining('The last batch was filled up with 2 images of itself'),
      },
      { status: 0, document: { calibration: { fromCache: true, batches: 0, images: 0 } } },
      {
        status: 0,
        document: { calibration: { fromCache: false, images: 8, batches: 2, droppedRows: 2 } },
        stderr: expect.stringContaining('digits.cache was not used'),
      },
    ]);
    const { document } = lines[0] as { document: { files: string[] } };
    expect(document.files.map((file) => file.slice(shop.folder.length + 1))).toEqual([
      'digits.engine',
      'digits.engine.json',
      'digits.cache',
      'tables/calibration.json',
      'tables/calibration.flatbuffers',
      'tables/calibration.cache',
      'tables/calibration.meta.json',
    ]);
    const table = await readTable(at('tables'));
    const input = table.ranges.get('input')!;
    // Values of 0 to 1, and TensorRT keeps amax only.
    expect(input.lowest).toBe(-input.highest);
    expect(input.highest).toBeGreaterThan(0.9);
    const meta = JSON.parse(await readFile(at('tables/calibration.meta.json'), 'utf8'));
    expect(meta).toMatchObject({
      method: { name: 'minmax', options: { calibrator: 'TensorRT' } },
      sample: { images: 10, count: 10, seed: 1234 },
    });
  });

  it('makes an engine of bytes, with the numbers of the recipe', async () => {
    const at = (name: string) => join(shop.folder, name);
    const { status, lines } = await commands([
      [
        ...['build', `${digits}/model.onnx`, '--int8', '--images', `${digits}/images/train`],
        ...['--count', '8', '--batch', '4', '--calib', at('bytes.cache'), '--json', '--imageInput'],
        ...['--minShapes=input:1x3x32x32', '--optShapes=input:4x3x32x32'],
        ...['--maxShapes=input:8x3x32x32', '--saveEngine', at('bytes.engine')],
      ],
    ]);
    expect(status).toBe(0);
    expect(lines).toMatchObject([
      {
        status: 0,
        document: {
          calibration: { images: 8, batches: 2, shapes: { input: [4, 3, 32, 32] } },
          manifest: {
            inputs: [{ name: 'input', type: 'uint8', shape: [-1, 32, 32, 3] }],
            imageInput: { input: 'input', divisor: 255 },
          },
        },
      },
    ]);
    const table = await readTable(at('bytes.cache'));
    // What was calibrated are the recipe's floats, and not the bytes.
    expect(table.ranges.get('input')!.highest).toBeLessThanOrEqual(1);
  });

  it('is explained by `cache why` with the same flags: images, sample, batch, recipe, calibrator', async () => {
    const at = (name: string) => join(shop.folder, name);
    const halves = { resize: { mode: 'none' }, mean: [0.5, 0.5, 0.5] };
    await writeFile(at('other.json'), JSON.stringify(halves));
    const flags = [
      ...[`${digits}/model.onnx`, '--int8', '--cacheDir', at('engines'), '--json'],
      ...['--optShapes=input:4x3x32x32', `--libraryDir=${shop.fakes.dir}`],
    ];
    const images = ['--images', `${digits}/images/train`, '--count', '10', '--batch', '4'];
    const more = ['--calib', at('why.cache'), '--saveEngine', at('why.engine')];
    const why = ['cache', 'why', ...flags];
    const { status, lines } = await commands([
      ['build', ...flags, ...images, ...more],
      [...why, ...images],
      // The same folder by another name, and flags that leave the data as it is.
      [...why, ...images, '--images', `${digits}/images/../images/train`, '--calib', at('none')],
      [...why, ...images, '--seed', '5'],
      [...why, ...images, '--count', '8', '--batch', '2', '--algorithm=entropy'],
      [...why, ...images, '--lastBatch=drop'],
      [...why, ...images, '--recipe', at('other.json'), '--images', `${digits}/images/test`],
      why.map((flag) => (flag === '--int8' ? '--fp16' : flag)),
      [...why, '--last-batch', 'drop'],
      [...why, '--images', digits, '--calibration', digits],
    ]);
    expect(status).toBe(0);
    const [built, hit, same, seed, sample, pad, recipe, without, lonely, both] = lines as {
      status: number;
      stderr: string;
      document: { cache: { key: string }; key: string; hit: boolean; near: NearEntry[] };
    }[];
    expect(built!.status).toBe(0);
    for (const one of [hit!, same!]) {
      expect(one.document).toMatchObject({ hit: true, key: built!.document.cache.key });
    }
    const texts = (one: typeof built) =>
      one!.document.near[0]!.differences.map(({ part, text }) => [part, text]);
    expect(texts(seed)).toEqual([['calibration', 'calibration data: files changed']]);
    expect(texts(sample)).toEqual([
      [
        'calibration',
        'calibration data: algorithm minmax -> entropy; count 10 -> 8; files changed; batch 4 -> 2',
      ],
    ]);
    expect(texts(pad)).toEqual([['calibration', 'calibration data: lastBatch pad -> drop']]);
    expect(texts(recipe)).toEqual([
      [
        'calibration',
        `calibration data: images ${digits}/images/train -> ${digits}/images/test; files changed; ` +
          'recipe.mean null -> 0.5,0.5,0.5',
      ],
    ]);
    expect(texts(without)).toContainEqual([
      'calibration',
      `calibration data: algorithm minmax, lastBatch pad, images ${digits}/images/train, count 10, batch 4 -> none`,
    ]);
    expect(lonely).toMatchObject({
      status: 2,
      document: { error: { message: '--last-batch needs --images' } },
    });
    expect(both).toMatchObject({ status: 2 });
  });

  it('says which flags need images, and refuses a table beside them', async () => {
    const engine = ['--saveEngine', join(shop.folder, 'x.engine')];
    const lonely = await cli(['build', `${digits}/model.onnx`, '--last-batch', 'pad', ...engine]);
    expect(lonely.status).toBe(2);
    expect(lonely.stderr).toContain('--last-batch needs --images');
    const both = await cli([
      ...['build', `${digits}/model.onnx`, ...engine],
      ...['--images', digits, '--calibration', digits],
    ]);
    expect(both.status).toBe(2);
  });
});
