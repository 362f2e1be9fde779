import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  buildFakes,
  type FakeMajor,
  type FakeOptions,
  type Fakes,
  fakeEnvironment,
} from './build.js';
import { expectedOutput } from './expected.js';
import { smallModel } from './model.js';

interface Run {
  code: number;
  /** The values printed under each key, in order. */
  lines: Map<string, string[]>;
  stderr: string;
}

let fakes: Fakes;
let folder: string;
let model: string;

async function drive(
  args: string[],
  options: { cuda?: FakeOptions; tensorrt?: FakeOptions; fakes?: Fakes } = {},
): Promise<Run> {
  const used = options.fakes ?? fakes;
  return await new Promise((resolve) => {
    const env = fakeEnvironment(used, options);
    execFile(used.driver, [used.dir, ...args], { env }, (error, stdout, stderr) => {
      const lines = new Map<string, string[]>();
      for (const line of stdout.split('\n')) {
        const [, key = '', value = ''] = /^(\S*) ?(.*)$/.exec(line) ?? [];
        lines.set(key, [...(lines.get(key) ?? []), value]);
      }
      // A signal is no exit status: a crash must not look like an answer.
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, lines, stderr });
    });
  });
}

const one = (run: Run, key: string): string | undefined => run.lines.get(key)?.[0];

/** driver.cc's inputs. */
function pattern(count: number, seed: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => (((i * 37 + seed * 11) % 101) - 50) / 16);
}

const classifier = smallModel({
  inputs: { image: ['batch', 3, 4, 4], extra: ['batch', 2] },
  outputs: { scores: ['batch', 10], lowest: [1], highest: [1] },
  nodes: [
    { op: 'Conv', name: 'conv', inputs: ['image', 'w'], outputs: ['features'] },
    { op: 'Add', name: 'add', inputs: ['features', 'b'], outputs: ['sum'] },
    { op: 'Gemm', name: 'fc', inputs: ['sum', 'extra'], outputs: ['scores'] },
    { op: 'ReduceMin', name: 'min', inputs: ['sum'], outputs: ['lowest0'] },
    { op: 'Reshape', name: 'flat', inputs: ['lowest0'], outputs: ['lowest'] },
    { op: 'ReduceMax', name: 'max', inputs: ['sum'], outputs: ['highest'] },
  ],
  weights: { w: { dims: [8, 3, 3, 3], first: 0.25 }, b: { dims: [8], first: 1 } },
});

const inputsOf = (rows: number) => [
  { data: pattern(rows * 48, 0), shape: [rows, 3, 4, 4] },
  { data: pattern(rows * 2, 1), shape: [rows, 2] },
];

async function plan(name: string, ...args: string[]): Promise<string> {
  const path = join(folder, name);
  const built = await drive(['build', model, path, ...args]);
  expect(one(built, 'plan')).toMatch(/^\d+$/);
  return path;
}

beforeAll(async () => {
  fakes = await buildFakes();
  folder = await mkdtemp(join(tmpdir(), 'fakes-'));
  model = join(folder, 'model.onnx');
  await writeFile(model, classifier);
}, 900_000);

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('the fake CUDA driver', () => {
  it('keeps the rules of memory, streams, captures and faults', async () => {
    const { code, lines } = await drive(['cuda'], { cuda: { delayUs: 2000 } });
    expect(code).toBe(0);
    lines.delete('');
    expect(Object.fromEntries([...lines].map(([key, [value]]) => [key, value]))).toEqual({
      beforeInit: '3',
      init: '0',
      noContext: '201',
      alloc: '0',
      tagged: '1',
      copyTooLong: '1',
      copyPastEnd: '1',
      copyUnknown: '1',
      used: '1000',
      free: '0',
      doubleFree: '1',
      usedAfter: '0',
      tooMuch: '2',
      pin: '0',
      pinOverlap: '712',
      unpin: '0',
      unpinTwice: '713',
      query: '600',
      early: '0',
      sync: '0',
      late: '1',
      overwritten: '2',
      eventSync: '0',
      elapsed: '0',
      elapsedPositive: '1',
      callInHostFunction: '800',
      ordered: '5',
      destroyedStream: '400',
      begin: '0',
      endCapture: '0',
      nodes: '1',
      replay3: '3',
      replay4: '4',
      syncInCapture: '900',
      endInvalidated: '901',
      allocUnderGlobal: '900',
      allocUnderThreadLocal: '0',
      errorName: 'CUDA_ERROR_OUT_OF_MEMORY',
      procAddress: '1',
      faultSync: '700',
      sticky: '700',
    });
  });

  it('is absent on demand, and TensorRT says so as the real one does', async () => {
    const run = await drive(['build', model, join(folder, 'none')], { cuda: { devices: 0 } });
    expect(one(run, 'builder')).toBe('null');
    expect(one(run, 'log1')).toContain('CUDA initialization failure with error: 100');
  });
});

