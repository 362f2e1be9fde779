import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  chooseLibrary,
  familyOfVersion,
  familyTitle,
  findLibraries,
  libraryFolders,
  requireBase,
  requireFamily,
  versionText,
} from '../../lib/runtime/index.js';
import { fakeLibrary } from './fake-libraries.js';

const root = mkdtempSync(join(tmpdir(), 'trtn-libs-'));
const ten = join(root, 'ten');
const old = join(root, 'old');
const lonely = join(root, 'lonely');
const broken = join(root, 'broken');
const RTX = resolve('.sdk/lib/tensorrt_rtx');

beforeAll(() => {
  fakeLibrary(ten, 'libnvinfer.so.10.15.1', 101501);
  symlinkSync('libnvinfer.so.10.15.1', join(ten, 'libnvinfer.so.10'));
  symlinkSync('libnvinfer.so.10', join(ten, 'libnvinfer.so'));
  fakeLibrary(ten, 'libnvonnxparser.so.10');
  fakeLibrary(ten, 'libnvonnxparser.so.10.15.1');
  fakeLibrary(ten, 'libnvinfer_plugin.so.10');
  fakeLibrary(old, 'libnvinfer.so.8', 8502);
  fakeLibrary(old, 'libnvonnxparser.so.8');
  fakeLibrary(lonely, 'libnvinfer.so.11', 110400);
  mkdirSync(broken);
  writeFileSync(join(broken, 'libnvinfer.so.10'), 'not a library');
  fakeLibrary(broken, 'libtensorrt_rtx.so.1');
});
afterAll(() => rmSync(root, { recursive: true }));

const saved = { ...process.env };
afterEach(() => {
  process.env = { ...saved };
});

const inFolder = async (libraryDir: string) =>
  (await findLibraries({ libraryDir })).libraries.filter(({ source }) => source === 'libraryDir');

describe('versions', () => {
  it.each([
    [8601, '8.6.1', 'tensorrt8'],
    [8502, '8.5.2', undefined],
    [8700, '8.7.0', undefined],
    [10401, '1.4.1', undefined],
    [10500, '1.5.0', 'tensorrt_rtx'],
    [10701, '1.7.1', 'tensorrt_rtx'],
    [100000, '10.0.0', 'tensorrt10'],
    [101501, '10.15.1', 'tensorrt10'],
    [110400, '11.4.0', 'tensorrt11'],
    [120000, '12.0.0', undefined],
    [20000, '2.0.0', undefined],
  ])('%i is %s', (version, text, family) => {
    expect(versionText(version)).toBe(text);
    expect(familyOfVersion(version)).toBe(family);
  });

  it('has names for people', () => {
    expect(familyTitle('tensorrt_rtx')).toBe('TensorRT-RTX');
    expect(familyTitle('tensorrt8')).toBe('TensorRT 8.6');
  });
});

describe('findLibraries', () => {
  it('finds the RTX libraries that set-up fetched', async () => {
    const { libraries } = await findLibraries();
    expect(libraries).toContainEqual({
      family: 'tensorrt_rtx',
      version: '1.7.1',
      inferLibrary: join(RTX, 'libtensorrt_rtx.so.1'),
      parserLibrary: join(RTX, 'libtensorrt_onnxparser_rtx.so.1'),
      source: 'this package',
    });
  });

  it('takes one of several names of a file, with the parser of its version', async () => {
    expect(await inFolder(ten)).toEqual([
      {
        family: 'tensorrt10',
        version: '10.15.1',
        inferLibrary: join(ten, 'libnvinfer.so.10'),
        parserLibrary: join(ten, 'libnvonnxparser.so.10'),
        source: 'libraryDir',
      },
    ]);
  });

  it('says why a library cannot be used', async () => {
    expect(await inFolder(old)).toMatchObject([
      { version: '8.5.2', problem: expect.stringContaining('8.5.2') },
    ]);
    expect(await inFolder(lonely)).toMatchObject([
      { family: 'tensorrt11', problem: expect.stringContaining('parser') },
    ]);
    expect(await inFolder(broken)).toMatchObject([
      { problem: expect.stringContaining('libnvinfer.so.10') },
      { problem: expect.stringContaining('getInferLibVersion') },
    ]);
  });
});

describe('libraryFolders', () => {
  it('goes from the option over the environment to Python, and names each source', async () => {
    const home = join(root, 'home');
    const site = 'lib/python3.11/site-packages';
    for (const name of ['tensorrt_libs', 'tensorrt_rtx_libs', 'tensorrt_lean_libs', 'numpy']) {
      mkdirSync(join(home, 'venv', site, name), { recursive: true });
    }
    mkdirSync(join(home, '.pyenv/versions/3.12.1', site, 'tensorrt_libs'), { recursive: true });
    const found = await libraryFolders(
      { libraryDir: 'relative' },
      {
        HOME: home,
        TENSORRT_LIB_DIR: '/a',
        TENSORRT_RTX_LIB_DIR: '/b',
        LD_LIBRARY_PATH: '/c::/a',
        VIRTUAL_ENV: join(home, 'venv'),
      },
    );
    const text = found.map(({ folder, source }) => `${source}: ${folder}`);
    expect(text.slice(0, 3)).toEqual([
      `libraryDir: ${resolve('relative')}`,
      'TENSORRT_LIB_DIR: /a',
      'TENSORRT_RTX_LIB_DIR: /b',
    ]);
    expect(text).toContain(`this package: ${RTX}`);
    expect(text).toContain('LD_LIBRARY_PATH: /c');
    expect(text).toContain('the system: /usr/lib/x86_64-linux-gnu');
    expect(text.filter((line) => line.endsWith(': /a'))).toHaveLength(1);
    const python = found.filter(({ source }) => source === 'Python').map(({ folder }) => folder);
    expect(python).toEqual(
      expect.arrayContaining([
        join(home, 'venv', site, 'tensorrt_libs'),
        join(home, 'venv', site, 'tensorrt_rtx_libs'),
        join(home, 'venv', site, 'tensorrt_lean_libs'),
        join(home, '.pyenv/versions/3.12.1', site, 'tensorrt_libs'),
      ]),
    );
    expect(python.some((folder) => folder.includes('numpy'))).toBe(false);
  });
});

