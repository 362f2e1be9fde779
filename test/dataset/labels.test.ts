import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findLabels, findModel, folderLabel, readLabels } from '../../lib/dataset/index.js';

const digits = fileURLToPath(new URL('../../examples/digits', import.meta.url));
let base: string;
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'labels-'));
});
afterAll(async () => {
  await rm(base, { recursive: true, force: true });
});

async function file(name: string, text = ''): Promise<string> {
  const path = join(base, name);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, text);
  return path;
}

describe('readLabels', () => {
  it('reads an object, a list and lines', async () => {
    expect((await readLabels(join(digits, 'classes.json'))).classes).toEqual([...'0123456789']);
    const list = await file('list.json', '["cat", "dog"]');
    expect(await readLabels(list)).toEqual({ classes: ['cat', 'dog'], file: list });
    const lines = await file('lines.txt', '\uFEFFcat\r\n dog \r\n\r\n');
    expect((await readLabels(lines)).classes).toEqual(['cat', 'dog']);
  });

  it.each([
    ['{"classes": ["a", "b", "a"]}', '"a" stands twice, as class 0 and 2'],
    ['{"classes": ["a", 1]}', 'class 1 is 1, not a string'],
    ['{"classes": ["a", " "]}', 'class 1 has an empty name'],
    ['{"classes": []}', 'no classes'],
    ['{"classes": "a"}', 'not a list'],
    ['{"names": ["a"]}', 'neither a list nor an object'],
    ['{"classes": ["a"', 'not valid JSON'],
    ['"a"', 'neither a list nor an object'],
    ['', 'not valid JSON'],
  ])('refuses %s', async (text, message) => {
    const path = await file('bad.json', text);
    await expect(readLabels(path)).rejects.toMatchObject({
      code: 'LABELS_INVALID',
      message: expect.stringContaining(message),
    });
  });

  it('refuses a blank line in between, and allows repeated names when asked', async () => {
    const gap = await file('gap.txt', 'a\n\nb\n');
    await expect(readLabels(gap)).rejects.toThrow('class 1 has an empty name');
    const cranes = await file('cranes.txt', 'crane\ncrane\n');
    const { classes } = await readLabels(cranes, { allowDuplicates: true });
    expect(classes).toEqual(['crane', 'crane']);
    await expect(readLabels(join(base, 'none.json'))).rejects.toMatchObject({
      code: 'LABELS_INVALID',
      message: expect.stringContaining('none.json'),
    });
  });
});

describe('findLabels', () => {
  it('looks beside a model, in a folder and beside a folder', async () => {
    const own = await file('models/net_classes.json');
    const model = await file('models/net.onnx');
    await file('models/images/a/1.png');
    expect(await findLabels(model)).toBe(own);
    expect(await findLabels(join(base, 'models'))).toBe(own);
    expect(await findLabels(join(base, 'models/images'))).toBe(own);
    expect(await findLabels(join(base, 'models/images/a'))).toBeUndefined();
    const other = await file('models/zoo_classes.json');
    expect(await findLabels(model)).toBe(own);
    await expect(findLabels(join(base, 'models'))).rejects.toMatchObject({
      code: 'LABELS_INVALID',
      message: expect.stringContaining(`${own}, ${other}`),
    });
  });
});

describe('folderLabel', () => {
  it('is the name of the folder', () => {
    expect(folderLabel('train/7/d0001.png')).toBe('7');
    expect(folderLabel('7/d0001.png')).toBe('7');
    expect(folderLabel('d0001.png')).toBe('');
  });
});

describe('findModel', () => {
  it('takes a file as it is, and the only model of a folder', async () => {
    const model = join(digits, 'model.onnx');
    expect(await findModel(model)).toBe(model);
    expect(await findModel(digits)).toBe(model);
  });

  it('names what it found otherwise', async () => {
    await file('two/b.onnx');
    await file('two/a.ONNX');
    await mkdir(join(base, 'zero'));
    await expect(findModel(join(base, 'two'))).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringContaining('a.ONNX, b.onnx'),
    });
    await expect(findModel(join(base, 'zero'))).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
    await expect(findModel(join(base, 'nope.onnx'))).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringContaining('No such model'),
    });
    await expect(findModel(join(digits, 'model.onnx', 'x'))).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
    });
  });
});
