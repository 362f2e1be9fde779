import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseResult, stringifyResult } from '../../lib/engine/cache/json.js';
import { cacheKey, keyOptions } from '../../lib/engine/cache/key.js';
import { keyPartsOf } from '../../lib/engine/cache/key-parts.js';
import {
  type BuildOptions,
  buildEngine,
  type CacheKeyParts,
  cacheFolderOf,
  defaultCacheFolder,
  explainCache,
  keyDifferences,
  listCache,
  pruneCache,
  valueText,
} from '../../lib/engine/index.js';
import { loadModel } from '../../lib/onnx/index.js';
import { convModel, quantizedModel } from './models.js';

const root = mkdtempSync(join(tmpdir(), 'trtn-cache-folder-'));
afterAll(() => rmSync(root, { recursive: true }));

describe('the folder of the cache', () => {
  it('is the one that is named, by option, variables, or the home', () => {
    const home = { HOME: '/home/me' };
    expect(defaultCacheFolder(home)).toBe('/home/me/.cache/tensorrt-node/engines');
    const xdg = { ...home, XDG_CACHE_HOME: '/var/caches' };
    expect(defaultCacheFolder(xdg)).toBe('/var/caches/tensorrt-node/engines');
    expect(defaultCacheFolder({ ...xdg, XDG_CACHE_HOME: '' })).toBe(defaultCacheFolder(home));
    expect(defaultCacheFolder({ ...xdg, TENSORRT_NODE_CACHE_DIR: '/engines' })).toBe('/engines');
    expect(cacheFolderOf('/mine', xdg)).toBe('/mine');
    expect(cacheFolderOf(false, xdg)).toBeUndefined();
    expect(cacheFolderOf(undefined, xdg)).toBe('/var/caches/tensorrt-node/engines');
    const off = { ...xdg, TENSORRT_NODE_NO_CACHE: '1' };
    expect(cacheFolderOf(undefined, off)).toBeUndefined();
    expect(cacheFolderOf(true, off)).toBe('/var/caches/tensorrt-node/engines');
    expect(cacheFolderOf(undefined, { ...off, TENSORRT_NODE_NO_CACHE: '0' })).toBeDefined();
  });
});

describe('the key', () => {
  const none = new Set<string>();

  it('takes whatever the builder is given, in any order', () => {
    const ranges = new Map([
      ['b', 2],
      ['__proto__', 1],
    ]);
    const one = keyOptions(
      { b: [1, 2], a: { y: true, x: undefined, w: 5n }, ranges, bytes: new Uint8Array([1]) },
      none,
    );
    expect(one).toEqual({
      a: { w: '5n', y: true },
      b: [1, 2],
      bytes: {
        bytes: 1,
        sha256: '4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a',
      },
      ranges: [
        ['__proto__', 1],
        ['b', 2],
      ],
    });
    const swapped = new Map([...ranges].reverse());
    const two = keyOptions(
      { bytes: new Uint8Array([1]), ranges: swapped, a: { w: 5n, y: true }, b: [1, 2] },
      none,
    );
    expect(JSON.stringify(two)).toBe(JSON.stringify(one));
    expect(keyOptions({ a: Number.NaN, b: null, c: new Set(['z', 'y']) }, new Set(['b']))).toEqual({
      a: 'NaN',
      c: ['y', 'z'],
    });
  });

  it('refuses what it cannot stand for rather than forget it', () => {
    class Thing {}
    for (const value of [() => 1, new Thing(), new Date(0), Symbol('x')]) {
      expect(() => keyOptions({ outer: { inner: value } }, none)).toThrow(
        'the value of outer.inner cannot be part of a key',
      );
    }
  });

  it('keeps long options by their digest, so that a table of thousands is one line', () => {
    const ranges = Array.from({ length: 500 }, (_, i) => ({ name: `t${i}`, amax: i }));
    const first = keyOptions({ ranges }, none).ranges as Record<string, unknown>;
    expect(first).toEqual({ sha256: expect.stringMatching(/^[0-9a-f]{64}$/), entries: 500 });
    ranges[400]!.amax += 1;
    expect(keyOptions({ ranges }, none).ranges).not.toEqual(first);
  });

  it('asks a calibrator for the id of its data', async () => {
    const source = {
      model: await loadModel(convModel()),
      library: {
        family: 'tensorrt10' as const,
        version: '10.3.0',
        inferLibrary: '/a',
        parserLibrary: '/b',
      },
      native: { inferLibrary: '/a', int8: true },
      deviceId: 0,
    };
    const parts = await keyPartsOf({ ...source, calibrator: { id: 'photos' } });
    expect(parts).toMatchObject({
      calibration: 'photos',
      library: { family: 'tensorrt10', version: '10.3.0' },
      options: { int8: true },
    });
    expect(parts.options.inferLibrary).toBeUndefined();
    const other = await keyPartsOf({ ...source, calibrator: { id: 'more photos' } });
    expect(cacheKey(other)).not.toBe(cacheKey(parts));
    for (const calibrator of [{}, { id: undefined }, { id: '' }]) {
      await expect(keyPartsOf({ ...source, calibrator })).rejects.toThrow(
        'its calibrator has no id',
      );
    }
  });
});