describe('chooseLibrary', () => {
  it('takes the first family that is there, and what a variable names before it', async () => {
    expect((await chooseLibrary({}, ['tensorrt11', 'tensorrt_rtx'])).family).toBe('tensorrt_rtx');
    if (requireBase().devices().length === 0) {
      expect((await chooseLibrary()).family).toBe('tensorrt_rtx');
    }
    process.env.TENSORRT_LIB_DIR = ten;
    expect(await chooseLibrary()).toEqual({
      family: 'tensorrt10',
      version: '10.15.1',
      inferLibrary: join(ten, 'libnvinfer.so.10'),
      parserLibrary: join(ten, 'libnvonnxparser.so.10'),
    });
    expect((await chooseLibrary({}, ['tensorrt_rtx'])).family).toBe('tensorrt_rtx');
    expect((await chooseLibrary({ family: 'tensorrt_rtx' })).family).toBe('tensorrt_rtx');
  });

  it('takes nothing in place of what the caller names', async () => {
    await expect(chooseLibrary({ libraryDir: old })).rejects.toMatchObject({
      code: 'LIBRARY_INCOMPATIBLE',
      message: expect.stringContaining('8.5.2'),
      remedy: expect.stringContaining('TENSORRT_LIB_DIR'),
    });
    await expect(chooseLibrary({ libraryDir: join(root, 'none') })).rejects.toMatchObject({
      code: 'LIBRARY_NOT_FOUND',
      message: expect.stringContaining(join(root, 'none')),
    });
    await expect(chooseLibrary({ libraryDir: ten, family: 'tensorrt11' })).rejects.toMatchObject({
      code: 'LIBRARY_NOT_FOUND',
      message: expect.stringContaining('TensorRT 11'),
    });
    await expect(chooseLibrary({}, ['tensorrt_rtx'])).resolves.toBeDefined();
  });

  it('finds what was installed after it had found nothing', async () => {
    const later = join(root, 'later');
    const choose = () => chooseLibrary({ libraryDir: later });
    await expect(choose()).rejects.toMatchObject({ code: 'LIBRARY_NOT_FOUND' });
    fakeLibrary(later, 'libnvinfer.so.11', 110000);
    fakeLibrary(later, 'libnvonnxparser.so.11');
    expect((await choose()).version).toBe('11.0.0');
  });
});

describe('the version gate of the native module', () => {
  it('refuses a library of another family before it calls into it', async () => {
    const outcome = await requireFamily('tensorrt10').describe({
      inferLibrary: join(RTX, 'libtensorrt_rtx.so.1'),
      parserLibrary: join(RTX, 'libtensorrt_onnxparser_rtx.so.1'),
      modelPath: 'examples/digits/model.onnx',
    }).promise;
    expect(outcome.failure).toMatchObject({
      code: 'LIBRARY_INCOMPATIBLE',
      message: expect.stringMatching(/TensorRT 1\.7\.1.*tensorrt10/),
    });
  });

  it('says what is wrong with a library that only calls itself TensorRT', async () => {
    const outcome = await requireFamily('tensorrt10').describe({
      inferLibrary: join(ten, 'libnvinfer.so.10'),
      parserLibrary: join(ten, 'libnvonnxparser.so.10'),
      modelPath: 'examples/digits/model.onnx',
    }).promise;
    expect(outcome.failure).toMatchObject({
      code: 'LIBRARY_INCOMPATIBLE',
      message: expect.stringContaining('createInferBuilder_INTERNAL'),
    });
    const none = await requireFamily('tensorrt10').build({
      inferLibrary: join(root, 'none.so'),
      parserLibrary: '',
    }).promise;
    expect(none.failure?.code).toBe('LIBRARY_NOT_FOUND');
  });

  it('refuses options of the wrong type', () => {
    const build = requireFamily('tensorrt_rtx').build as (options: object) => unknown;
    expect(() => build({ inferLibrary: 5 })).toThrow('Expected a string for inferLibrary');
    expect(() => build({ profiles: 5 })).toThrow('Expected an array for profiles');
    expect(() => build({ profiles: [5] })).toThrow('Expected an object');
    expect(() => build({ computeCapabilities: ['80'] })).toThrow('Expected a number');
    expect(() => build({ modelBytes: 'x' })).toThrow('Expected a Uint8Array for modelBytes');
    const min = Array(9).fill(1);
    expect(() => build({ profiles: [{ inputs: [{ name: 'x', min }] }] })).toThrow('at most 8');
  });
});
