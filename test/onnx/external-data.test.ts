import { readFileSync } from 'node:fs';
import {
  mkdir,
  mkdtemp,
  readdir,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  encodeModel,
  graphOf,
  isExternal,
  loadModel,
  type OnnxModel,
  readFloats,
  StringStringEntryProtoSchema,
  saveModel,
  tensorBytes,
} from '../../lib/onnx/index.js';

const DIGITS = 'examples/digits/model.onnx';
const WEIGHT = 'layer2.0.conv1.weight';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'external-'));
  path = join(folder, 'model.onnx');
  await saveModel(await loadModel(DIGITS), path, { externalData: 'always' });
});
afterEach(() => rm(folder, { recursive: true }));

const weight = (model: OnnxModel) =>
  graphOf(model).initializer.find(({ name }) => name === WEIGHT)!;

async function change(key: string, value: string): Promise<void> {
  const model = await loadModel(path, { externalData: false });
  const entries = weight(model).externalData.filter((entry) => entry.key !== key);
  weight(model).externalData = [...entries, create(StringStringEntryProtoSchema, { key, value })];
  await writeFile(path, encodeModel(model));
}

describe('external data', () => {
  it('is written beside the model and read back', async () => {
    expect((await readdir(folder)).sort()).toEqual(['model.onnx', 'model.onnx.data']);
    const [lazy, loaded, original] = await Promise.all([
      loadModel(path, { externalData: false }),
      loadModel(path),
      loadModel(DIGITS),
    ]);
    expect(isExternal(weight(lazy))).toBe(true);
    expect(isExternal(weight(loaded))).toBe(false);
    expect(weight(lazy).externalData.map(({ key }) => key)).toEqual([
      'location',
      'offset',
      'length',
    ]);
    const expected = readFloats(weight(original));
    expect(readFloats(weight(lazy), folder)).toEqual(expected);
    expect(readFloats(weight(loaded))).toEqual(expected);
    expect(tensorBytes(weight(lazy), folder).byteLength).toBe(32 * 16 * 9 * 4);
    // Small tensors stay inside.
    expect(isExternal(graphOf(lazy).initializer.find(({ name }) => name === 'conv1.bias')!)).toBe(
      false,
    );
    // Loaded, the model is what it was.
    expect(Buffer.compare(encodeModel(loaded), readFileSync(DIGITS))).toBe(0);
  });

  it('opens in ONNX Runtime with the same result', async () => {
    const input = new Tensor('float32', new Float32Array(3 * 32 * 32).fill(0.5), [1, 3, 32, 32]);
    const results: unknown[] = [];
    for (const file of [DIGITS, path]) {
      const session = await InferenceSession.create(file);
      results.push((await session.run({ input })).output!.data);
      await session.release();
    }
    expect(results[1]).toEqual(results[0]);
  });

  it('is put inside again on request, and read from its old place for a new file', async () => {
    const lazy = await loadModel(path, { externalData: false });
    const inside = join(folder, 'sub', 'inside.onnx');
    await saveModel(lazy, inside, { externalData: 'never' });
    expect(Buffer.compare(readFileSync(inside), readFileSync(DIGITS))).toBe(0);
    const moved = join(folder, 'other', 'moved.onnx');
    await saveModel(lazy, moved, { externalData: 'always' });
    expect(encodeModel(await loadModel(moved))).toEqual(encodeModel(await loadModel(DIGITS)));
    const kept = join(folder, 'kept.onnx');
    await saveModel(lazy, kept, { externalData: 'keep' });
    expect(encodeModel(await loadModel(kept))).toEqual(encodeModel(await loadModel(DIGITS)));
    expect(isExternal(weight(lazy))).toBe(true);
  });

  it('needs the folder when the model comes as bytes', async () => {
    const bytes = readFileSync(path);
    expect(weight(await loadModel(bytes, { folder })).rawData.byteLength).toBe(18432);
    await expect(loadModel(bytes)).rejects.toMatchObject({
      code: 'MODEL_EXTERNAL_DATA',
      message: expect.stringContaining('given as bytes'),
    });
    const lazy = await loadModel(bytes, { externalData: false });
    expect(() => readFloats(weight(lazy))).toThrow('given as bytes');
  });

  it.each([true, false])(
    'names tensor and path when the file is missing (load: %s)',
    async (load) => {
      await rename(`${path}.data`, join(folder, 'elsewhere'));
      await expect(loadModel(path, { externalData: load })).rejects.toMatchObject({
        code: 'MODEL_EXTERNAL_DATA',
        message: expect.stringMatching(/tensor ".*\.weight": cannot read .*model\.onnx\.data/),
      });
    },
  );

  it.each([
    ['../model.onnx.data', 'leads out of the folder'],
    ['sub/../../model.onnx.data', 'leads out of the folder'],
    ['sub\\..\\..\\secret', 'leads out of the folder'],
    ['/etc/hostname', 'absolute path'],
    ['C:\\data', 'absolute path'],
    ['', 'names no file'],
    ['.', 'not a file'],
  ])('refuses the location %j', async (location, words) => {
    // The check comes before the file is looked for.
    await expect(change('location', location).then(() => loadModel(path))).rejects.toMatchObject({
      code: 'MODEL_EXTERNAL_DATA',
      message: expect.stringContaining(words),
    });
  });

  it('refuses a link that leaves the folder, and follows one that does not', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'outside-'));
    await rename(`${path}.data`, join(outside, 'weights'));
    await symlink(join(outside, 'weights'), `${path}.data`);
    await expect(loadModel(path)).rejects.toMatchObject({
      code: 'MODEL_EXTERNAL_DATA',
      message: expect.stringContaining('link that leads out'),
    });
    await rm(`${path}.data`);
    await mkdir(join(folder, 'blobs'));
    await rename(join(outside, 'weights'), join(folder, 'blobs', 'weights'));
    await symlink('blobs/weights', `${path}.data`);
    expect(weight(await loadModel(path)).rawData.byteLength).toBe(18432);
    await rm(outside, { recursive: true });
  });

  it.each([
    ['offset', '-4', 'not a whole number'],
    ['offset', '1e3', 'not a whole number'],
    ['offset', '999999999', 'are asked for'],
    ['length', '18431', '18431 bytes, but its type and dims need 18432'],
  ])('refuses %s %s', async (key, value, words) => {
    await change(key, value);
    await expect(loadModel(path)).rejects.toMatchObject({
      code: 'MODEL_EXTERNAL_DATA',
      message: expect.stringContaining(words),
    });
  });

  it('notices a data file that was cut short', async () => {
    await truncate(`${path}.data`, 20000);
    await expect(loadModel(path)).rejects.toMatchObject({
      code: 'MODEL_EXTERNAL_DATA',
      remedy: expect.stringContaining('cut short'),
    });
  });

  it('leaves nothing behind when it cannot write', async () => {
    const model = await loadModel(DIGITS);
    const blocked = join(folder, 'blocked.onnx');
    await mkdir(join(blocked, 'full'), { recursive: true });
    for (const externalData of ['always', 'never'] as const) {
      await expect(saveModel(model, blocked, { externalData })).rejects.toMatchObject({
        code: 'WRITE_FAILED',
      });
    }
    const left = (await readdir(folder)).sort();
    expect(left).toEqual(['blocked.onnx', 'model.onnx', 'model.onnx.data']);
  });
});
