import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { failureOf, warningsOf } from '../../lib/engine/failures.js';
import { type BuildOptions, buildEngine, saveEngine } from '../../lib/engine/index.js';
import { TensorRTError } from '../../lib/errors.js';
import {
  createNode,
  TensorProto_DataType as DataType,
  TensorProto_DataLocation,
  TensorProtoSchema,
} from '../../lib/onnx/index.js';
import { chooseLibrary, type NativeOutcome, requireFamily } from '../../lib/runtime/index.js';
import { convModel, DIGITS, DIGITS_PROFILE, modelBytes, quantizedModel } from './models.js';

const folder = mkdtempSync(join(tmpdir(), 'trtn-bad-'));
const models = join(folder, 'models');
afterAll(() => rmSync(folder, { recursive: true }));

function externalModel(location: string): Uint8Array {
  const weights = create(TensorProtoSchema, {
    name: 'w',
    dataType: DataType.FLOAT,
    dims: [16n, 16n, 3n, 3n],
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: [{ key: 'location', value: location }],
  });
  const conv = createNode('Conv', ['x', 'w'], ['y'], { name: 'conv' }, { pads: [1, 1, 1, 1] });
  return modelBytes([conv], [weights]);
}

const unknownOperators = () =>
  modelBytes(
    [
      createNode('Frobnicate', ['x'], ['y'], { name: 'first' }),
      createNode('Defenestrate', ['x'], ['z'], { name: 'second' }),
    ],
    [],
  );

beforeAll(() => {
  mkdirSync(models);
  writeFileSync(join(folder, 'outside.bin'), new Uint8Array(16 * 16 * 9 * 4));
});

const range = (min: number, opt: number, max: number) => ({
  min: [min, 3, 32, 32],
  opt: [opt, 3, 32, 32],
  max: [max, 3, 32, 32],
});
const digits = () => readFileSync(DIGITS);

type Case = [
  name: string,
  model: () => Uint8Array,
  options: BuildOptions,
  code: string,
  words: string[],
];
const CASES: Case[] = [
  ['an empty file', () => new Uint8Array(), {}, 'MODEL_INVALID', ['bad.onnx']],
  ['a text', () => Buffer.from('hello, world\n'), {}, 'MODEL_INVALID', ['bad.onnx']],
  ['a truncated model', () => digits().subarray(0, 30_000), {}, 'MODEL_INVALID', ['bad.onnx']],
  [
    'unknown operators',
    unknownOperators,
    {},
    'MODEL_UNSUPPORTED',
    ['2 nodes', 'Frobnicate "first"', 'Defenestrate "second"', 'no such operator'],
  ],
  [
    'missing external data',
    () => externalModel('weights.bin'),
    {},
    'MODEL_EXTERNAL_DATA',
    ['weights.bin'],
  ],
  [
    'external data outside of the folder',
    () => externalModel('../outside.bin'),
    {},
    'MODEL_EXTERNAL_DATA',
    ['../outside.bin'],
  ],
  [
    'a zero point other than 0',
    () => quantizedModel(3),
    {},
    'MODEL_UNSUPPORTED',
    ['QuantizeLinear "q"', 'zero point'],
  ],
  [
    'a quantized bias',
    () => readFileSync('test/fixtures/ort-calibration/qdq_s8s8_sym_minmax.onnx'),
    { profiles: [DIGITS_PROFILE] },
    'MODEL_UNSUPPORTED',
    ['DequantizeLinear "conv1.bias_DequantizeLinear"', 'Int32'],
  ],
  ['a missing profile', digits, {}, 'PROFILE_INVALID', ['"input"', 'no optimization profile']],
  [
    'a profile without the input',
    digits,
    { profiles: [DIGITS_PROFILE, {}] },
    'PROFILE_INVALID',
    ['Optimization profile 1', '"input"'],
  ],
  [
    'a profile for another name',
    digits,
    { profiles: [{ pixels: range(1, 1, 1) }] },
    'PROFILE_INVALID',
    ['"pixels"', '"input" [-1, 3, 32, 32]'],
  ],
  [
    'MIN > OPT',
    digits,
    { profiles: [{ input: range(4, 2, 8) }] },
    'PROFILE_INVALID',
    ['"input"', 'MIN <= OPT <= MAX', 'dimension 0'],
  ],
  [
    'OPT > MAX',
    digits,
    { profiles: [{ input: range(1, 9, 8) }] },
    'PROFILE_INVALID',
    ['"input"', 'MIN <= OPT <= MAX'],
  ],
  [
    'a wrong rank',
    digits,
    { profiles: [{ input: { min: [1, 3, 32], opt: [1, 3, 32], max: [1, 3, 32] } }] },
    'PROFILE_INVALID',
    ['"input"', 'ranks'],
  ],
  [
    'a fixed dimension of another size',
    digits,
    { profiles: [{ input: { min: [1, 3, 64, 32], opt: [1, 3, 64, 32], max: [1, 3, 64, 32] } }] },
    'PROFILE_INVALID',
    ['"input"', 'dimension 2 is fixed'],
  ],
  [
    'an unsupported compute capability',
    () => convModel(),
    { computeCapabilities: [80, 90] },
    'TARGET_UNSUPPORTED',
    ['capability 90'],
  ],
];

