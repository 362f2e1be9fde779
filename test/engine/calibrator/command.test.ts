import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTable } from '../../../lib/calibration/index.js';
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
