import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type BuildOptions,
  type BuildResult,
  buildEngine,
  explainCache,
  inspectEngine,
  readManifest,
  saveEngine,
} from '../../lib/engine/index.js';
import {
  createNode,
  TensorProto_DataType as DataType,
  TensorProto_DataLocation,
  TensorProtoSchema,
} from '../../lib/onnx/index.js';
import { convModel, modelBytes } from './models.js';

const root = mkdtempSync(join(tmpdir(), 'trtn-cache-'));
afterAll(() => rmSync(root, { recursive: true }));

let count = 0;
/** A folder of its own for a test; not made yet. */
const newFolder = () => join(root, `cache-${count++}`);
const MODEL = join(root, 'conv.onnx');
beforeAll(() => writeFileSync(MODEL, convModel()));

const build = (
  cache: string | boolean,
  options: BuildOptions = {},
  model: string | Uint8Array = MODEL,
) => buildEngine(model, { computeCapabilities: [80], cache, ...options });

/** What must be equal between a build and its cached result. */
function contentOf({ cache: _cache, ...rest }: BuildResult) {
  return rest;
}

describe('the engine cache', () => {
  it('gives the second build everything that the first one gave', async () => {
    const folder = newFolder();
    const first = await build(folder);
    expect(first.cache).toMatchObject({
      hit: false,
      folder,
      reason: 'the cache has no engine with this key',
    });
    const { key } = first.cache;
    expect(key).toMatch(/^[0-9a-f]{64}$/);
    expect(readdirSync(folder).toSorted()).toEqual([`${key}.engine`, `${key}.engine.json`]);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(first.planPath).toBe(join(folder, `${key}.engine`));
    expect(readFileSync(first.planPath!).equals(first.plan)).toBe(true);

    const phases: string[] = [];
    const second = await build(folder, { onProgress: ({ phase }) => phases.push(phase) });
    expect(second.cache).toMatchObject({ hit: true, key, folder, reason: 'found in the cache' });
    expect(phases).toEqual(['cache']);
    expect(contentOf(second)).toEqual(contentOf(first));
    expect(second.layers.length).toBeGreaterThan(0);
    expect(second.network.layers.map(({ type }) => type)).toContain('CONVOLUTION');
  });

  it('keeps a manifest that says all about the plan, beside one that inspect knows', async () => {
    const folder = newFolder();
    const recipe = { version: 1, size: 8 };
    const { planPath, cache } = await build(folder, { recipe });
    const manifest = (await inspectEngine(planPath!)).manifest!;
    expect(manifest).toMatchObject({
      key: cache.key,
      keyParts: {
        format: 1,
        library: { family: 'tensorrt_rtx', version: '1.7.1' },
        options: { computeCapabilities: [80], profilingVerbosity: 'detailed' },
      },
      model: { file: 'conv.onnx' },
      recipe,
      warnings: [],
      profiles: [],
    });
    expect(manifest.keyParts!.model).toEqual({ sha256: manifest.model.sha256 });
    expect(manifest.keyParts!.gpu).toBeUndefined();
    // Another recipe changes nothing about the plan, and the manifest tells the one used last.
    expect((await build(folder, { recipe: { version: 1, size: 9 } })).cache.hit).toBe(true);
    expect((await readManifest(planPath!))!.recipe).toEqual({ version: 1, size: 9 });
    expect((await build(folder)).cache.hit).toBe(true);
    expect((await readManifest(planPath!))!.recipe).toEqual({ version: 1, size: 9 });
  });

  it('gives bytes and path of one model one key, and every other build another', async () => {
    const folder = newFolder();
    const keys = new Map<string, string>();
    const add = async (name: string, options: BuildOptions, model?: string | Uint8Array) => {
      keys.set(name, (await build(folder, options, model)).cache.key!);
    };
    await add('plain', {});
    await add('bytes', {}, convModel());
    await add('capability', { computeCapabilities: [89] });
    await add('level', { builderOptimizationLevel: 1 });
    await add('pool', { memPoolSize: { workspace: 2 ** 28 } });
    await add('verbosity', { profilingVerbosity: 'none' });
    await add('model', {}, convModel(DataType.FLOAT16));
    const profile = (max: number) => ({
      x: { min: [1, 16, 8, 8], opt: [1, 16, 8, 8], max: [max, 16, 8, 8] },
    });
    const dynamic = convModel(DataType.FLOAT, ['n', 16, 8, 8]);
    await add('profile 1', { profiles: [profile(2)] }, dynamic);
    await add('profile 2', { profiles: [profile(4)] }, dynamic);
    expect(keys.get('bytes')).toBe(keys.get('plain'));
    expect(new Set(keys.values()).size).toBe(keys.size - 1);
  });

  it('looks at the weights in other files', async () => {
    const folder = newFolder();
    const model = join(root, 'external.onnx');
    const weights = join(root, 'weights.bin');
    const tensor = create(TensorProtoSchema, {
      name: 'w',
      dataType: DataType.FLOAT,
      dims: [16n, 16n, 3n, 3n],
      dataLocation: TensorProto_DataLocation.EXTERNAL,
      externalData: [{ key: 'location', value: 'weights.bin' }],
    });
    const conv = createNode('Conv', ['x', 'w'], ['y'], { name: 'conv' }, { pads: [1, 1, 1, 1] });
    writeFileSync(model, modelBytes([conv], [tensor]));
    writeFileSync(weights, new Uint8Array(16 * 16 * 9 * 4));
    const first = await build(folder, {}, model);
    expect((await build(folder, {}, model)).cache.hit).toBe(true);
    const bytes = new Uint8Array(16 * 16 * 9 * 4);
    bytes[3] = 0x3f;
    writeFileSync(weights, bytes);
    const second = await build(folder, {}, model);
    expect(second.cache.hit).toBe(false);
    expect(second.cache.keyParts!.model.sha256).toBe(first.cache.keyParts!.model.sha256);
    expect(second.cache.keyParts!.model.externalData).not.toBe(
      first.cache.keyParts!.model.externalData,
    );
  });

  it('is left alone with cache: false, and by default with TENSORRT_NODE_NO_CACHE', async () => {
    const folder = newFolder();
    const before = { ...process.env };
    process.env.TENSORRT_NODE_CACHE_DIR = folder;
    try {
      const off = { hit: false, reason: 'the cache is turned off' };
      expect((await build(false)).cache).toEqual(off);
      expect((await buildEngine(MODEL, { computeCapabilities: [80] })).cache).toEqual(off);
      expect(() => statSync(folder)).toThrow('ENOENT');
      expect((await build(true)).cache).toMatchObject({ hit: false, folder });
      delete process.env.TENSORRT_NODE_NO_CACHE;
      const plain = await buildEngine(MODEL, { computeCapabilities: [80] });
      expect(plain.cache).toMatchObject({ hit: true, folder });
    } finally {
      Object.assign(process.env, { TENSORRT_NODE_NO_CACHE: before.TENSORRT_NODE_NO_CACHE });
      delete process.env.TENSORRT_NODE_CACHE_DIR;
    }
  });

  it('hands a cached engine to saveEngine with its own date and key', async () => {
    const folder = newFolder();
    const first = await build(folder);
    const second = await build(folder);
    const { manifest } = await saveEngine(second, join(root, 'out.engine'));
    expect(manifest.created).toBe(first.created);
    expect(manifest.key).toBe(first.cache.key);
    expect(manifest.result).toBeUndefined();
  });
});