describe('bad input of a build', () => {
  it.each(CASES)('%s is one clear error, and no file', async (_, model, options, code, words) => {
    const path = join(models, 'bad.onnx');
    writeFileSync(path, model());
    const engine = join(folder, 'bad.engine');
    const before = readdirSync(folder).toSorted();
    const attempt = async () =>
      saveEngine(
        await buildEngine(path, { computeCapabilities: [80, 89, 120], ...options }),
        engine,
      );
    const error = await attempt().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TensorRTError);
    const { code: found, message, remedy, detail } = error as TensorRTError;
    expect(found).toBe(code);
    for (const word of words) expect(message).toContain(word);
    expect(message.split('\n')).toHaveLength(1);
    expect(remedy).toMatch(/\.$/);
    expect([...detail, message].join('\n')).not.toContain('catchCudaError');
    expect(readdirSync(folder).toSorted()).toEqual(before);
  });

  it('says that bytes need modelPath when weights lie in files, and takes it', async () => {
    writeFileSync(join(models, 'w.bin'), new Uint8Array(16 * 16 * 9 * 4));
    const bytes = externalModel('w.bin');
    await expect(buildEngine(bytes, { computeCapabilities: [80] })).rejects.toMatchObject({
      code: 'MODEL_EXTERNAL_DATA',
      remedy: expect.stringContaining('modelPath'),
    });
    const modelPath = join(models, 'any-name.onnx');
    const result = await buildEngine(bytes, { computeCapabilities: [80], modelPath });
    expect(result.plan.byteLength).toBeGreaterThan(1000);
  });

  it('names a model that is not there', async () => {
    await expect(buildEngine(join(folder, 'none.onnx'))).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringContaining('none.onnx'),
    });
  });

  it.each<[string, unknown, string]>([
    ['computeCapabilities', [], 'Expected a list such as [80, 89, 120] for computeCapabilities'],
    ['computeCapabilities', [80, 80], 'Expected each value once'],
    ['computeCapabilities', ['80'], 'Expected an integer from 10 to 999'],
    ['profiles', {}, 'Expected an array of optimization profiles'],
    ['profiles', [[]], 'Expected an object of { min, opt, max } by input name for profiles[0]'],
    ['profiles', [{ a: 1 }], 'Expected an object { min, opt, max } for profiles[0]["a"]'],
    ['profiles', [{ a: {} }], 'Expected an array of extents for profiles[0]["a"].min'],
    ['profiles', [{ a: range(-1, 1, 1) }], 'Expected an integer from 0'],
    ['profiles', [{ a: { min: Array(9).fill(1) } }], 'Expected at most 8 dimensions'],
    ['memPoolSize', 5, 'Expected an object of bytes by pool'],
    ['memPoolSize', { workspac: 1 }, 'Expected one of "workspace"'],
    ['builderOptimizationLevel', 6, 'Expected an integer from 0 to 5'],
    ['profilingVerbosity', 'loud', 'Expected one of "none"'],
    ['family', 'tensorrt9', 'Expected one of "auto"'],
    ['modelPath', 7, 'Expected a path for modelPath'],
    ['libraryDir', 7, 'Expected a path for libraryDir'],
    ['timingCacheFile', '', 'Expected a path for timingCacheFile'],
    ['signal', 5, 'Expected an AbortSignal for signal but received 5'],
    ['signal', {}, 'Expected an AbortSignal for signal'],
    ['onProgress', 5, 'Expected a function for onProgress'],
  ])('refuses %s = %j', async (option, value, message) => {
    const error = await buildEngine(convModel(), { [option]: value }).catch((e: unknown) => e);
    expect(error).toSatisfy((e) => e instanceof TypeError || e instanceof RangeError);
    expect((error as Error).message).toContain(message);
  });

  it('refuses a model of another type', async () => {
    await expect(buildEngine(5 as unknown as string)).rejects.toThrow(
      'Expected a path or a Uint8Array for model',
    );
    await expect(buildEngine(convModel(), null as never)).rejects.toThrow(
      'Expected an object for options but received null',
    );
  });

  it('says where it looked for a family that is not there', async () => {
    const options = { family: 'tensorrt10', libraryDir: join(folder, 'none') } as const;
    await expect(buildEngine(convModel(), options)).rejects.toMatchObject({
      code: 'LIBRARY_NOT_FOUND',
      message: expect.stringContaining('none'),
    });
  });
});