describe('what a build gave, as JSON', () => {
  it('comes back with bytes and maps', () => {
    const value = {
      bytes: new Uint8Array([1, 2, 255]),
      buffer: Buffer.from('abc'),
      map: new Map<string, unknown>([['__proto__', { a: [1, null] }]]),
      text: '$bytes',
      none: null,
    };
    expect(parseResult(stringifyResult(value))).toEqual({
      ...value,
      buffer: new Uint8Array([97, 98, 99]),
    });
  });
});

const parts = (changes: Partial<CacheKeyParts> = {}): CacheKeyParts => ({
  format: 1,
  model: { sha256: 'aa' },
  library: { family: 'tensorrt8', version: '8.6.1' },
  gpu: { name: 'NVIDIA A10', computeCapability: '8.6' },
  options: { int8: true, optimizationLevel: 3 },
  ...changes,
});

describe('the differences of two keys', () => {
  const texts = (changes: Partial<CacheKeyParts>) =>
    keyDifferences(parts(), parts(changes)).map(({ text }) => text);

  it('are told in words', () => {
    expect(texts({})).toEqual([]);
    expect(texts({ model: { sha256: 'bb' } })).toEqual(['the model changed']);
    expect(texts({ model: { sha256: 'aa', externalData: 'cc' } })).toEqual([
      "the model's external data changed",
    ]);
    expect(texts({ library: { family: 'tensorrt10', version: '10.3.0' } })).toEqual([
      'TensorRT 8.6.1 -> TensorRT 10.3.0',
    ]);
    expect(texts({ gpu: { name: 'NVIDIA H200', computeCapability: '9.0' } })).toEqual([
      'GPU: NVIDIA A10 (8.6) -> NVIDIA H200 (9.0)',
    ]);
    expect(texts({ calibration: 'photos' })).toEqual(['calibration data: none -> photos']);
    expect(texts({ format: 2 })).toEqual(['format of the cache: 1 -> 2']);
    expect(texts({ options: { optimizationLevel: 5, fp16: true } })).toEqual([
      'fp16: default -> true',
      'int8: true -> default',
      'builderOptimizationLevel: 3 -> 5',
    ]);
  });

  it('name a table that changed and not its digest', () => {
    const table = (sha256: string) => parts({ options: { ranges: { sha256, entries: 3 } } });
    const [difference] = keyDifferences(table('aa'), table('bb'));
    expect(difference).toEqual({
      part: 'table',
      cached: { sha256: 'aa', entries: 3 },
      wanted: { sha256: 'bb', entries: 3 },
      text: 'table changed',
    });
  });

  it('show options as they are typed', () => {
    const range = { name: 'x', min: [1, 3], opt: [2, 3], max: [4, 3] };
    expect(valueText([{ inputs: [range] }])).toBe('x:1x3/2x3/4x3');
    expect(valueText([{ name: 'workspace', bytes: 1024 }])).toBe('workspace:1024');
    expect(valueText({ sha256: '0123456789abcdef' })).toBe('SHA-256 0123456789ab…');
    expect(valueText([])).toBe('none');
    expect(valueText({ a: 1, b: 2 })).toBe('a:1,b:2');
  });
});