describe('an entry that is damaged', () => {
  const damaged = async (damage: (plan: string, manifest: string) => void) => {
    const folder = newFolder();
    const { planPath, plan } = await build(folder);
    damage(planPath!, `${planPath}.json`);
    const again = await build(folder);
    expect(again.cache.hit).toBe(false);
    expect(again.plan.byteLength).toBe(plan.byteLength);
    // It is whole again.
    expect((await build(folder)).cache.hit).toBe(true);
    expect((await inspectEngine(planPath!)).manifest!.key).toBe(again.cache.key);
    return again.cache.reason;
  };

  it('is built again when a byte of the plan flipped', async () => {
    const reason = await damaged((path) => {
      const bytes = readFileSync(path);
      bytes[bytes.length >> 1]! ^= 1;
      writeFileSync(path, bytes);
    });
    expect(reason).toBe('the cached plan does not have the SHA-256 in its manifest');
  });

  it('is built again when the plan is cut short, empty, or gone', async () => {
    expect(
      await damaged((path) => writeFileSync(path, readFileSync(path).subarray(0, 1000))),
    ).toMatch(/^the cached plan has 1000 bytes and not \d+$/);
    expect(await damaged((path) => writeFileSync(path, ''))).toContain('has 0 bytes');
    expect(await damaged((path) => rmSync(path))).toBe('the cached engine lost its plan');
  });

  it('is built again when the manifest is missing, malformed, or of another entry', async () => {
    expect(await damaged((_, file) => rmSync(file))).toBe('the cached engine has no manifest');
    expect(await damaged((_, file) => writeFileSync(file, '{"format":'))).toBe(
      'the cached engine cannot be used: its manifest is malformed',
    );
    const other = newFolder();
    const { planPath } = await build(other, { computeCapabilities: [89] });
    const reason = await damaged((path, file) => {
      copyFileSync(planPath!, path);
      copyFileSync(`${planPath}.json`, file);
    });
    expect(reason).toBe('the manifest of the cached plan is not one of this cache');
  });
});

