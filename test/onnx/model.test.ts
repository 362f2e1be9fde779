import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TensorRTError } from '../../lib/errors.js';
import {
  describeModel,
  encodeModel,
  graphOf,
  loadModel,
  MAX_MESSAGE_BYTES,
  ModelProtoSchema,
  modelDigest,
} from '../../lib/onnx/index.js';

const DIGITS = 'examples/digits/model.onnx';
const FIXTURES = 'test/fixtures/ort-calibration';
const bytes = readFileSync(DIGITS);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'onnx-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('loadModel', () => {
  it('reads the digits model from its path', async () => {
    const model = await loadModel(DIGITS);
    expect(model.path).toBe(DIGITS);
    expect(model.folder).toBe('examples/digits');
    expect(graphOf(model).node).toHaveLength(20);
    expect(model.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('reads a model from bytes, whatever their alignment', async () => {
    const shifted = new Uint8Array(bytes.byteLength + 1);
    shifted.set(bytes, 1);
    const model = await loadModel(shifted.subarray(1));
    expect(model.path).toBeUndefined();
    expect(model.sha256).toBe((await loadModel(DIGITS)).sha256);
  });

  it.each([
    DIGITS,
    `${FIXTURES}/model_bn.onnx`,
    `${FIXTURES}/qdq_s8s8_sym_minmax.onnx`,
    `${FIXTURES}/qdq_u8s8_asym_minmax.onnx`,
  ])('writes %s back byte for byte', async (path) => {
    expect(Buffer.compare(encodeModel(await loadModel(path)), readFileSync(path))).toBe(0);
  });

  it('keeps fields that this schema does not know', async () => {
    // ModelProto.training_info (20) and a field number that nobody has used yet (900).
    const extra = Buffer.from([0xa2, 0x01, 0x02, 0x12, 0x00, 0xa0, 0x38, 0x2a]);
    const model = await loadModel(Buffer.concat([bytes, extra]));
    const written = Buffer.from(encodeModel(model));
    expect(written.includes(extra.subarray(0, 5))).toBe(true);
    expect(written.includes(extra.subarray(5))).toBe(true);
  });

  it('tells absent from zero', async () => {
    const original = (await loadModel(DIGITS)).proto;
    original.modelVersion = 0n;
    const again = await loadModel(encodeModel(original));
    expect(Object.hasOwn(again.proto, 'modelVersion')).toBe(true);
    expect(Object.hasOwn((await loadModel(DIGITS)).proto, 'modelVersion')).toBe(false);
  });

  it.each([
    ['an empty file', Buffer.alloc(0), 'it has no graph'],
    ['text', Buffer.from('this is no model\n'.repeat(20)), 'do not decode'],
    ['a truncated model', bytes.subarray(0, bytes.length >> 1), 'do not decode'],
    ['a model cut in its header', bytes.subarray(0, 10), 'is not a valid ONNX model'],
    ['a Python pickle', Buffer.from('80049509000000000000007d948c0161944b01732e', 'hex'), 'not'],
  ])('refuses %s', async (_name, content, words) => {
    const path = join(folder, 'bad.onnx');
    await writeFile(path, content);
    const error = await loadModel(path).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(TensorRTError);
    expect((error as TensorRTError).code).toBe('MODEL_INVALID');
    expect((error as TensorRTError).message).toContain(words);
    expect((error as TensorRTError).message).toContain(path);
  });

  it('gives a model or MODEL_INVALID for any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (content) => {
        const result = await loadModel(content).catch((e: unknown) => e);
        if (result instanceof Error) expect((result as TensorRTError).code).toBe('MODEL_INVALID');
      }),
      { numRuns: 300, seed: 7 },
    );
  });

  it('survives damage anywhere in a real model', async () => {
    for (let round = 0; round < 300; round += 1) {
      const damaged = Buffer.from(bytes);
      for (let k = 0; k < 8; k += 1) {
        damaged[(round * 2654435761 + k * 40503) % damaged.length]! ^= 1 << ((round + k) % 8);
      }
      const result = await loadModel(damaged).catch((e: unknown) => e);
      if (result instanceof Error) expect(result).toBeInstanceOf(TensorRTError);
    }
  });

  it.each([
    ['no IR version', (m: Edit) => Reflect.deleteProperty(m, 'irVersion'), 'IR version'],
    ['no operator set', (m: Edit) => (m.opsetImport = []), 'no operator set'],
    ['no nodes', (m: Edit) => (m.graph!.node = []), 'no nodes'],
    ['no outputs', (m: Edit) => (m.graph!.output = []), 'no outputs'],
    ['no inputs', (m: Edit) => (m.graph!.input = []), 'no inputs'],
    ['a nameless input', (m: Edit) => (m.graph!.input[0]!.name = ''), 'no name'],
    ['a nameless operator', (m: Edit) => (m.graph!.node[3]!.opType = ''), 'no operator type'],
    ['an unknown input', (m: Edit) => (m.graph!.node[3]!.input[0] = 'nowhere'), '"nowhere"'],
    ['an unknown output', (m: Edit) => (m.graph!.output[0]!.name = 'nowhere'), '"nowhere"'],
    ['two producers', (m: Edit) => (m.graph!.node[1]!.output = ['/conv1/Conv_output_0']), 'twice'],
  ])('refuses a model with %s', async (_name, edit, words) => {
    const { proto } = await loadModel(DIGITS);
    edit(proto);
    await expect(loadModel(toBinary(ModelProtoSchema, proto))).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringContaining(words),
    });
  });

  it('says which file is not there, and that a folder is no model', async () => {
    await expect(loadModel(join(folder, 'none.onnx'))).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringContaining('none.onnx'),
    });
    await expect(loadModel(folder)).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringContaining('folder'),
    });
    await expect(modelDigest(join(folder, 'none.onnx'))).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
    });
  });

  it('refuses what is neither a path nor bytes', async () => {
    await expect(loadModel(7 as never)).rejects.toThrow(
      'Expected a path or a Uint8Array for source but received 7 of type number',
    );
  });

  it('refuses a file over 2 GiB without reading it', async () => {
    const path = join(folder, 'big.onnx');
    const handle = await open(path, 'w');
    await handle.truncate(MAX_MESSAGE_BYTES + 1);
    await handle.close();
    await expect(loadModel(path)).rejects.toMatchObject({
      code: 'MODEL_TOO_LARGE',
      remedy: expect.stringContaining('external data'),
    });
  });
});

