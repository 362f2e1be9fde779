import { readFileSync } from 'node:fs';
import { copyFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTable } from '../../lib/calibration/index.js';
import { colourFolder, writeImage } from '../tasks/colours.js';
import { calibratedDigits, digits, model, train } from './calibrated-digits.js';
import { cli, cliJson } from './command-line.js';

let folder: Awaited<ReturnType<typeof calibratedDigits>>;
let colours: string;
const at = (name: string) => folder.at(name);
beforeAll(async () => {
  folder = await calibratedDigits();
  colours = await colourFolder();
});
afterAll(async () => {
  await folder.remove();
  await rm(colours, { recursive: true });
});

describe('calibrate', () => {
  it('writes a table and says so, warning of a small set on stderr', async () => {
    const { status, stdout, stderr } = await cli([
      ...['calibrate', model, '--images', train, '--count', '12'],
      ...['--recipe', at('plain.json'), '--batch', '5', '--out', at('calibrated')],
    ]);
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /^21 tensors calibrated on 12 images of 300 in .* images\/s\)\nWritten:/,
    );
    expect(stderr).toMatch(/^warning: Only 12 calibration images/);
    expect(await readdir(at('calibrated'))).toHaveLength(4);
    expect((await readTable(at('calibrated'))).size).toBe(21);
  });

  it('is one JSON document with everything, warnings too', async () => {
    const { status, document } = await cliJson([
      ...['calibrate', '--model', digits, '--images', `${digits}images`, '--symmetric'],
      ...['--files', `${digits}calib_list.txt`, '--recipe', at('plain.json')],
      ...['--style=onnxruntime-1.12', '--out', at('json')],
    ]);
    expect(status).toBe(0);
    expect(document).toMatchObject({
      tensors: 21,
      method: 'minmax',
      images: 40,
      available: 40,
      broken: [],
      meta: { sample: { images: 40 }, method: { options: { symmetric: true } } },
    });
    expect(document.files).toHaveLength(4);
    expect(document.warnings[0]).toContain('Only 40 calibration images');
  });

  it('skips broken images on request, and lists them', async () => {
    await writeImage(at('torn/a.png'), [255, 0, 0]);
    await writeFile(at('torn/b.png'), 'torn');
    const args = [
      ...['calibrate', join(colours, 'model.onnx'), '--images', at('torn'), '--fraction', '1'],
      ...['--recipe', at('plain.json'), '--out', at('torn-out')],
    ];
    const stopped = await cli(args);
    expect(stopped.status).toBe(1);
    expect(stopped.stderr).toMatch(/error IMAGE_INVALID: .*b\.png/);
    await expect(readdir(at('torn-out'))).rejects.toThrow('ENOENT');
    const skipped = await cli([...args, '--skip-broken']);
    expect(skipped.status).toBe(0);
    expect(skipped.stderr).toMatch(/warning: 1 image left out:\n {2}.*b\.png/);
  });

  it('names both sizes when the recipe does not fit the model', async () => {
    const args = ['calibrate', model, '--images', train, '--size', '64', '--out', at('size')];
    const { status, document } = await cliJson(args);
    expect(status).toBe(1);
    expect(document.error).toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message: expect.stringMatching(/32×32.*64/),
      remedy: expect.stringContaining('--size 32'),
    });
  });

  it('names the flag when there are fewer images than asked for', async () => {
    const { status, stderr } = await cli([
      ...['calibrate', model, '--images', train, '--count', '500'],
      ...['--recipe', at('plain.json'), '--out', at('x')],
    ]);
    expect(status).toBe(2);
    expect(stderr).toContain('Expected at most 300, the number of files, for --count');
  });

  it('is quiet on request', async () => {
    const args = ['calibrate', model, '--images', train, '--count', '3', '--out', at('quiet')];
    const { status, stderr } = await cli([...args, '--recipe', at('plain.json'), '--quiet']);
    expect(status).toBe(0);
    expect(stderr).toBe('');
  });

  it('shows images, speed and time left on a terminal', async () => {
    const { stderr } = await cli(
      [
        ...['calibrate', model, '--images', train, '--fraction', '1'],
        ...['--recipe', at('plain.json'), '--out', at('bar')],
      ],
      { tty: true },
    );
    expect(stderr).toContain('calibrate');
    expect(stderr).toMatch(/of 300 images/);
    expect(stderr).toMatch(/images\/s/);
  });
});