describe('building', () => {
  it('parses a model into inputs, layers and constants', async () => {
    const run = await drive(['build', model, join(folder, 'parsed')]);
    expect(one(run, 'version')).toBe('101600');
    expect(run.lines.get('inputShape')).toEqual(['image 4 -1', 'extra 2 -1']);
    expect(one(run, 'layers')).toBe('7');
    expect(run.lines.get('phase')).toEqual([
      '/Building engine',
      'Building engine/Optimizing graph',
      'Building engine/Timing tactics',
    ]);
  });

  it('calibrates with the data on the device and writes the native table', async () => {
    const cache = join(folder, 'native.cache');
    const run = await drive(['build', model, join(folder, 'int8'), 'batches=3', `cache=${cache}`]);
    expect(run.code).toBe(0);
    expect(run.lines.get('calibrationInput')).toEqual(['image', 'extra']);
    expect(one(run, 'batches')).toBe('3');
    const table = (await readFile(cache, 'utf8')).trimEnd().split('\n');
    expect(table[0]).toBe('TRT-101600-MinMaxCalibration');
    // Batch b of input i has the seed 3b + i + 1; OPT has two rows: 96 and 4 numbers.
    const amax = (count: number, input: number) =>
      Math.max(...[1, 4, 7].flatMap((seed) => [...pattern(count, seed + input)].map(Math.abs)));
    const hex = (value: number) => {
      const view = new DataView(new ArrayBuffer(4));
      view.setFloat32(0, Math.fround(value) / 127);
      return view.getUint32(0).toString(16).padStart(8, '0');
    };
    expect(table).toContain(`image: ${hex(amax(96, 0))}`);
    expect(table).toContain(`extra: ${hex(amax(4, 1))}`);
    expect([amax(96, 0), amax(4, 1)]).toEqual([3.125, 3]);

    const again = await drive([
      'build',
      model,
      join(folder, 'int8b'),
      'batches=3',
      `cache=${cache}`,
    ]);
    expect(one(again, 'batches')).toBe('0');
    expect(again.lines.has('cacheWritten')).toBe(false);
    const [first, second] = await Promise.all(
      ['int8', 'int8b'].map((name) => readFile(join(folder, name))),
    );
    expect(first!.equals(second!)).toBe(false); // two builds are never equal
  });

  it('fails without data, with a wrong binding, a missing profile, and when cancelled', async () => {
    const out = join(folder, 'failed');
    const none = await drive(['build', model, out, 'batches=0']);
    expect(one(none, 'plan')).toBe('null');
    expect(one(none, 'log1')).toContain('Calibration failure occurred with no scaling factors');
    const binding = await drive(['build', model, out, 'batches=1', 'badBinding=1']);
    expect(one(binding, 'plan')).toBe('null');
    expect(one(binding, 'log1')).toContain('binding of image cannot be read');
    const profile = await drive(['build', model, out, 'noProfile=1']);
    expect(one(profile, 'log1')).toContain('no optimization profile has been defined');
    const cancelled = await drive(['build', model, out, 'cancelAfter=1']);
    expect(one(cancelled, 'plan')).toBe('null');
    expect(one(cancelled, 'log2')).toContain('cancelled');
    const scripted = await drive(['build', model, out], {
      tensorrt: { failBuild: 1, log: 'warning:take care' },
    });
    expect(one(scripted, 'log2')).toBe('take care');
    expect(one(scripted, 'log1')).toContain('Could not find any implementation for node');
    const full = await drive(['build', model, out], { cuda: { memory: 1000 } });
    expect(full.lines.get('log1')?.[0]).toContain('out of memory');
  });

  it('is silent about what is no model, and names what is wrong in one', async () => {
    const bad = async (bytes: Uint8Array | string) => {
      const path = join(folder, 'bad.onnx');
      await writeFile(path, bytes);
      return await drive(['build', path, join(folder, 'bad.plan')]);
    };
    for (const nothing of ['', 'plain text, no model']) {
      const run = await bad(nothing);
      expect([one(run, 'parsed'), one(run, 'inputs'), one(run, 'parserError')]).toEqual([
        '1',
        '0',
        undefined,
      ]);
    }
    const truncated = await bad(classifier.slice(0, classifier.length - 60));
    expect(one(truncated, 'parserError')).toBe('3 -1 Failed to parse the ONNX model.');
    const operator = await bad(
      smallModel({
        inputs: { x: [1] },
        outputs: { y: [1] },
        nodes: [
          { op: 'Relu', name: 'fine', inputs: ['x'], outputs: ['z'] },
          { op: 'Nonsense', name: 'odd', inputs: ['z'], outputs: ['y'] },
        ],
      }),
    );
    expect(one(operator, 'parserError')).toMatch(/^6 1 No importer registered for op: Nonsense/);
    const external = await bad(
      smallModel({
        inputs: { x: [1] },
        outputs: { y: [1] },
        nodes: [{ op: 'Conv', name: 'c', inputs: ['x', 'w'], outputs: ['y'] }],
        weights: { w: { dims: [1], first: 0, file: 'absent.bin' } },
      }),
    );
    expect(one(external, 'parsed')).toBe('0');
    expect(external.lines.get('log1')?.[0]).toContain('absent.bin');
  });

  it('survives cut models with a changed byte', async () => {
    for (let at = 0; at < classifier.length; at += 97) {
      const path = join(folder, 'fuzz.onnx');
      const bytes = classifier.slice(0, at === 0 ? undefined : at);
      if (at > 0) bytes[(at * 31) % bytes.length]! ^= 0xff;
      await writeFile(path, bytes);
      expect((await drive(['build', path, join(folder, 'fuzz.plan')])).code).toBeGreaterThanOrEqual(
        0,
      );
    }
  });
});

