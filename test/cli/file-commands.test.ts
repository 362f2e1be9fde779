import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ZipFile } from 'yazl';
import { encodeCache, readTable } from '../../lib/calibration/index.js';
import { colourFolder } from '../tasks/colours.js';
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
    expect((await cli(['inspect', at('c/calibration.meta.json')])).stdout).toBe(stdout);
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

describe('doctor', () => {
  it('says what is there and what each lack rules out', async () => {
    const { status, stdout } = await cli(['doctor']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^Node\.js +v\d+/m);
    expect(stdout).toMatch(/^onnxruntime-node +1\./m);
    const { document } = await cliJson(['doctor', '--library-dir', at('.')]);
    expect(document.modules.map(({ name }: { name: string }) => name)).toContain('tensorrt_rtx');
    expect(document.lacks).toBeInstanceOf(Array);
    for (const { lacks, rulesOut } of document.lacks) {
      expect(stdout).toContain(`No ${lacks}`);
      expect(stdout).toContain(`rules out: ${rulesOut}`);
    }
  });
});