describe('quantize', () => {
  it('says what became int8 and what did not, and why', async () => {
    const out = at('m.int8.onnx');
    const { status, stdout } = await cli([
      'quantize',
      model,
      '--calibration',
      at('c'),
      '--out',
      out,
    ]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^Operator +int8 +float\n-+ +-+ +-+\nConv +7 +0$/m);
    expect(stdout).toContain('The classifier head stays float');
    expect(stdout).toContain('Never quantized by themselves: 5 Relu');
    expect(stdout).toContain(`Written:\n  ${out}\n  ${out}.recipe.json`);
    const again = await cli(['quantize', out, '--calibration', at('c'), '--out', at('again.onnx')]);
    expect(again.status).toBe(0);
    expect(again.stdout).toContain('The model is quantized already');
    expect(readFileSync(at('again.onnx'))).toEqual(readFileSync(out));
  });

  it('makes the rest half precision, or all of it without a table', async () => {
    const { document } = await cliJson([
      ...['quantize', model, '--calibration', at('c'), '--target', 'tensorrt-rtx', '--fp16'],
      ...['--fp16-exclude-types', 'Gemm', '--out', at('m.mixed.onnx')],
    ]);
    expect(document.report.counts.Conv).toEqual({ quantized: 7, float: 0 });
    expect(document.report.opset).toEqual({ from: 17, to: 19 });
    expect(document.report.float16.kept).toMatchObject([{ opType: 'Gemm', reason: 'EXCLUDED' }]);
    await copyFile(model, at('m.copy.onnx'));
    await copyFile(at('plain.json'), at('m.copy.onnx.recipe.json'));
    const { status, stdout } = await cli([
      ...['quantize', at('m.copy.onnx'), '--fp16', '--fp16-exclude', '/fc/Gemm'],
      ...['--fp16-exclude-pattern', 'layer1', '--out', at('m.half.onnx')],
    ]);
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /^12 nodes and 8 weights in float16, 8 nodes in float32; inputs and outputs float32; 4 Casts inserted\n\nLeft in float32\n {2}Left out by an option\.\n/,
    );
    // The recipe beside the model goes with it.
    expect(stdout).toContain(
      `Written:\n  ${at('m.half.onnx')}\n  ${at('m.half.onnx')}.recipe.json`,
    );
    const io = await cliJson([
      ...['quantize', at('m.half.onnx'), '--fp16', '--fp16-io', '--out', at('again.onnx')],
    ]);
    expect(io.document.report.float16).toMatchObject({ io: 'float16', alreadyHalf: false });
    const int8 = await cli(['quantize', at('m.mixed.onnx'), '--fp16', '--out', at('same.onnx')]);
    expect(int8.stdout).toMatch(
      /^The model is quantized already; its int8 part was left as it is\./,
    );
  });

  it('leaves out nodes by name, pattern and operator', async () => {
    const args = ['quantize', model, '--calibration', at('c'), '--out', at('less.onnx')];
    const { document } = await cliJson([
      ...args,
      ...['--target', 'onnxruntime', '--exclude', '/conv1/Conv', '--exclude-pattern', 'layer1'],
      ...['--exclude-types=Add,AveragePool', '--last-gemm', '--missing-ranges=float'],
      '--no-fold-batch-norm',
    ]);
    expect(document.report.target).toBe('onnxruntime');
    expect(document.report.counts.Conv).toEqual({ quantized: 3, float: 4 });
    expect(document.report.counts.Add.quantized).toBe(0);
    expect(document.report.counts.Gemm.quantized).toBe(1);
    const wrong = await cli([...args, '--exclude', 'nowhere']);
    expect(wrong.status).toBe(2);
    expect(wrong.stderr).toContain('"nowhere" fits none');
    await writeFile(at('stale.txt'), '/gone/Conv\n');
    const stale = await cli([...args, '--exclude-file', at('stale.txt')]);
    expect(stale.status).toBe(2);
    expect(stale.stderr).toBe(
      `error: Expected nodes of the model for --exclude-file but "/gone/Conv" of ${at('stale.txt')} fits none\n`,
    );
    const pattern = await cli([...args, '--exclude-pattern', '(']);
    expect(pattern.status).toBe(2);
    expect(pattern.stderr).toContain('a regular expression for --exclude-pattern');
    const list = await cli([...args, '--exclude-types', 'Add,,Mul']);
    expect(list.stderr).toContain('Expected names of operators for --exclude-types');
  });
});