describe('running', () => {
  it.each(['plain', 'graph'])('computes what expected.ts says (%s)', async (mode) => {
    const path = await plan(`run-${mode}`);
    const report = join(folder, `report-${mode}.json`);
    const run = await drive(['run', path, 'rows=3', `mode=${mode}`], {
      cuda: { delayUs: 1000, report },
    });
    expect([run.code, one(run, 'enqueue'), one(run, 'sync')]).toEqual([0, '1', '0']);
    const inputs = inputsOf(3);
    expect(run.lines.get('scores')?.map(Number).map(Math.fround)).toEqual([
      ...expectedOutput(inputs, { shape: [3, 10] }),
    ]);
    expect(run.lines.get('lowest')).toEqual(['-3.125']);
    expect(run.lines.get('highest')).toEqual(['3.125']);
    const left = JSON.parse(await readFile(report, 'utf8'));
    expect(left).toMatchObject({
      deviceBytes: 0,
      pinnedBlocks: 0,
      streams: 0,
      graphs: 0,
      graphExecs: 0,
      contexts: 0,
    });
    expect(left.peakDeviceBytes).toBeGreaterThan(0);
    expect(left.calls.cuGraphLaunch ?? 0).toBe(mode === 'graph' ? 1 : 0);
  });

  it('has numbers that a hand can check', () => {
    // Row [1, -2, 0.5]: -2 + 1 + 1 = 0 → all 0, peak at 0. Row [4, 0, 2]: 0 + 4 + 4 = 8 → peak 512 % 4.
    const data = Float32Array.of(1, -2, 0.5, 4, 0, 2);
    expect([...expectedOutput([{ data, shape: [2, 3] }], { shape: [2, 4] })]).toEqual([
      4, 0, 0, 0, 6, 4, 6, 8,
    ]);
  });

  it('shows a missing synchronisation as wrong data', async () => {
    const run = await drive(['run', await plan('late'), 'rows=2', 'mode=late'], {
      cuda: { delayUs: 300_000 },
    });
    expect(new Set(run.lines.get('scores'))).toEqual(new Set(['0']));
  });

  it('refuses shapes outside the profile, and a capture when told to', async () => {
    const path = await plan('refuse');
    const shape = await drive(['run', path, 'rows=9']);
    expect(one(shape, 'setInputShape')).toBe('refused');
    expect(one(shape, 'enqueue')).toBe('0');
    const capture = await drive(['run', path, 'mode=graph'], { cuda: { noCapture: 1 } });
    expect([one(capture, 'enqueue'), one(capture, 'capture')]).toEqual(['0', '901']);
  });

  it('changes with a refit', async () => {
    const path = await plan('refit', 'refit=1');
    const run = await drive(['run', path, 'rows=1', 'refit=1', 'w=216', 'b=8']);
    expect(run.lines.get('refit')).toEqual(['1']);
    expect(run.lines.get('scores')?.map(Number).map(Math.fround)).toEqual([
      ...expectedOutput(inputsOf(1), { shape: [1, 10], bias: 1 }),
    ]);
    const wrong = await drive(['run', path, 'refit=1', 'w=215', 'b=8']);
    expect(wrong.lines.get('refitted')).toEqual(['0', '1']);
    expect(wrong.lines.get('refit')).toEqual(['0']);
  });

  it('rejects plans of another device, another version, cut and changed ones', async () => {
    const path = await plan('plan');
    const bytes = await readFile(path);
    const refusal = async (content: Uint8Array, options: Parameters<typeof drive>[1] = {}) => {
      const changed = join(folder, 'changed.plan');
      await writeFile(changed, content);
      const run = await drive(['run', changed], options);
      expect(one(run, 'engine')).toBe('null');
      return one(run, 'log1');
    };
    expect(await refusal(bytes, { cuda: { cc: '8.6' } })).toContain(
      'expecting compute 8.6 got compute 9.0',
    );
    expect(await refusal(bytes, { tensorrt: { version: 101501 } })).toContain(
      'Current Version: 101501, Serialized Engine Version: 101600',
    );
    expect(await refusal(bytes.subarray(0, 200))).toContain('Size specified in header');
    expect(await refusal(bytes.subarray(0, 5))).toContain('Magic tag does not match');
    const flipped = Uint8Array.from(bytes);
    flipped[bytes.length >> 1]! ^= 1;
    expect(await refusal(flipped)).toContain('Checksum does not match');
  });

  it('fails where the switches say: allocation, enqueue, a lost device', async () => {
    const path = await plan('failing');
    const memory = await drive(['run', path], { cuda: { fail: 'cuMemAlloc_v2:2' } });
    expect(one(memory, 'context')).toBe('null');
    expect(one(memory, 'log1')).toContain('out of memory');
    const enqueue = await drive(['run', path], { tensorrt: { failEnqueue: 1 } });
    expect(one(enqueue, 'enqueue')).toBe('0');
    const lost = await drive(['run', path], { cuda: { lose: 'cuStreamSynchronize:1:719' } });
    expect(one(lost, 'sync')).toBe('719');
  });
});

describe('other versions', () => {
  it.for([11, 8] as FakeMajor[])(
    'TensorRT %i builds and runs, where its headers are',
    { timeout: 900_000 },
    async (major, context) => {
      const other = await buildFakes(major);
      // The set-up fetches no headers of 8.6: TENSORRT8_INCLUDE_DIR names them.
      if (other === undefined) return context.skip(`no TensorRT ${major} headers`);
      const path = join(folder, `plan-${major}`);
      const built = await drive(['build', model, path], { fakes: other });
      expect(one(built, 'plan')).toMatch(/^\d+$/);
      const run = await drive(['run', path, 'rows=2'], { fakes: other });
      expect(run.lines.get('scores')?.map(Number).map(Math.fround)).toEqual([
        ...expectedOutput(inputsOf(2), { shape: [2, 10] }),
      ]);
    },
  );
});
