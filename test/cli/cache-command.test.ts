import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ageValue, sizeValue } from '../../lib/cli/values.js';
import { cacheText } from '../../lib/report/index.js';
import { cli, cliJson } from './command-line.js';

const root = mkdtempSync(join(tmpdir(), 'trtn-cache-cli-'));
afterAll(() => rmSync(root, { recursive: true }));
const cache = join(root, 'engines');
const MODEL = 'examples/digits/model.onnx';
const BUILD = ['--computeCapabilities=80,89', '--optShapes=input:1x3x32x32', '--cacheDir', cache];
const OUT = `--saveEngine=${join(root, 'out.engine')}`;

describe('the cache on the command line', () => {
  it('serves the second build, says so, and can be left alone', async () => {
    const first = await cliJson(['build', MODEL, OUT, ...BUILD]);
    expect(first.document).toMatchObject({ cache: { hit: false, folder: cache } });
    const second = await cliJson(['build', MODEL, OUT, ...BUILD]);
    expect(second.document).toMatchObject({
      cache: { hit: true, key: first.document.cache.key, reason: 'found in the cache' },
      manifest: first.document.manifest,
      layers: first.document.layers,
    });
    const text = await cli(['build', MODEL, OUT, ...BUILD]);
    expect(text.stdout).toMatch(
      /KiB engine from the cache, built by tensorrt_rtx 1\.7\.1 in .* on /,
    );
    const anew = await cliJson(['build', MODEL, OUT, ...BUILD, '--no-cache']);
    expect(anew.document.cache).toEqual({ hit: false, reason: 'the cache is turned off' });
  });

  it('lists what is there', async () => {
    const { document } = await cliJson(['cache', 'ls', '--cache-dir', cache]);
    expect(document).toMatchObject({
      folder: cache,
      entries: [{ manifest: { model: { file: 'model.onnx' } } }],
    });
    expect(document.entries[0].lastUsed).toMatch(/^\d{4}-\d\d-\d\dT/);
    const { stdout } = await cli(['cache', 'ls', '--cacheDir', cache]);
    expect(stdout).toContain(`${document.entries[0].key.slice(0, 12)}  model.onnx`);
    expect(stdout).toContain('profiles=input:1x3x32x32/1x3x32x32/1x3x32x32');
    expect(stdout).toContain(`${cache}: 1 engine, `);
    const empty = await cli(['cache', 'ls', '--cache-dir', join(root, 'none')]);
    expect(empty).toMatchObject({ status: 0, stdout: `${join(root, 'none')}: no engines\n` });
  });

  it('explains why an engine is reused or not', async () => {
    const hit = await cli(['cache', 'why', MODEL, ...BUILD]);
    expect(hit.stdout).toContain(`${cache}: reused, because the cache has this engine\n`);
    const args = ['cache', 'why', `--onnx=${MODEL}`, ...BUILD, '--builderOptimizationLevel=5'];
    const miss = await cli(args);
    expect(miss.status).toBe(0);
    expect(miss.stdout).toContain('not reused, because the cache has no engine with this key');
    expect(miss.stdout).toMatch(
      /[0-9a-f]{12} differs:\n {2}builderOptimizationLevel: default -> 5\n$/,
    );
    const { document } = await cliJson(args);
    expect(document).toMatchObject({
      hit: false,
      near: [{ differences: [{ part: 'builderOptimizationLevel', wanted: 5 }] }],
    });
    const none = await cli(['cache', 'why', MODEL, '--cacheDir', join(root, 'none')]);
    expect(none.stdout).toContain('No engine of this model is in the cache.');
  });

  it('explains the engine of bytes that `build` makes of a recipe', async () => {
    const recipe = join(root, 'halves.recipe.json');
    writeFileSync(recipe, JSON.stringify({ mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] }));
    const bytes = [MODEL, ...BUILD.slice(0, 2), '--cacheDir', join(root, 'bytes'), '--imageInput'];
    const { document: built } = await cliJson(['build', OUT, ...bytes, '--recipe', recipe]);
    const mine = await cliJson(['cache', 'why', ...bytes, '--recipe', recipe]);
    expect(mine.document).toMatchObject({ hit: true, key: built.cache.key });
    // The recipe beside the model has another mean.
    const { document } = await cliJson(['cache', 'why', ...bytes]);
    expect(document.hit).toBe(false);
    expect(document.near[0].differences).toContainEqual(
      expect.objectContaining({
        part: 'imageInput',
        cached: expect.objectContaining({ mean: [0.5, 0.5, 0.5] }),
        wanted: expect.objectContaining({ mean: null }),
      }),
    );
    const wrong = await cli(['cache', 'why', ...bytes, '--recipe', 'no-such-recipe']);
    expect(wrong).toMatchObject({ status: 1, stderr: expect.stringContaining('RECIPE_INVALID') });
  });

  it('removes what is old or too much, and says first what it would', async () => {
    const dry = await cli([
      'cache',
      'prune',
      '--cache-dir',
      cache,
      '--max-size',
      '1K',
      '--dry-run',
    ]);
    expect(dry.stdout).toMatch(/1 engine would be removed, \d+\.\d KiB; 0 engines stay\n$/);
    const young = await cliJson(['cache', 'prune', '--cache-dir', cache, '--older-than', '1d']);
    expect(young.document).toMatchObject({ removed: [], kept: [{}], dryRun: false });
    const all = await cli(['cache', 'prune', '--cache-dir', cache, '--all']);
    expect(all.stdout).toMatch(/1 engine removed, \d+\.\d KiB; 0 engines stay\n$/);
    const nothing = await cli(['cache', 'prune', '--cache-dir', cache]);
    expect(nothing.status).toBe(2);
    expect(nothing.stderr).toContain('Missing what to remove: --older-than, --max-size or --all');
  });
});

