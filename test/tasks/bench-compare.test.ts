import { createHash } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type ComparedVariant,
  compareVariants,
  decodeTable,
  writeTables,
} from '../../lib/index.js';
import { chooseVariant } from '../../lib/tasks/bench/compare.js';
import { parseVariants } from '../../lib/tasks/bench/variants.js';
import { cli, cliJson } from '../cli/command-line.js';
import { smallModel } from '../fakes/model.js';
import { FakeGpu } from '../session/tensorrt/support.js';
import { colourFolder, writeImage } from './colours.js';

describe('variants', () => {
  it('are precisions joined by +, FP32 first and each once', () => {
    const names = (texts: string[]) => parseVariants(texts, 'table').map(({ name }) => name);
    expect(names(['INT8+fp16', 'int8', 'fp32', 'int8'])).toEqual(['fp32', 'int8+fp16', 'int8']);
    expect(names(['fp16'])).toEqual(['fp32', 'fp16']);
    expect(parseVariants(['int8+fp16', 'bf16', 'fp32+notf32', 'best'], 'table')).toEqual([
      { name: 'fp32', options: {} },
      { name: 'int8+fp16', options: { int8: true, fp16: true, calibration: 'table' } },
      { name: 'bf16', options: { bf16: true } },
      { name: 'fp32+noTF32', options: { tf32: false } },
      { name: 'best', options: { best: true, calibration: 'table' } },
    ]);
  });

  it('that cannot be are named', () => {
    expect(() => parseVariants(['int4'], undefined)).toThrow(
      'Expected variants of fp32, fp16, bf16, int8, best, noTF32, imageInput joined by + for compare but received "int4"',
    );
    expect(() => parseVariants(['fp16+int8'], undefined)).toThrow(
      'Expected a calibration table for the variant fp16+int8 but received none',
    );
    expect(() => parseVariants([], undefined)).toThrow('Expected names of variants for compare');
  });
});

describe('the variant to ship', () => {
  const variant = (
    name: string,
    runMs: number,
    accuracy?: { agreement: number; meanConfidenceDifference: number },
  ) =>
    ({
      variant: name,
      runMs,
      speedup: 3 / runMs,
      ...(accuracy === undefined
        ? {}
        : { accuracy: { images: 100, maxConfidenceDifference: 1, ...accuracy } }),
    }) as ComparedVariant;
  const fp32 = variant('fp32', 3);

  it('is the fastest that is close enough', () => {
    const close = { agreement: 0.99, meanConfidenceDifference: 0.05 };
    expect(
      chooseVariant([
        fp32,
        variant('int8', 1, { ...close, agreement: 0.98 }),
        variant('int8+fp16', 1.1, { ...close, meanConfidenceDifference: 0.051 }),
        variant('fp16', 1.5, close),
      ]),
    ).toEqual({
      variant: 'fp16',
      reason:
        '2.00x as fast as FP32, agrees on 99.0 % of 100 images, confidence changes by 0.0500 on average',
    });
  });

  it('is FP32 when nothing else is close, or faster', () => {
    const far = { agreement: 0.5, meanConfidenceDifference: 0.01 };
    expect(chooseVariant([fp32, variant('int8', 1, far)])).toEqual({
      variant: 'fp32',
      reason: 'what is faster is too far from it: int8 agrees on 50.0 % of the images',
    });
    const same = { agreement: 1, meanConfidenceDifference: 0 };
    expect(chooseVariant([fp32, variant('fp16', 4, same)])).toEqual({
      variant: 'fp32',
      reason: 'nothing else is faster',
    });
  });

  it('is by speed alone when no accuracy is known, which it says', () => {
    expect(chooseVariant([fp32, variant('int8', 1)])).toEqual({
      variant: 'int8',
      reason: '3.00x as fast as FP32; its accuracy was not measured',
    });
  });
});

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

const MODEL = {
  inputs: { image: ['n', 3, 8, 8] },
  outputs: { scores: ['n', 4] },
  nodes: [{ op: 'Conv', name: 'conv', inputs: ['image', 'w'], outputs: ['scores'] }],
  weights: { w: { dims: [4, 3, 1, 1], first: 1 } },
};

