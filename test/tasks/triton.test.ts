import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildEngine, type EngineManifest, saveEngine } from '../../lib/engine/index.js';
import { type ExportTritonOptions, exportTriton } from '../../lib/tasks/index.js';
import { protobufText } from '../../lib/tasks/pbtxt.js';
import { cli, cliJson } from '../cli/command-line.js';
import { compileLib, runModule } from '../engine/compiled-lib.js';
import { DIGITS, DIGITS_PROFILE } from '../engine/models.js';
import { buildFakes, fakeEnvironment } from '../fakes/build.js';

const root = mkdtempSync(join(tmpdir(), 'trtn-triton-'));
afterAll(() => rmSync(root, { recursive: true }));
const at = (name: string) => join(root, name);
const LABELS = 'examples/digits/classes.json';

// biome-ignore lint/suspicious/noExplicitAny: protobuf's JSON of any message.
type Message = any;
let parse: (files: readonly string[]) => { configs?: Message[]; problem?: string };
beforeAll(async () => {
  const script = new URL('../../scripts/triton-schema.mjs', import.meta.url).href;
  parse = (await import(script)).parseTritonConfigs;
  // Makes the Python environment, which takes a while.
  const { problem } = parse([]);
  if (problem !== undefined) throw new Error(problem);
}, 600_000);

/** A configuration as Triton's own schema reads it. */
function read(folder: string): Message {
  const { configs, problem } = parse([join(folder, 'config.pbtxt')]);
  if (problem !== undefined) throw new Error(problem);
  return configs![0];
}

const PLAN = Buffer.concat([Buffer.from('ftrt'), Buffer.alloc(60, 7)]);

/** A plan that begins like one, with a manifest: no more is needed without a GPU. */
function engine(name: string, parts: Partial<EngineManifest>): string {
  const path = at(name);
  writeFileSync(path, PLAN);
  const manifest: EngineManifest = {
    format: 'tensorrt-node-engine',
    version: 1,
    plan: {
      file: name,
      bytes: PLAN.length,
      sha256: createHash('sha256').update(PLAN).digest('hex'),
    },
    library: { family: 'tensorrt8', version: '8.6.1' },
    model: { sha256: '00' },
    inputs: [],
    outputs: [],
    profiles: [],
    layerTypes: {},
    buildMs: 1,
    created: '2026-01-01T00:00:00Z',
    ...parts,
  };
  writeFileSync(`${path}.json`, JSON.stringify(manifest));
  return path;
}

const range = (min: number[], opt: number[], max: number[]) => ({ min, opt, max });
const CLASSIFIER: Partial<EngineManifest> = {
  inputs: [{ name: 'input', type: 'float32', shape: [-1, 3, -1, -1] }],
  outputs: [
    { name: 'features', type: 'float16', shape: [-1, 64] },
    { name: 'scores', type: 'float32', shape: [-1, 10] },
  ],
  profiles: [{ input: range([1, 3, 32, 32], [8, 3, 64, 96], [32, 3, 128, 128]) }],
};

const repository = at('models');
const write = (path: string, options: Partial<ExportTritonOptions> = {}) =>
  exportTriton(path, { repository, ...options });