describe('a folder that cannot serve', () => {
  it('is refused when everybody may write to it, and the build goes on', async () => {
    const folder = newFolder();
    await build(folder);
    chmodSync(folder, 0o777);
    const { cache, warnings, planPath } = await build(folder);
    expect(cache).toMatchObject({ hit: false, folder });
    expect(cache.reason).toContain(`everybody may write to ${folder}`);
    expect(warnings.map(({ text }) => text)).toEqual([
      expect.stringContaining('The engine is not cached: everybody may write'),
    ]);
    expect(planPath).toBeUndefined();
  });

  it('is warned about when its group may write to it', async () => {
    const folder = newFolder();
    mkdirSync(folder);
    chmodSync(folder, 0o770);
    expect((await build(folder)).warnings).toEqual([
      { text: expect.stringContaining('A group may write to the engine cache') },
    ]);
    const second = await build(folder);
    expect(second.cache.hit).toBe(true);
    expect(second.warnings).toHaveLength(1);
    expect((await readManifest(second.planPath!))!.warnings).toEqual([]);
  });

  it('is named when it cannot be made, is a file, or takes no files', async () => {
    writeFileSync(join(root, 'file'), '');
    const cases = [
      [join(root, 'file', 'below'), 'cannot be read'],
      [join(root, 'file'), 'is not a folder'],
      ['/proc/self/none', 'cannot be made'],
    ] as const;
    for (const [folder, words] of cases) {
      const { cache, warnings, plan } = await build(folder);
      expect(plan.byteLength).toBeGreaterThan(1000);
      expect(cache.hit).toBe(false);
      expect(cache.reason).toContain(words);
      expect(warnings).toEqual([{ text: `The engine is not cached: ${cache.reason}` }]);
    }
    const { cache, warnings, plan } = await build('/proc/self');
    expect(plan.byteLength).toBeGreaterThan(1000);
    expect(cache).toMatchObject({ hit: false, reason: 'the cache has no engine with this key' });
    expect(warnings).toEqual([
      { text: expect.stringContaining('The engine is not cached: Cannot write /proc/self/') },
    ]);
  });

  it('is refused as an option that is neither a boolean nor a path', async () => {
    await expect(build(7 as unknown as string)).rejects.toThrow(
      'Expected a boolean or a folder for cache but received 7 of type number',
    );
    await expect(build('')).rejects.toThrow(TypeError);
  });
});

