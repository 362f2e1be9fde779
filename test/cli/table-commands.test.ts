import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTable } from '../../lib/calibration/index.js';
import { sparkline } from '../../lib/report/index.js';
import { calibratedDigits, model, train } from './calibrated-digits.js';
import { cli, cliJson } from './command-line.js';

const NATIVE = 'test/fixtures/ort-calibration/fixtures/native_trt/trt_native.cache';

let folder: Awaited<ReturnType<typeof calibratedDigits>>;
const at = (name: string) => folder.at(name);
const write = async (name: string, text: string) => {
  await writeFile(at(name), text);
  return at(name);
};
beforeAll(async () => {
  folder = await calibratedDigits();
});
afterAll(() => folder.remove());

describe('convert --to', () => {
  it('tensorrt: the scales as TensorRT writes them', async () => {
    const source = await write('amax.cache', 'a 127.0\nb 1e-05\nc d 12.7\n');
    const args = ['convert', source, '--to', 'tensorrt', '--out', at('native')];
    const { status, stdout } = await cli([...args, '--trt-version', '10.3.0']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^3 tensors, TRT-100300-MinMaxCalibration\nWritten:\n/);
    // struct.pack('>f', numpy.float32(amax) / numpy.float32(127)).hex()
    const scales = 'a: 3f800000\nb: 33a917dc\nc d: 3dcccccd\n';
    expect(await readFile(at('native/calibration.cache'), 'utf8')).toBe(
      `TRT-100300-MinMaxCalibration\n${scales}`,
    );
    const other = await cliJson([...args, '--trtVersion=8601', '--algorithm=entropy2']);
    expect(other.document).toMatchObject({
      to: 'tensorrt',
      header: 'TRT-8601-EntropyCalibration2',
    });
    const { document } = await cliJson([...args, '--algorithm', 'entropy']);
    expect(document.header).toBe('TRT-8601-EntropyCalibration');
  });

  it('tensorrt from tensorrt: byte for byte, and through ONNX Runtime with the same amax', async () => {
    const same = await cli(['convert', NATIVE, '--to', 'tensorrt', '--out', at('same')]);
    expect(same.status).toBe(0);
    expect(await readFile(at('same/calibration.cache'))).toEqual(await readFile(NATIVE));
    expect((await cli(['convert', NATIVE, '--out', at('three')])).status).toBe(0);
    const back = ['convert', at('three/calibration.flatbuffers'), '--to', 'tensorrt'];
    expect((await cli([...back, '--out', at('back')])).status).toBe(0);
    const [direct, through] = await Promise.all([readTable(NATIVE), readTable(at('back'))]);
    for (const [name, range] of direct.ranges) {
      const amax = through.amax(name)!;
      if (range.recorded! > 0) expect(amax).toBeCloseTo(range.recorded!, 4);
    }
  });

  it('lists names that TensorRT cannot hold', async () => {
    const source = await write('colon.cache', 'x:0 1.0\ny 2.0\nz:1 3.0\n');
    const args = ['convert', source, '--to', 'tensorrt', '--out', at('colon')];
    const { status, stderr } = await cli(args);
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^.*TABLE_INEXPRESSIBLE: .* cannot hold the names "x:0", "z:1": a colon/m,
    );
    await expect(readdir(at('colon'))).rejects.toThrow('ENOENT');
  });

  it.each<[string[], string]>([
    [['--to', 'tensorrt', '--style', 'exact'], '--style means nothing with --to tensorrt'],
    [['--trt-version', '8601'], '--trt-version means nothing with --to onnxruntime'],
    [['--algorithm', 'minmax'], '--algorithm means nothing with --to onnxruntime'],
    [
      ['--to', 'tensorrt', '--trt-version', '10'],
      'Expected a TensorRT version such as 8601, 100300 or 10.3.0 for --trt-version but received "10"',
    ],
    [['--algorithm', 'kl'], 'Expected one of minmax, entropy2, entropy for --algorithm'],
    [['--to', 'trt'], 'Expected one of onnxruntime, tensorrt for --to but received "trt"'],
  ])('%j is wrong usage', async (args, message) => {
    const { status, stderr } = await cli(['convert', NATIVE, '--out', at('never'), ...args]);
    expect(stderr).toContain(message);
    expect(status).toBe(2);
  });
});