describe('its values', () => {
  it('are ages and sizes', () => {
    const age = ageValue('--older-than');
    expect(['90s', '1.5m', '12h', '30d', '2w'].map(age)).toEqual([
      90_000, 90_000, 43_200_000, 2_592_000_000, 1_209_600_000,
    ]);
    expect(() => age('30')).toThrow('a length of time such as 30d or 12h');
    const size = sizeValue('--max-size');
    expect(['0', '12', '1K', '500M', '4G', '1.5GiB', '1tb'].map(size)).toEqual([
      0, 12, 1024, 524_288_000, 4_294_967_296, 1_610_612_736, 1_099_511_627_776,
    ]);
    expect(() => size('much')).toThrow('a size such as 4G or 500M');
  });

  it('are shown in a table, with what cannot be used', () => {
    const now = Date.parse('2026-01-11T00:00:00Z');
    const text = cacheText(
      '/engines',
      [
        {
          key: 'a'.repeat(64),
          planPath: '',
          bytes: 2048,
          lastUsed: Date.parse('2026-01-10T23:59:50Z'),
          manifest: {
            format: 'tensorrt-node-engine',
            version: 1,
            plan: { file: '', bytes: 0, sha256: '' },
            library: { family: 'tensorrt8', version: '8.6.1' },
            model: { sha256: 'b'.repeat(64) },
            inputs: [],
            outputs: [],
            profiles: [],
            layerTypes: {},
            buildMs: 0,
            created: '2026-01-01T00:00:00Z',
            keyParts: {
              format: 1,
              model: { sha256: 'b'.repeat(64) },
              library: { family: 'tensorrt8', version: '8.6.1' },
              gpu: { name: 'NVIDIA A10', computeCapability: '8.6' },
              options: { flags: ['int8', 'fp16'], strict: false, tf32: true, optimizationLevel: 5 },
            },
          },
        },
        { key: 'c'.repeat(64), planPath: '', bytes: 1, lastUsed: now },
      ],
      now,
    );
    expect(text.split('\n').map((line) => line.trimEnd())).toEqual([
      'key           model         library          GPU            size  built    used  options',
      '------------  ------------  ---------------  ----------  -------  -----  ------  -----------------------------------------',
      'aaaaaaaaaaaa  bbbbbbbbbbbb  tensorrt8 8.6.1  NVIDIA A10  2.0 KiB   10 d  10.0 s  int8,fp16 tf32 builderOptimizationLevel=5',
      'cccccccccccc  ?                                              1 B      ?    0 µs  unusable',
      '/engines: 2 engines, 2.0 KiB; built and used so long ago',
    ]);
  });
});