describe('equal builds at once', () => {
  it('share one build, and each has a plan of its own', async () => {
    const folder = newFolder();
    const phases: string[][] = [[], [], []];
    const results = await Promise.all(
      phases.map((list) => build(folder, { onProgress: ({ phase }) => list.push(phase) })),
    );
    // Whichever has read the model first builds.
    expect(results.filter(({ cache }) => !cache.hit)).toHaveLength(1);
    for (const { cache } of results.filter(({ cache }) => cache.hit)) {
      expect(cache.reason).toBe('another call of this process built it');
    }
    expect(results[1]!.plan).toEqual(results[0]!.plan);
    expect(results[1]!.plan.buffer).not.toBe(results[0]!.plan.buffer);
    expect(results[0]!.created).toBe(results[2]!.created);
    // All of them hear of the one build, from when they have read the model.
    const longest = phases.reduce((a, b) => (a.length < b.length ? b : a));
    for (const list of phases) {
      expect(list.length).toBeGreaterThan(2);
      expect(list).toEqual(longest.slice(-list.length));
    }
  });

  it('go on when one of the callers leaves, and stop when all do', async () => {
    const folder = newFolder();
    const first = new AbortController();
    const thrown = new Error('from onProgress');
    const reason = new Error('enough');
    let reports = 0;
    const [a, b, c] = await Promise.allSettled([
      build(folder, {
        signal: first.signal,
        onProgress: ({ phase }) => {
          if (phase !== 'cache') first.abort(reason);
        },
      }),
      build(folder, {
        onProgress: () => {
          reports += 1;
          throw thrown;
        },
      }),
      build(folder),
    ]);
    expect(a).toEqual({ status: 'rejected', reason });
    expect(b).toEqual({ status: 'rejected', reason: thrown });
    expect(reports).toBe(1);
    expect(c).toMatchObject({ status: 'fulfilled', value: { cache: { hit: true } } });

    const other = newFolder();
    const all = new AbortController();
    const stopped = await Promise.allSettled(
      [1, 2].map(() =>
        build(other, {
          signal: all.signal,
          onProgress: ({ phase }) => phase !== 'cache' && all.abort(reason),
        }),
      ),
    );
    expect(stopped).toEqual([1, 2].map(() => ({ status: 'rejected', reason })));
    // Nothing is stored, nothing stays locked, and the next one builds.
    expect((await build(other)).cache).toMatchObject({ hit: false });
    expect(readdirSync(other).filter((name) => name.endsWith('.lock'))).toEqual([]);
  });

  it('leave the wait for another process when told to', async () => {
    const folder = newFolder();
    const { key } = await explainCache(MODEL, { computeCapabilities: [80], cache: folder });
    mkdirSync(join(folder, `${key}.engine.lock`), { recursive: true, mode: 0o700 });
    chmodSync(folder, 0o700);
    const controller = new AbortController();
    const reason = new Error('no more time');
    const waiting = build(folder, {
      signal: controller.signal,
      onProgress: ({ phase }) => phase === 'wait' && controller.abort(reason),
    });
    await expect(waiting).rejects.toBe(reason);
    rmSync(join(folder, `${key}.engine.lock`), { recursive: true });
    expect((await build(folder)).cache).toMatchObject({ hit: false, key });
  });

  it('fail together when the build fails', async () => {
    const folder = newFolder();
    const bad = () => build(folder, { computeCapabilities: [90] });
    const outcomes = await Promise.allSettled([bad(), bad()]);
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: { code: 'TARGET_UNSUPPORTED' },
      });
    }
    expect(readdirSync(folder)).toEqual([]);
  });

  it('tell when an entry was last used', async () => {
    const folder = newFolder();
    const { planPath } = await build(folder);
    utimesSync(planPath!, 1000, 1000);
    await build(folder);
    expect(statSync(planPath!).mtimeMs).toBeGreaterThan(Date.now() - 60_000);
  });
});
