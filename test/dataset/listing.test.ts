import { closeSync, openSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareCodePoints, listImages, readFileList } from '../../lib/dataset/index.js';
import type { Progress } from '../../lib/progress.js';

let base: string;
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'listing-'));
});
afterAll(async () => {
  await rm(base, { recursive: true, force: true });
});

async function folder(name: string, files: readonly string[]): Promise<string> {
  const root = join(base, name);
  await mkdir(root, { recursive: true });
  for (const file of files) {
    await mkdir(join(root, file, '..'), { recursive: true });
    await writeFile(join(root, file), '');
  }
  return root;
}

describe('compareCodePoints', () => {
  it('puts characters beyond U+FFFF last, unlike UTF-16', () => {
    const names = ['\u{1f600}.png', '\uffee.png', '\ue000.png', 'z.png', 'Z.png', 'é.png', 'z'];
    expect([...names].sort(compareCodePoints)).toEqual([
      'Z.png',
      'z',
      'z.png',
      'é.png',
      '\ue000.png',
      '\uffee.png',
      '\u{1f600}.png',
    ]);
  });
});

describe('listImages', () => {
  it('finds images at any depth, in code point order of the whole path', async () => {
    const root = await folder('order', [
      'a/2.png',
      'a/10.PNG',
      'a.b/1.JpEg',
      'a-b/1.webp',
      'a.png',
      'b/c/d/e.bmp',
      'Z.tif',
      'b/notes.txt',
      'b/png',
      '.hidden.png',
      '.hidden/1.png',
      '.tensorrt-node-tmp-abc-x.png',
      '\u{1f600}/1.png',
      '\uffee/1.png',
    ]);
    // sorted() of the same names in Python
    expect(await listImages(root)).toEqual([
      'Z.tif',
      'a-b/1.webp',
      'a.b/1.JpEg',
      'a.png',
      'a/10.PNG',
      'a/2.png',
      'b/c/d/e.bmp',
      '\uffee/1.png',
      '\u{1f600}/1.png',
    ]);
  });

  it('takes chosen extensions, with or without the dot', async () => {
    const root = await folder('extensions', ['1.gif', '2.png', '3.GIF', '4.svg']);
    expect(await listImages(root, { extensions: ['gif', '.SVG'] })).toEqual([
      '1.gif',
      '3.GIF',
      '4.svg',
    ]);
    await expect(listImages(root, { extensions: [] })).rejects.toThrow(TypeError);
    await expect(listImages(root, { extensions: ['a/b'] })).rejects.toThrow(RangeError);
  });

  it('follows links, ends at cycles, and keeps a dangling link to report it later', async () => {
    const root = await folder('links', ['a/1.png', 'a/b/2.png']);
    await symlink(join(root, 'a'), join(root, 'a/b/up'));
    await symlink(root, join(root, 'a/b/top'));
    await symlink(join(root, 'a/b'), join(root, 'other'));
    await symlink(join(root, 'a/1.png'), join(root, 'copy.png'));
    await symlink(join(root, 'nowhere.png'), join(root, 'dangling.png'));
    expect(await listImages(root)).toEqual([
      'a/1.png',
      'a/b/2.png',
      'copy.png',
      'dangling.png',
      'other/2.png',
      'other/up/1.png',
    ]);
  });

  it('says which folder cannot be read', async () => {
    await expect(listImages(join(base, 'missing'))).rejects.toMatchObject({
      code: 'FOLDER_UNREADABLE',
      message: expect.stringContaining(join(base, 'missing')),
    });
    const root = await folder('file', ['1.png']);
    await expect(listImages(join(root, '1.png'))).rejects.toMatchObject({
      code: 'FOLDER_UNREADABLE',
    });
    await expect(listImages('')).rejects.toThrow(TypeError);
  });

  // The superuser may read every folder.
  it.runIf(process.getuid?.() !== 0)('does not pass over a folder it may not read', async () => {
    const root = await folder('locked', ['a/1.png', 'b/2.png']);
    await chmod(join(root, 'b'), 0);
    try {
      await expect(listImages(root)).rejects.toMatchObject({
        code: 'FOLDER_UNREADABLE',
        message: expect.stringContaining(join(root, 'b')),
      });
    } finally {
      await chmod(join(root, 'b'), 0o700);
    }
  });

  it('says when there are no images', async () => {
    const root = await folder('none', ['a/readme.txt']);
    await expect(listImages(root)).rejects.toMatchObject({
      code: 'IMAGES_NOT_FOUND',
      message: expect.stringContaining('.jpeg'),
    });
  });

  it('leaves the event loop free while it lists many files', async () => {
    const root = join(base, 'many');
    // One large folder is the hard case: its names come and are sorted as one piece.
    const sizes = [20_000, ...Array.from({ length: 10 }, () => 1000)];
    for (const [index, size] of sizes.entries()) {
      const name = join(root, `c${index}`);
      await mkdir(name, { recursive: true });
      for (let i = 0; i < size; i++) closeSync(openSync(join(name, `${i}.png`), 'w'));
    }
    const reports: Progress[] = [];
    // Turns and not times: on a loaded machine a free loop is late as well.
    let turns = 0;
    let counting = true;
    const count = () => {
      turns++;
      if (counting) setImmediate(count);
    };
    setImmediate(count);
    const paths = await listImages(root, { onProgress: (report) => reports.push(report) });
    counting = false;
    expect(paths).toHaveLength(30_000);
    expect(paths.slice(0, 3)).toEqual(['c0/0.png', 'c0/1.png', 'c0/10.png']);
    expect(paths.at(-1)).toBe('c9/999.png');
    expect(reports.at(-1)).toMatchObject({ phase: 'list', done: 30_000, unit: 'files' });
    expect(turns).toBeGreaterThan(50);
    const controller = new AbortController();
    const aborted = listImages(root, {
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('enough')),
    });
    await expect(aborted).rejects.toThrow('enough');
  });
});

describe('readFileList', () => {
  it('keeps the order and the names as they are', async () => {
    const file = join(base, 'list.txt');
    await writeFile(file, '\uFEFFb/2.png\r\n\n#a.png\r\n a.png\n');
    expect(await readFileList(file)).toEqual(['b/2.png', '#a.png', ' a.png']);
  });

  it('says what is wrong', async () => {
    const file = join(base, 'empty.txt');
    await writeFile(file, '\n\n');
    await expect(readFileList(file)).rejects.toMatchObject({ code: 'IMAGES_NOT_FOUND' });
    await expect(readFileList(join(base, 'nope.txt'))).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
      message: expect.stringContaining('nope.txt'),
    });
  });
});