describe('entries of a folder', () => {
  const folder = join(root, 'entries');
  const model = join(root, 'conv.onnx');
  const build = (options: BuildOptions) =>
    buildEngine(model, { computeCapabilities: [80], cache: folder, ...options });

  it('are listed, explained and removed, the one used longest ago first', async () => {
    expect((await listCache({ folder })).entries).toEqual([]);
    writeFileSync(model, convModel());
    const keys: string[] = [];
    for (const [index, level] of [1, 2, 3].entries()) {
      const { planPath, cache } = await build({ builderOptimizationLevel: level });
      keys.push(cache.key!);
      const days = Date.now() / 1000 - 86_400 * (10 - index);
      utimesSync(planPath!, days, days);
    }
    const { entries } = await listCache({ folder });
    expect(entries.map(({ key }) => key)).toEqual([...keys].reverse());
    expect(entries[0]!.manifest).toMatchObject({ model: { file: 'conv.onnx' } });
    expect(entries[0]!.manifest).not.toHaveProperty('result');

    // Nothing of others is touched, and neither is what is being written now.
    const temporary = '.tensorrt-node-tmp-0123456789ab-';
    const orphan = `${'0'.repeat(64)}.engine.json`;
    const lock = `${keys[0]}.engine.lock`;
    mkdirSync(join(folder, lock));
    utimesSync(join(folder, lock), 1000, 1000);
    const old = [`${temporary}${keys[0]}.engine`, orphan];
    const others = ['notes.txt', 'model.engine', 'model.engine.json', `${temporary}x`, '.hidden'];
    for (const name of [...old, ...others]) {
      writeFileSync(join(folder, name), 'x');
      utimesSync(join(folder, name), 1000, 1000);
    }
    const fresh = `${temporary}${keys[1]}.engine.json`;
    writeFileSync(join(folder, fresh), 'x');

    const dry = await pruneCache({ folder, olderThanMs: 8.5 * 86_400_000, dryRun: true });
    expect(dry.removed.map(({ key }) => key)).toEqual([keys[1], keys[0]]);
    expect(dry.leftovers.toSorted()).toEqual([...old, lock].toSorted());
    expect((await listCache({ folder })).entries).toHaveLength(3);

    const size = entries[0]!.bytes + entries[1]!.bytes;
    const bySize = await pruneCache({ folder, maxBytes: size });
    expect(bySize.removed.map(({ key }) => key)).toEqual([keys[0]]);
    expect(bySize.kept.map(({ key }) => key)).toEqual([keys[2], keys[1]]);
    expect(bySize.freedBytes).toBe(entries[2]!.bytes + 2);
    const byAge = await pruneCache({ folder, olderThanMs: 8.5 * 86_400_000 });
    expect(byAge.removed.map(({ key }) => key)).toEqual([keys[1]]);
    expect((await pruneCache({ folder, all: true })).removed.map(({ key }) => key)).toEqual([
      keys[2],
    ]);
    expect(readdirSync(folder).toSorted()).toEqual([...others, fresh].toSorted());
  });

  it('are compared with the build that is wanted, the nearest first', async () => {
    writeFileSync(model, convModel());
    const { cache } = await build({ builderOptimizationLevel: 1 });
    await build({ builderOptimizationLevel: 1, profilingVerbosity: 'none' });
    const explain = (options: BuildOptions, path: string | Uint8Array = model) =>
      explainCache(path, { computeCapabilities: [80], cache: folder, ...options });
    expect(await explain({ builderOptimizationLevel: 1 })).toMatchObject({
      hit: true,
      key: cache.key,
      reason: 'the cache has this engine',
      near: [{ differences: [{ part: 'profilingVerbosity' }] }],
    });
    const miss = await explain({ builderOptimizationLevel: 2 });
    expect(miss).toMatchObject({ hit: false, reason: 'the cache has no engine with this key' });
    expect(miss.near.map(({ differences }) => differences.map(({ text }) => text))).toEqual([
      ['builderOptimizationLevel: 1 -> 2'],
      ['builderOptimizationLevel: 1 -> 2', 'profilingVerbosity: none -> detailed'],
    ]);
    // The same file with other content, and another file.
    writeFileSync(model, quantizedModel());
    const changed = await explain({ builderOptimizationLevel: 1 });
    expect(changed.near[0]!.differences.map(({ text }) => text)).toEqual(['the model changed']);
    expect((await explain({}, quantizedModel())).near).toEqual([]);
    rmSync(join(folder, `${cache.key}.engine.json`));
    const { entries } = await listCache({ folder });
    expect(entries.find(({ key }) => key === cache.key)).not.toHaveProperty('manifest');
  });

  it('need something to remove, and a folder', async () => {
    await expect(pruneCache({ folder })).rejects.toThrow('olderThanMs, maxBytes or all');
    await expect(pruneCache({ folder, maxBytes: -1 })).rejects.toThrow(RangeError);
    await expect(pruneCache({ folder, olderThanMs: Number.NaN })).rejects.toThrow(RangeError);
    await expect(listCache({ folder: model })).rejects.toMatchObject({ code: 'FOLDER_UNREADABLE' });
  });
});