type Edit = Awaited<ReturnType<typeof loadModel>>['proto'];

describe('encodeModel', () => {
  it('refuses more weights than a message holds', async () => {
    const model = await loadModel(DIGITS);
    // Never touched, so never in memory.
    const huge = new Uint8Array(2 ** 31);
    graphOf(model).initializer[0]!.rawData = huge;
    expect(() => encodeModel(model)).toThrow(TensorRTError);
  });

  it('refuses a model without a graph where one is needed', () => {
    const proto = create(ModelProtoSchema, {});
    expect(() => graphOf({ proto, sha256: '' })).toThrow('no graph');
  });
});

describe('describeModel', () => {
  it('tells what inspect shows', async () => {
    expect(describeModel(await loadModel(DIGITS))).toEqual({
      sha256: await modelDigest(bytes),
      irVersion: 8,
      producer: expect.any(String),
      opsets: { 'ai.onnx': 17 },
      inputs: [{ name: 'input', type: 'float32', shape: ['batch', 3, 32, 32] }],
      outputs: [{ name: 'output', type: 'float32', shape: ['batch', 10] }],
      operators: {
        Conv: 7,
        Relu: 5,
        Add: 2,
        AveragePool: 2,
        Flatten: 1,
        Gemm: 1,
        GlobalAveragePool: 1,
        MaxPool: 1,
      },
      parameters: 18618,
      externalData: false,
      quantized: false,
    });
  });

  it('knows a quantized model', async () => {
    const model = await loadModel(`${FIXTURES}/qdq_s8s8_sym_minmax.onnx`);
    expect(describeModel(model).quantized).toBe(true);
  });
});