describe('a Triton model repository', () => {
  it('of an engine that was built here is what Triton’s schema says', async () => {
    const built = await buildEngine(DIGITS, {
      computeCapabilities: [80],
      profiles: [DIGITS_PROFILE],
    });
    await saveEngine(built, at('digits.engine'));
    const result = await write(at('digits.engine'), { labels: LABELS });
    expect(result).toMatchObject({
      folder: join(repository, 'digits'),
      name: 'digits',
      maxBatchSize: 8,
      files: ['1/model.plan', 'labels.txt', 'config.pbtxt'].map((name) =>
        join(repository, 'digits', name),
      ),
      warnings: [expect.stringContaining('an engine of TensorRT-RTX')],
    });
    expect(readFileSync(result.files[0]!).equals(built.plan)).toBe(true);
    expect(readFileSync(result.files[1]!, 'utf8')).toBe('0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n');
    expect(readFileSync(result.files[2]!, 'utf8')).toBe(result.config);
    expect(read(result.folder)).toEqual({
      name: 'digits',
      platform: 'tensorrt_plan',
      default_model_filename: 'model.plan',
      max_batch_size: 8,
      input: [{ name: 'input', data_type: 'TYPE_FP32', dims: ['3', '32', '32'] }],
      output: [
        { name: 'output', data_type: 'TYPE_FP32', dims: ['10'], label_filename: 'labels.txt' },
      ],
      instance_group: [{ count: 1, kind: 'KIND_GPU' }],
      dynamic_batching: {},
      optimization: { cuda: { graphs: true } },
      model_warmup: [
        {
          name: 'opt_0',
          batch_size: 4,
          inputs: {
            input: { data_type: 'TYPE_FP32', dims: ['3', '32', '32'], random_data: true },
          },
        },
      ],
    });
  });

  it('takes every option, and finds the output that the labels belong to', async () => {
    const { folder, notes, files } = await write(engine('every.engine', CLASSIFIER), {
      name: 'other-name',
      modelVersion: 7,
      maxBatchSize: 16,
      labels: Array.from({ length: 10 }, (_, i) => `label "${i}"`),
      instanceCount: 2,
      gpus: [0, 1],
      preferredBatchSizes: [8, 16],
      maxQueueDelayUs: 250,
    });
    expect(files[0]).toBe(join(repository, 'other-name', '7', 'model.plan'));
    expect(notes).toEqual([
      'max_batch_size is 16: dims leave out the first extent, the batch',
      'The server needs TensorRT 8.6.1, which built the engine',
    ]);
    expect(read(folder)).toMatchObject({
      name: 'other-name',
      max_batch_size: 16,
      input: [{ dims: ['3', '-1', '-1'] }],
      output: [
        { name: 'features', data_type: 'TYPE_FP16', dims: ['64'] },
        { name: 'scores', dims: ['10'], label_filename: 'labels.txt' },
      ],
      instance_group: [{ count: 2, kind: 'KIND_GPU', gpus: [0, 1] }],
      dynamic_batching: { preferred_batch_size: [8, 16], max_queue_delay_microseconds: '250' },
      model_warmup: [{ batch_size: 8, inputs: { input: { dims: ['3', '64', '96'] } } }],
    });
    expect(read(folder).output[0]).not.toHaveProperty('label_filename');
    expect(readFileSync(join(folder, 'labels.txt'), 'utf8').split('\n')[3]).toBe('label "3"');
  });

  it('makes no batches where a first extent is fixed, and says so', async () => {
    const fixed = engine('fixed.engine', {
      inputs: [{ name: 'input', type: 'uint8', shape: [1, 288, 416, 3] }],
      outputs: [{ name: 'scores', type: 'float32', shape: [1, 19] }],
    });
    const { folder, notes, maxBatchSize } = await write(fixed);
    expect(maxBatchSize).toBe(0);
    expect(notes[0]).toMatch(
      /^max_batch_size is 0: the first extent of an input or output is fixed/,
    );
    const config = read(folder);
    expect(config).toMatchObject({
      input: [{ data_type: 'TYPE_UINT8', dims: ['1', '288', '416', '3'] }],
      output: [{ dims: ['1', '19'] }],
      model_warmup: [{ batch_size: 1, inputs: { input: { zero_data: true } } }],
    });
    expect(config).not.toHaveProperty('dynamic_batching');
    expect(config).not.toHaveProperty('max_batch_size');
    await expect(write(fixed, { maxBatchSize: 4 })).rejects.toThrow(
      'Expected 0, because the first extent of an input or output is fixed, for maxBatchSize',
    );
    await expect(write(fixed, { maxQueueDelayUs: 10 })).rejects.toThrow(RangeError);
    const labels = Array.from({ length: 19 }, (_, i) => `${i}`);
    expect(read((await write(fixed, { labels })).folder).output[0].label_filename).toBe(
      'labels.txt',
    );
  });

  it('gives Triton all profiles, numbers alone, and every element type', async () => {
    const types = ['float32', 'float16', 'bfloat16', 'int8', 'uint8', 'int32', 'int64', 'bool'];
    const path = engine('types.engine', {
      inputs: types.map((type) => ({ name: type, type, shape: [-1] })),
      outputs: [{ name: 'y', type: 'float32', shape: [-1, 2] }],
      profiles: [1, 8].map((batch) =>
        Object.fromEntries(types.map((type) => [type, range([batch], [batch], [batch * 4])])),
      ),
    });
    const { folder } = await write(path);
    const config = read(folder);
    expect(config.max_batch_size).toBe(32);
    expect(config.input.map(({ data_type }: Message) => data_type)).toEqual([
      'TYPE_FP32',
      'TYPE_FP16',
      'TYPE_BF16',
      'TYPE_INT8',
      'TYPE_UINT8',
      'TYPE_INT32',
      'TYPE_INT64',
      'TYPE_BOOL',
    ]);
    // A batch of numbers: one for each request, which the engine sees without an extent of its own.
    expect(config.input[0]).toMatchObject({ dims: ['1'], reshape: {} });
    expect(config.instance_group).toEqual([{ count: 1, kind: 'KIND_GPU', profile: ['0', '1'] }]);
    expect(config.model_warmup.map(({ batch_size }: Message) => batch_size)).toEqual([1, 8]);
    const odd = engine('odd.engine', {
      inputs: [{ name: 'x', type: 'fp8', shape: [1] }],
      outputs: [],
    });
    await expect(write(odd)).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message: 'Triton has no element type for "x", which is fp8',
    });
  });

  it('warns of batches that no profile takes, and refuses those that none can', async () => {
    const path = engine('large.engine', {
      ...CLASSIFIER,
      profiles: [{ input: range([4, 3, 8, 8], [4, 3, 8, 8], [8, 3, 8, 8]) }],
    });
    expect((await write(path)).notes).toContain(
      'Requests of fewer than 4 rows fail: no profile of the engine takes them',
    );
    for (const maxBatchSize of [2, 9]) {
      await expect(write(path, { maxBatchSize })).rejects.toThrow(
        `Expected a batch that the engine takes, 4 to 8, for maxBatchSize but received ${maxBatchSize}`,
      );
    }
    await expect(write(path, { preferredBatchSizes: [16] })).rejects.toThrow(
      'an integer from 1 to 8 for preferredBatchSizes',
    );
    const none = read((await write(path, { maxBatchSize: 0 })).folder);
    expect(none.input[0].dims).toEqual(['-1', '3', '-1', '-1']);
    const untold = engine('untold.engine', { ...CLASSIFIER, profiles: [] });
    await expect(write(untold)).rejects.toThrow('a number, because the engine tells none,');
    expect((await write(untold, { maxBatchSize: 3 })).maxBatchSize).toBe(3);
  });

  it('writes nothing when something is wrong', async () => {
    const path = engine('wrong.engine', CLASSIFIER);
    const wrong: [Partial<ExportTritonOptions>, unknown][] = [
      [{ labels: ['a', 'b'] }, { code: 'LABELS_INVALID' }],
      [{ labels: Array.from({ length: 10 }, (_, i) => `${i}\n`) }, { code: 'LABELS_INVALID' }],
      [{ name: '../up' }, expect.any(RangeError)],
      [{ name: '.hidden' }, expect.any(RangeError)],
      [{ modelVersion: 0 }, expect.any(RangeError)],
      [{ instanceCount: 0 }, expect.any(RangeError)],
      [{ gpus: [-1] }, expect.any(RangeError)],
      [{ repository: '' }, expect.any(TypeError)],
      [{ signal: AbortSignal.abort('stop') }, 'stop'],
      [{ repository: path }, { code: 'WRITE_FAILED' }],
    ];
    for (const [options, error] of wrong) {
      const promise = write(path, { name: 'wrong', ...options });
      if (typeof error === 'string') await expect(promise).rejects.toBe(error);
      else if (error instanceof Object && 'code' in error) {
        await expect(promise).rejects.toMatchObject(error);
      } else await expect(promise).rejects.toEqual(error);
    }
    expect(readdirSync(repository)).not.toContain('wrong');
    await expect(write(at('none.engine'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    writeFileSync(at('wrong.engine'), Buffer.concat([PLAN, PLAN]));
    await expect(write(path)).rejects.toMatchObject({ code: 'ENGINE_INVALID' });
  });

  it('uses labels that lie beside the engine when they fit', async () => {
    mkdirSync(at('beside'));
    const path = engine('beside/a.engine', CLASSIFIER);
    const classes = Array.from({ length: 10 }, (_, i) => `c${i}`);
    writeFileSync(at('beside/classes.json'), JSON.stringify({ classes }));
    expect((await write(path, { name: 'found' })).labelsFile).toBe(at('beside/classes.json'));
    writeFileSync(at('beside/classes.json'), JSON.stringify({ classes: ['few'] }));
    const other = await write(path, { name: 'misfit' });
    expect(other.labelsFile).toBeUndefined();
    expect(other.files).toHaveLength(2);
  });
});

describe('an engine without a manifest', () => {
  it('is not guessed at without a GPU', async () => {
    writeFileSync(at('bare.engine'), PLAN);
    await expect(write(at('bare.engine'))).rejects.toMatchObject({
      message: expect.stringContaining('bare.engine has no manifest, and cannot be asked'),
      remedy: expect.stringContaining('bare.engine.json'),
    });
  });

  it('is asked where there is one', async () => {
    const fakes = await buildFakes();
    const lib = compileLib();
    const child = await runModule(
      lib,
      `import { writeFile } from 'node:fs/promises';
      import { buildEngine } from './dist/engine/index.js';
      import { exportTriton } from './dist/tasks/index.js';
      const profiles = ${JSON.stringify([DIGITS_PROFILE])};
      const { plan } = await buildEngine(${JSON.stringify(resolve(DIGITS))}, { profiles });
      await writeFile(${JSON.stringify(at('asked.engine'))}, plan);
      const { folder } = await exportTriton(${JSON.stringify(at('asked.engine'))}, {
        repository: ${JSON.stringify(repository)},
      });
      console.log(folder);`,
      { env: fakeEnvironment(fakes) },
    );
    rmSync(lib, { recursive: true });
    expect(child).toMatchObject({ status: 0, stderr: '' });
    expect(read(child.stdout.trim())).toMatchObject({
      name: 'asked',
      max_batch_size: 8,
      input: [{ name: 'input', data_type: 'TYPE_FP32', dims: ['3', '32', '32'] }],
      output: [{ name: 'output', dims: ['10'] }],
      model_warmup: [{ batch_size: 4 }],
    });
  });
});

describe('export triton', () => {
  it('writes what its flags say', async () => {
    const path = engine('cli.engine', CLASSIFIER);
    const args = ['export', 'triton', path, '--repository', at('cli'), '--name', 'served'];
    const more = ['--max-batch-size', '16', '--instance-count', '2', '--gpus', '0,3'];
    const batch = ['--preferred-batch-sizes', '4,8', '--max-queue-delay', '100'];
    const { status, document } = await cliJson([
      ...args,
      ...more,
      ...batch,
      ...['--model-version', '3', '--labels', LABELS],
    ]);
    expect(status).toBe(0);
    expect(document).toMatchObject({ name: 'served', maxBatchSize: 16 });
    expect(read(document.folder)).toMatchObject({
      instance_group: [{ count: 2, gpus: [0, 3] }],
      dynamic_batching: { preferred_batch_size: [4, 8], max_queue_delay_microseconds: '100' },
      output: [{}, { label_filename: 'labels.txt' }],
    });
    expect(readdirSync(join(document.folder, '3'))).toEqual(['model.plan']);
    const text = await cli(args);
    expect(text.stdout).toContain('max_batch_size is 32: dims leave out the first extent');
    const wrong = await cli([...args, '--gpus', 'all']);
    expect(wrong).toMatchObject({ status: 2 });
    expect(wrong.stderr).toContain('Expected numbers of GPUs such as 0,1 for --gpus');
    const large = await cli([...args, '--max-batch-size', '64']);
    expect(large).toMatchObject({ status: 2 });
    expect(large.stderr).toContain('1 to 32, for --max-batch-size but received 64');
  });
});

describe('protobuf text', () => {
  it('escapes what would end a string', () => {
    expect(
      protobufText({ a: 'x"\\\n\u0001é', b: { enumerator: 'E' }, c: [], d: {}, e: ['s', 't'] }),
    ).toBe('a: "x\\"\\\\\\n\\001é"\nb: E\nc: []\nd {}\ne: ["s", "t"]\n');
  });

  it('that is no configuration does not pass the check', () => {
    mkdirSync(at('bad'));
    writeFileSync(at('bad/config.pbtxt'), 'name: "x"\nmax_batch: 3\n');
    expect(parse([at('bad/config.pbtxt')]).problem).toContain('max_batch');
  });
});