describe('evaluate', () => {
  it('prints accuracy, agreement, classes and confusion', async () => {
    await cli(['quantize', model, '--calibration', at('c'), '--out', at('m.int8.onnx')]);
    const { status, stdout, stderr } = await cli([
      ...['evaluate', model, '--against', at('m.int8.onnx'), '--images', `${digits}images`],
      ...['--files', `${digits}test_list.txt`, '--recipe', at('c')],
    ]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/Top-1 +95\.00 % \(95 of 100\)/);
    expect(stdout).toMatch(/Same class first +\d+ of 100/);
    expect(stdout).toContain('Confusion (rows: actual class, columns: predicted)');
    expect(stderr).toContain(`Labels: ${digits}classes.json`);
    expect(stderr).toContain(`Recipe: ${at('c/calibration.meta.json')}`);
  });

  it('is one JSON document', async () => {
    const { status, document } = await cliJson([
      ...['evaluate', model, '--images', `${digits}images/test`, '--count', '50'],
      ...['--labels', `${digits}classes.json`, '--recipe', at('plain.json')],
    ]);
    expect(status).toBe(0);
    expect(document.images).toBe(50);
    expect(document.model.accuracy.classes).toHaveLength(10);
    expect(document.model.softmaxApplied).toBe(true);
  });

  it('names a folder that is no class', async () => {
    await writeImage(at('zoo/lion/1.png'), [0, 0, 0], 32, 32);
    const { status, stderr } = await cli([
      ...['evaluate', model, '--images', at('zoo'), '--recipe', at('plain.json')],
    ]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error LABELS_INVALID: .*"lion" \(lion\/1\.png\)/);
  });
});

describe('classify', () => {
  it('prints a line an image, and that softmax was applied', async () => {
    const image = join(colours, 'images/red/1.png');
    const { status, stdout, stderr } = await cli([
      ...['classify', join(colours, 'model.onnx'), image, join(colours, 'images/blue')],
      ...['--recipe', at('plain.json'), '--top-k', '2'],
    ]);
    expect(status).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines[0]).toBe(`${image}: red 99.99 %, green 0.00 %`);
    expect(lines[1]).toMatch(/blue\/1\.png: blue 99\.\d\d %/);
    expect(stderr).toContain('Softmax was applied');
  });

  it('is one JSON document, and takes --model', async () => {
    const { document } = await cliJson([
      ...['classify', '--model', colours, join(colours, 'images/green')],
      ...['--recipe', at('plain.json'), '--labels', join(colours, 'classes.json')],
    ]);
    expect(document.results.map((result: { source: string }) => result.source)).toEqual([
      join(colours, 'images/green/1.png'),
      join(colours, 'images/green/wrong.png'),
    ]);
    expect(document.results[0].predictions[0]).toMatchObject({ label: 'green', index: 1 });
    expect(document.softmaxApplied).toBe(true);
  });
});

describe('build', () => {
  it('takes a command line of trtexec and builds an engine that inspect knows', async () => {
    const out = at('m.engine');
    const { status, stdout, stderr } = await cli([
      ...['build', `--onnx=${model}`, `--saveEngine=${out}`, '--computeCapabilities=80,89'],
      ...['--minShapes=input:1x3x32x32', '--optShapes=input:4x3x32x32'],
      ...['--maxShapes=input:8x3x32x32', '--memPoolSize=workspace:256M'],
      ...['--builderOptimizationLevel=1', '--profilingVerbosity', 'detailed'],
      ...['--recipe', at('plain.json')],
    ]);
    expect(stderr).not.toContain('error');
    expect(status).toBe(0);
    expect(stdout).toMatch(/engine built by tensorrt_rtx .* for compute capabilities 80, 89/);
    expect(stdout).toContain(`Written:\n  ${out}\n  ${out}.json`);
    const shown = await cli(['inspect', out]);
    expect(shown.stdout).toMatch(/^Built for +80, 89$/m);
    expect(shown.stdout).toMatch(/^Inputs +input: float32 \[-1, 3, 32, 32\]$/m);
    expect(shown.stdout).toMatch(/^Recipe +\{"version":1/m);
    await rm(`${out}.json`);
    expect((await cli(['inspect', out])).stdout).toContain('none beside it');
  });

  it('fails with one clear error and leaves no file', async () => {
    await writeFile(at('text.onnx'), 'this is text');
    const args = ['--save-engine', at('no/x.engine'), '--compute-capabilities', '89'];
    const { status, document } = await cliJson(['build', at('text.onnx'), ...args]);
    expect(status).toBe(1);
    expect(document.error.code).toBe('MODEL_INVALID');
    const dynamic = await cli(['build', model, ...args]);
    expect(dynamic.status).toBe(1);
    expect(dynamic.stderr).toMatch(/^error PROFILE_INVALID: .*input/);
    await expect(readdir(at('no'))).rejects.toThrow('ENOENT');
  });
});