describe('the words of the native layer', () => {
  // lib/onnx refuses these first; the native layer must not depend on that.
  it.each<[string, Uint8Array, string]>([
    ['an empty file', new Uint8Array(), 'MODEL_INVALID'],
    ['a text', Buffer.from('hello, world\n'), 'MODEL_INVALID'],
    ['a truncated model', digits().subarray(0, 30_000), 'MODEL_INVALID'],
    ['missing external data', externalModel('weights.bin'), 'MODEL_EXTERNAL_DATA'],
    ['external data outside', externalModel('../outside.bin'), 'MODEL_EXTERNAL_DATA'],
  ])('make the same error of %s', async (_, bytes, code) => {
    const library = await chooseLibrary({ family: 'tensorrt_rtx' });
    const modelPath = join(models, 'native.onnx');
    writeFileSync(modelPath, bytes);
    const binding = requireFamily('tensorrt_rtx');
    for (const model of [{ modelPath }, { modelPath, modelBytes: bytes }]) {
      const outcome = await binding.describe({ ...library, ...model }).promise;
      expect(failureOf('the model', outcome)?.code).toBe(code);
      expect(failureOf('the model', outcome)?.message).toContain('the model');
    }
  });

  it('explain INT64 warnings once, and keep others', () => {
    const warning = (text: string) => ({ severity: 'warning' as const, text });
    const int64 =
      'Your ONNX model has been generated with INT64 weights, while TensorRT does not natively support INT64. Attempting to cast down to INT32.';
    const warnings = warningsOf([
      warning(int64),
      warning(`onnx2trt_utils.cpp:374: ${int64}`),
      warning('something else'),
      warning('something else'),
      { severity: 'error', text: 'not a warning' },
    ]);
    expect(warnings).toEqual([
      { text: int64, explanation: expect.stringContaining('Harmless') },
      { text: 'something else' },
    ]);
  });

  it('become BUILD_FAILED when the code is none of ours, and count nodes beyond five', () => {
    const outcome = (failure: NativeOutcome['failure']): NativeOutcome => ({
      failure: failure!,
      parserErrors: Array.from({ length: 7 }, (_, i) => ({
        code: 8,
        codeName: 'UNSUPPORTED_NODE',
        node: i,
        nodeName: '',
        operator: '',
        description: `Invalid Node - n${i}\nreason ${i}`,
      })),
      network: { name: '', inputs: [], outputs: [], layers: [] },
      layerReport: '',
      log: [{ severity: 'error', text: 'words' }],
      libraryVersion: 0,
      elapsedMs: 0,
    });
    const failed = failureOf('m', outcome({ code: 'toString', message: 'why', remedy: '' }));
    expect(failed).toMatchObject({ code: 'BUILD_FAILED', message: 'why', detail: ['words'] });
    const parse = failureOf('m', outcome({ code: 'PARSE', message: '', remedy: '' }));
    expect(parse?.message).toContain('7 nodes of m: node 0: reason 0; node 1: reason 1');
    expect(parse?.message).toContain('node 4: reason 4; and 2 more');
  });
});