describe('repair', () => {
  it('says what was recorded and what is right, and writes that', async () => {
    await cli(['convert', at('c'), '--style', 'onnxruntime-1.20', '--out', at('faulty')]);
    const { status, document, stderr } = await cliJson(['repair', at('faulty'), '--out', at('ok')]);
    expect(status).toBe(0);
    const table = await readTable(at('c'));
    const wrong = [...table.ranges].filter(([, { lowest, highest }]) => -lowest > highest);
    expect(wrong.length).toBeGreaterThan(0);
    expect(document.repaired).toEqual(
      wrong.map(([name, { lowest, highest }]) => {
        return { name, lowest, highest, recorded: highest, amax: -lowest };
      }),
    );
    expect(stderr).toContain('without the absolute value');
    for (const file of ['calibration.cache', 'calibration.flatbuffers', 'calibration.json']) {
      expect(await readFile(at(`ok/${file}`))).toEqual(await readFile(at(`c/${file}`)));
    }
    const text = await cli(['repair', at('faulty/calibration.cache'), '--out', at('ok2')]);
    expect(text.stdout).toMatch(
      /^\d+ of 21 tensors repaired:\n\nTensor +Lowest +Highest +Was +Is\n/,
    );
    const fine = await cli(['repair', at('c'), '--out', at('ok3')]);
    expect(fine.stdout).toMatch(/^Nothing to repair in 21 tensors\nWritten:/);
  });

  it('cannot do without the bounds', async () => {
    await mkdir(at('blind'), { recursive: true });
    await copyFile(at('c/calibration.cache'), at('blind/calibration.cache'));
    const { status, stderr } = await cli(['repair', at('blind'), '--out', at('never')]);
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /error TABLE_INCOMPLETE: .* there is no calibration.json with both bounds/,
    );
  });
});

describe('diff', () => {
  it('lists what only one has, and what changed, the largest change first', async () => {
    const a = await write(
      'a.json',
      '{"x": [-1.0, 2.0], "y": [0.0, 1.0], "z": [0.0, 4.0], "s": [0, 1]}',
    );
    const b = await write(
      'b.json',
      '{"w": [0.0, 1.0], "x": [-1.5, 2.0], "y": [0.0, 3.0], "s": [0, 1]}',
    );
    const { status, stdout } = await cli(['diff', a, b]);
    expect(status).toBe(0);
    expect(stdout).toBe(
      [
        `1 tensor only in ${a}:`,
        '  z',
        '',
        `1 tensor only in ${b}:`,
        '  w',
        '',
        'Tensor  Lowest A  Highest A  Lowest B  Highest B         amax',
        '------  --------  ---------  --------  ---------  -----------',
        'y              0          1         0          3     +200.0 %',
        'x             -1          2      -1.5          2  bounds only',
        '',
        '1 tensor the same, 2 different, 2 in one table only',
        '',
      ].join('\n'),
    );
    const { document } = await cliJson(['diff', a, b]);
    expect(document).toMatchObject({
      onlyA: ['z'],
      onlyB: ['w'],
      changed: [
        { name: 'y', ratio: 3 },
        { name: 'x', ratio: 1 },
      ],
      same: 1,
    });
  });

  it('has an exit status on request', async () => {
    const a = await write('p.cache', 'x 1.0\n');
    const b = await write('q.cache', 'x 1.000001\n');
    expect(await cli(['diff', a, b, '--exit-code'])).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('+1.0e-4 %'),
    });
    expect((await cli(['diff', a, b, '--exit-code', '--tolerance', '1e-5'])).status).toBe(0);
    expect((await cli(['diff', a, a, '--exit-code'])).status).toBe(0);
    const wrong = await cli(['diff', a, b, '--tolerance', '-1']);
    expect(wrong.stderr).toContain('Expected a number of at least 0 for --tolerance');
    expect((await cli(['diff', a, at('none')])).stderr).toMatch(/^error FILE_NOT_FOUND/);
  });
});

describe('inspect', () => {
  it('draws histograms, and lists the options', async () => {
    await cli([
      ...['calibrate', model, '--images', train, '--recipe', at('plain.json'), '--quiet'],
      ...['--method', 'percentile', '--num-bins', '64', '--percentile', '99', '--out', at('p')],
    ]);
    const { stdout } = await cli(['inspect', at('p')]);
    expect(stdout).toMatch(
      /^Options +numBins 64, numQuantizedBins 128, percentile 99, symmetric true$/m,
    );
    expect(stdout).toMatch(/^Tensor +Lowest +Highest +amax +from +log histogram +to +Suspicious$/m);
    expect(stdout).toMatch(/^\/conv1\/Conv_output_0 .*│[ ▁▂▃▄▅▆▇█]{32}│ +[\d.]+$/m);
    const { document } = await cliJson(['inspect', at('p')]);
    const { histogram } = document.tensors[0];
    expect(histogram.counts).toHaveLength(64);
    expect(histogram.counts.reduce((a: number, b: number) => a + b)).toBe(15 * 3 * 32 * 32);
  });

  it('draws counts by their logarithm, one alone still seen', () => {
    expect(sparkline([0, 1, 3, 1000, 10 ** 9])).toBe(' ▁▁▃█');
    expect(sparkline([1, 1, 1, 1, 0, 0, 2, 0], 4)).toBe('██ █');
    expect(sparkline([0, 0])).toBe('  ');
  });

  it('says that the folder of a shard holds no table', async () => {
    const out = at('shard');
    await cli([
      ...['calibrate', model, '--images', train, '--recipe', at('plain.json')],
      ...['--method', 'entropy', '--shard', '1/2', '--out', out],
    ]);
    expect((await cli(['inspect', out])).stderr).toMatch(
      /^error TABLE_INCOMPLETE: .*shard holds the histograms of a shard, and no table yet\nJoin/,
    );
  });
});
