import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ZipFile } from 'yazl';
import { encodeCache, readTable } from '../../lib/calibration/index.js';
import { colourFolder, writeImage } from '../tasks/colours.js';
import { cli, cliJson } from './command-line.js';

const digits = fileURLToPath(new URL('../../examples/digits/', import.meta.url));
const model = `${digits}model.onnx`;
const train = `${digits}images/train`;

let folder: string;
let colours: string;
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trtn-commands-'));
  colours = await colourFolder();
  await writeFile(at('plain.json'), JSON.stringify({ resize: { mode: 'none' } }));
  await cli([
    'calibrate',
    model,
    '--images',
    train,
    '--recipe',
    at('plain.json'),
    '--out',
    at('c'),
  ]);
});
afterAll(async () => {
  await rm(folder, { recursive: true });
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

  it('does not pretend that it can use the GPU', async () => {
    const args = ['calibrate', model, '--images', train, '--out', at('gpu')];
    const { status, stderr } = await cli([...args, '--provider=tensorrt']);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error MODULE_MISSING: .*\nUse --provider onnxruntime/);
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
    expect(again.status).toBe(1);
    expect(again.stderr).toContain('TABLE_MISMATCH');
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

describe('inspect', () => {
  it('tells a model, a table of each format and an engine apart by content', async () => {
    await mkdir(at('sniff'), { recursive: true });
    await writeFile(at('sniff/a'), await readFile(model));
    await writeFile(at('sniff/b'), await readFile(at('c/calibration.flatbuffers')));
    await writeFile(at('sniff/c'), await readFile(at('c/calibration.json')));
    await writeFile(at('sniff/d'), await readFile(at('c/calibration.cache')));
    await writeFile(at('sniff/e'), Buffer.concat([Buffer.from('ftrt'), Buffer.alloc(60)]));
    const kinds: Record<string, string> = {};
    for (const name of ['a', 'b', 'c', 'd', 'e']) {
      const { document } = await cliJson(['inspect', at(`sniff/${name}`)]);
      kinds[name] = `${document.kind} ${document.format ?? ''}`.trim();
    }
    expect(kinds).toEqual({
      a: 'onnx',
      b: 'table flatbuffers',
      c: 'table json',
      d: 'table cache',
      e: 'engine',
    });
  });

  it('prints what a model holds', async () => {
    const { stdout } = await cli(['inspect', digits]);
    expect(stdout).toMatch(/^Inputs +input: float32 \[batch, 3, 32, 32\]$/m);
    expect(stdout).toMatch(/^Operators +7 Conv, 5 Relu/m);
    expect(stdout).toMatch(/^Weights +18,618$/m);
  });

  it('prints ranges and where they come from', async () => {
    const { stdout } = await cli(['inspect', at('c')]);
    expect(stdout).toMatch(/^Made for +model\.onnx, SHA-256 [0-9a-f]{64}$/m);
    expect(stdout).toMatch(/^Sample +15 images, seed 1234$/m);
    expect(stdout).toMatch(/^\/conv1\/Conv_output_0 +-\d/m);
    const lone = at('lone.cache');
    await writeFile(lone, encodeCache(await readTable(at('c')), 'exact'));
    expect((await cli(['inspect', lone])).stderr).toContain('No calibration.meta.json');
  });

  it('says in JSON what no JSON number can: infinity', async () => {
    await writeFile(at('inf.cache'), 'a inf\nb 0.0\n');
    const { document } = await cliJson(['inspect', at('inf.cache')]);
    expect(document.tensors[0]).toMatchObject({ name: 'a', amax: 'Infinity' });
    expect(document.findings).toMatchObject({ infinite: ['a'], zero: ['b'] });
  });

  it('names what is not there, and what is nothing of these', async () => {
    expect((await cli(['inspect', at('nowhere')])).stderr).toMatch(/^error FILE_NOT_FOUND/);
    await writeFile(at('noise'), Buffer.from([1, 2, 3, 250, 0, 9]));
    expect((await cli(['inspect', at('noise')])).stderr).toMatch(/^error MODEL_INVALID/);
    await writeFile(at('short.engine'), Buffer.from([1, 2, 3]));
    expect((await cli(['inspect', at('short.engine')])).stderr).toMatch(/^error ENGINE_INVALID/);
    await mkdir(at('hollow'), { recursive: true });
    expect((await cli(['inspect', at('hollow')])).stderr).toMatch(/^error MODEL_NOT_FOUND/);
  });
});

describe('preprocess', () => {
  it('writes pixels and tensors', async () => {
    const image = join(colours, 'images/red/2.png');
    const out = at('seen.npy');
    const args = ['preprocess', image, '--size', '12', '--out'];
    const { status, stdout } = await cli([...args, out]);
    expect(status).toBe(0);
    expect(stdout).toBe(
      `${out}: 12×18 pixels; tensor float32 [1, 3, 18, 12], values 0.1961 to 0.7843\n`,
    );
    expect((await cliJson([...args, at('seen.png')])).document).toMatchObject({
      width: 12,
      height: 18,
      recipe: { resize: { mode: 'shorter-side', size: 12 } },
    });
    const wrong = await cli([...args, at('seen.gif')]);
    expect(wrong.status).toBe(2);
    expect(wrong.stderr).toContain('Expected a file named .png or .npy for --out');
  });
});

describe('convert', () => {
  it('writes the three files in a style', async () => {
    const { status, stdout } = await cli([
      ...['convert', at('c/calibration.json'), '--out', at('v'), '--style', 'onnxruntime-1.12'],
    ]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^21 tensors, style onnxruntime-1\.12\nWritten:\n/);
    const text = await readFile(at('v/calibration.json'), 'utf8');
    expect(text).toMatch(/^\{"input": \[/);
    const { document } = await cliJson(['convert', at('c/calibration.cache'), '--out', at('w')]);
    expect(document.warnings.join()).toContain('magnitudes alone');
    await writeFile(at('bad.json'), '{"a": ');
    const bad = await cli(['convert', at('bad.json'), '--out', at('none')]);
    expect(bad.status).toBe(1);
    expect(bad.stderr).toMatch(/^error TABLE_INVALID/);
    await expect(readdir(at('none'))).rejects.toThrow('ENOENT');
  });
});

describe('dataset', () => {
  it('lists in order, and samples in the order drawn', async () => {
    const { stdout } = await cli(['dataset', 'list', join(colours, 'images')]);
    expect(stdout).toBe('blue/1.png\ngreen/1.png\ngreen/wrong.png\nred/1.png\nred/2.png\n');
    // CPython: random.seed(1234); random.shuffle(paths); random.sample(paths, 3).
    const sample = await cliJson(['dataset', 'sample', train, '--count', '3']);
    expect(sample.document).toMatchObject({
      paths: ['1/d0994.png', '5/d0938.png', '3/d1086.png'],
      count: 3,
      available: 300,
    });
    const list = join(digits, 'calib_list.txt');
    const all = await cli(['dataset', 'sample', `${digits}images`, '--files', list]);
    expect(all.stdout).toBe(await readFile(list, 'utf8'));
    const part = await cliJson(['dataset', 'sample', train]);
    expect(part.document.count).toBe(15);
    const stratified = await cliJson([
      ...['dataset', 'sample', train, '--fraction=0.1', '--stratified', '--extensions', 'png'],
    ]);
    expect(stratified.document.count).toBe(30);
    const none = await cli(['dataset', 'list', train, '--extensions', 'jpg']);
    expect(none.stderr).toMatch(/^error IMAGES_NOT_FOUND/);
  });

  it('downloads an archive once', async () => {
    const zip = new ZipFile();
    zip.addBuffer(await readFile(join(colours, 'images/red/1.png')), 'red/1.png');
    zip.end();
    const chunks: Buffer[] = [];
    for await (const chunk of zip.outputStream) chunks.push(chunk as Buffer);
    const archive = Buffer.concat(chunks);
    let requests = 0;
    const server = createServer((_, response) => {
      requests += 1;
      response.writeHead(200, { 'content-length': archive.length }).end(archive);
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/set.zip`;
      const args = ['dataset', 'download', url, '--out', at('set'), '--archives', at('zips')];
      const first = await cli([...args, '--max-bytes', '1000000']);
      expect(first.status).toBe(0);
      expect(first.stdout).toMatch(/set: 1 file, .*\nArchive kept: /);
      expect(await readdir(at('set/red'))).toEqual(['1.png']);
      const before = requests;
      const second = await cliJson(args);
      expect(second.document).toMatchObject({ downloaded: false, files: 1 });
      expect(requests).toBe(before);
      const digest = await cli([
        ...['dataset', 'download', url, '--out', at('other'), '--archives', at('zips2')],
        ...['--delete-archive', '--sha256', '0'.repeat(64)],
      ]);
      expect(digest.stderr).toMatch(/^error CHECKSUM_MISMATCH/);
    } finally {
      server.close();
    }
    const wrong = await cli(['dataset', 'download', 'ftp://x/y.zip']);
    expect(wrong.status).toBe(2);
    expect(wrong.stderr).toContain('Expected an http or https address for URL');
    const hex = await cli(['dataset', 'download', 'http://x/y.zip', '--sha256', 'abc']);
    expect(hex.stderr).toContain('Expected 64 hexadecimal digits for --sha256');
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

describe('doctor', () => {
  it('says what is there and what each lack rules out', async () => {
    const { status, stdout } = await cli(['doctor']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^Node\.js +v\d+/m);
    expect(stdout).toMatch(/^onnxruntime-node +1\./m);
    const { document } = await cliJson(['doctor', '--library-dir', folder]);
    expect(document.modules.map(({ name }: { name: string }) => name)).toContain('tensorrt_rtx');
    expect(document.lacks).toBeInstanceOf(Array);
    for (const { lacks, rulesOut } of document.lacks) {
      expect(stdout).toContain(`No ${lacks}`);
      expect(stdout).toContain(`rules out: ${rulesOut}`);
    }
  });
});