describe('a comparison on the fakes', () => {
  let gpu: FakeGpu;
  let folder: string;
  const at = (name: string) => join(folder, name);
  beforeAll(async () => {
    gpu = await FakeGpu.open();
    folder = await colourFolder();
    await rm(at('images/red/2.png'));
    await writeImage(at('images/red/3.png'), [90, 5, 5]);
    await writeFile(at('small.onnx'), smallModel(MODEL));
    await writeFile(at('table.cache'), 'image 1.0\nscores 8.0\n');
    await writeFile(at('small.onnx.recipe.json'), JSON.stringify({ resize: { mode: 'none' } }));
  }, 900_000);
  afterAll(async () => {
    await rm(folder, { recursive: true });
    await gpu.close();
  });

  it('has the speed and the accuracy of every variant', async () => {
    const result = await compareVariants(at('small.onnx'), {
      compare: ['fp16', 'int8+fp16'],
      calibration: at('table.cache'),
      shapes: { image: [1, 3, 8, 8] },
      evaluate: { images: at('images') },
      libraryDir: gpu.fakes.dir,
      duration: 0,
      warmUp: 0,
      build: { cache: at('cache') },
    });
    expect(result.variants.map(({ variant }) => variant)).toEqual(['fp32', 'fp16', 'int8+fp16']);
    const [fp32, , int8] = result.variants;
    expect(fp32!.speedup).toBe(1);
    expect(int8!.speedup).toBeCloseTo(fp32!.runMs / int8!.runMs, 9);
    expect(int8!.bench.switches.useCudaGraph).toBe(true);
    // The fakes compute the same in every precision.
    for (const { accuracy } of result.variants) {
      expect(accuracy).toMatchObject({ images: 5, agreement: 1, meanConfidenceDifference: 0 });
      expect(accuracy!.top1).toBe(fp32!.accuracy!.top1);
    }
    expect(int8!.bench.engine.build!.cache.hit).toBe(false);
  });

  it('is a table of the command, which takes engines from the cache', async () => {
    const args = [
      'bench',
      at('small.onnx'),
      '--compare=fp32,int8+fp16',
      `--calibration=${at('table.cache')}`,
      '--shapes=image:1x3x8x8',
      '--duration=0',
      '--warmUp=0',
      `--libraryDir=${gpu.fakes.dir}`,
      `--cacheDir=${at('cache')}`,
    ];
    const images = [`--images=${at('images')}`, `--labels=${at('classes.json')}`];
    const { status, stdout, stderr } = await cli([...args, ...images]);
    expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^Variant +run p50 µs .* agrees +mean \|Δconf\| +top-1$/m);
    expect(stdout).toMatch(/^int8\+fp16 .* 100.0 % +0.0000 +\d+.\d %$/m);
    expect(stdout).toMatch(/^Ship (fp32|int8\+fp16): /m);
    const { document } = await cliJson([...args, `--exportSummary=${at('summary.json')}`]);
    expect(document.variants[1].bench.engine.build.cache.hit).toBe(true);
    expect(document.variants[1].accuracy).toBeUndefined();
  });

  it('puts the recipe that is found into an engine of bytes, with and without images', async () => {
    const imageInput = async (model: string, ...more: string[]) => {
      const { document, status } = await cliJson([
        ...['bench', at(model), '--shapes=image:1x3x8x8', '--duration=0', '--warmUp=0'],
        ...[`--libraryDir=${gpu.fakes.dir}`, `--cacheDir=${at('cache')}`, ...more],
      ]);
      expect(status).toBe(0);
      const benches = document.variants?.map((one: { bench: unknown }) => one.bench) ?? [document];
      return benches.at(-1).engine.build.imageInput;
    };
    const mean = (value: number) => [value, value, value];
    await writeFile(at('bytes.onnx'), smallModel(MODEL));
    const recipe = (value: number) =>
      JSON.stringify({ resize: { mode: 'none' }, mean: mean(value) });
    const compare = '--compare=fp16+imageInput';

    // Nothing says how the images are prepared: the bytes divided by 255.
    expect(await imageInput('bytes.onnx', compare)).toMatchObject({ divisor: 255, mean: null });

    await mkdir(at('ranges'));
    const table = decodeTable(Buffer.from('image 1.0\nscores 8.0\n'), 'table.cache');
    const meta = { version: 1, model: { sha256: sha256(smallModel(MODEL)) } } as const;
    const method = { name: 'minmax', options: {} } as const;
    const rest = { method, versions: {}, created: '2026-01-01T00:00:00.000Z' };
    await writeTables(
      table.with({ meta: { ...meta, ...rest, recipe: JSON.parse(recipe(0.25)) } }),
      at('ranges'),
    );
    // The variant without INT8 has no use for the ranges, and the same recipe.
    const calibrated = `--calibration=${at('ranges')}`;
    expect(await imageInput('bytes.onnx', compare, calibrated)).toMatchObject({ mean: mean(0.25) });
    expect(
      await imageInput(
        'bytes.onnx',
        '--int8',
        '--imageInput',
        `--calib=${at('ranges/calibration.json')}`,
      ),
    ).toMatchObject({ mean: mean(0.25) });

    await writeFile(at('bytes.onnx.recipe.json'), recipe(0.5));
    expect(await imageInput('bytes.onnx', compare, calibrated)).toMatchObject({ mean: mean(0.5) });
    expect(await imageInput('bytes.onnx', '--imageInput')).toMatchObject({ mean: mean(0.5) });

    await writeFile(at('named.json'), recipe(0.125));
    const named = `--recipe=${at('named.json')}`;
    expect(await imageInput('bytes.onnx', compare, named)).toMatchObject({ mean: mean(0.125) });
    expect(await imageInput('bytes.onnx', '--imageInput', named)).toMatchObject({
      mean: mean(0.125),
    });
  });

  it('fails before it builds when a variant lacks its ranges', async () => {
    const { status, stderr } = await cli(['bench', at('small.onnx'), '--compare=int8']);
    expect(status).toBe(2);
    expect(stderr).toContain('Expected a calibration table for the variant int8');
  });
});
