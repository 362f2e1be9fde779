import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTable } from '../../lib/calibration/index.js';
import { digits, model } from './calibrated-digits.js';
import { cli, cliJson, InstalledPackage } from './command-line.js';

const installed = new InstalledPackage();
let folder: string;
const at = (name: string) => join(folder, name);
/** The 40 images of the digits' calibration list, or the first ones of them. */
let common: string[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trtn-shards-'));
  await writeFile(at('plain.json'), JSON.stringify({ resize: { mode: 'none' } }));
  const list = `${digits}calib_list.txt`;
  common = [
    ...['calibrate', model, '--images', `${digits}images`, '--files', list],
    ...['--recipe', at('plain.json')],
  ];
});
afterAll(async () => {
  installed.remove();
  await rm(folder, { recursive: true });
});

const FILES = ['calibration.json', 'calibration.flatbuffers', 'calibration.cache'];
const SHUFFLED = [5, 2, 8, 1, 3, 7, 6, 4];

/** Eight shards as processes of their own, two at a time. */
async function shards(name: string, args: readonly string[]): Promise<string[]> {
  const queue = SHUFFLED.map((index) => async () => {
    const out = at(`${name}-${index}`);
    const { status, stderr } = await installed.run([
      ...[...common, ...args, '--shard', `${index}/8`, '--out', out, '--quiet'],
    ]);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    return out;
  });
  const folders: string[] = [];
  const work = async () => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) folders.push(await job());
  };
  await Promise.all([work(), work()]);
  return folders;
}

describe('eight shards as processes', () => {
  it.each([
    ['minmax', []],
    ['minmax-batches', ['--batch', '5', '--symmetric']],
  ])('%s: the files of one run, byte for byte', async (name, args) => {
    const parts = await shards(name, args);
    const merged = await cliJson(['merge', ...parts, '--out', at(`${name}-merged`)]);
    expect(merged.document).toMatchObject({ tensors: 21, parts: 8, method: 'minmax', images: 40 });
    const one = await cliJson([...common, ...args, '--out', at(`${name}-one`)]);
    expect(one.status).toBe(0);
    for (const file of FILES) {
      const [a, b] = [`${name}-one`, `${name}-merged`].map((dir) =>
        readFileSync(at(`${dir}/${file}`)),
      );
      expect(a!.equals(b!), file).toBe(true);
    }
    const { created: _, files: _files, ...provenance } = one.document.meta;
    expect(merged.document.meta).toMatchObject(provenance);
    expect(merged.document.meta.shard).toBeUndefined();
  });

  it.each([
    // Entropy with its defaults has one candidate, so its ranges are exact.
    ['entropy', [], 0],
    ['percentile', ['--percentile', '99.9'], 1.01],
  ])('%s: the ranges of one run, within a bin', async (method, options, bins) => {
    const args = ['--method', method, ...options];
    const parts = await shards(method, args);
    expect((await readdir(parts[0]!)).sort()).toEqual([
      'calibration.histograms',
      'calibration.meta.json',
    ]);
    const merged = await cli(['merge', ...parts, '--out', at(`${method}-merged`)]);
    expect(merged.stdout).toMatch(/^21 tensors from 8 parts, 40 images\nWritten:/);
    const again = await cli(['merge', ...parts.sort(), '--out', at(`${method}-sorted`)]);
    expect(again.status).toBe(0);
    for (const file of FILES) {
      const [a, b] = ['merged', 'sorted'].map((dir) =>
        readFileSync(at(`${method}-${dir}/${file}`)),
      );
      expect(a!.equals(b!), file).toBe(true);
    }
    const one = await cli([...common, ...args, '--out', at(`${method}-one`)]);
    expect(one.status).toBe(0);
    const [exact, found] = await Promise.all(
      ['one', 'merged'].map((dir) => readTable(at(`${method}-${dir}`))),
    );
    expect([...found!.ranges.keys()]).toEqual([...exact!.ranges.keys()]);
    for (const [name, range] of exact!.ranges) {
      const { edges } = range.histogram!;
      const width = bins * (edges[1]! - edges[0]!);
      expect(Math.abs(found!.ranges.get(name)!.lowest - range.lowest)).toBeLessThanOrEqual(width);
      expect(Math.abs(found!.ranges.get(name)!.highest - range.highest)).toBeLessThanOrEqual(width);
    }
  });
});

describe('merge', () => {
  const part = async (name: string, shard: string, ...args: string[]) => {
    const command = [...common, ...args, '--shard', shard, '--out', at(name)];
    expect((await cli(command)).status).toBe(0);
    return at(name);
  };
  let first: string;
  let second: string;
  beforeAll(async () => {
    first = await part('first', '1/2');
    second = await part('second', '2/2');
  });
  const merge = (...folders: string[]) => cli(['merge', ...folders, '--out', at('refused')]);

  it('names a missing shard, a repeated one, and what is no part', async () => {
    expect((await merge(first)).stderr).toMatch(/^error TABLE_INCOMPLETE: Shard 2\/2 is missing\n/);
    const twice = await merge(first, second, first);
    expect(twice.stderr).toContain(
      `TABLE_MISMATCH: Shard 1/2 is there twice: ${first} and ${first}`,
    );
    expect((await merge(at('nowhere'))).stderr).toMatch(/^error FILE_NOT_FOUND/);
    expect((await cli(['merge', '--out', at('x')])).status).toBe(2);
    await expect(readdir(at('refused'))).rejects.toThrow('ENOENT');
  });

  it.each([
    ['methods', ['--method', 'entropy']],
    ['methods', ['--symmetric']],
    ['samples', ['--count', '20']],
    ['samples', ['--count', '40', '--seed', '7']],
    ['batch sizes', ['--batch', '2']],
    ['recipes', ['--recipe', 'other.json']],
  ])('refuses parts with different %s: %j', async (what, args) => {
    await writeFile(at('other.json'), JSON.stringify({ resize: { mode: 'none' }, scale: 1 }));
    const given = args.map((arg) => (arg === 'other.json' ? at(arg) : arg));
    const other = await part(`other-${args.join('')}`, '2/2', ...given);
    const { status, stderr } = await merge(first, other);
    expect(status).toBe(1);
    const message = `${first} and ${other} were made with different ${what}`;
    expect(stderr).toContain(`error TABLE_MISMATCH: ${message}\n`);
    expect(stderr).toContain(`    ${other}: `);
  });

  it('warns when a part is looked at, and quantize refuses it', async () => {
    const looked = await cli(['inspect', first]);
    expect(looked.stderr).toContain('is shard 1/2 only: join all shards with `merge` first');
    const used = await cli(['quantize', model, '--calibration', first, '--out', at('q.onnx')]);
    expect(used.stderr).toMatch(/^error TABLE_INCOMPLETE: .*first is shard 1\/2 only\nJoin all/);
  });
});

describe('calibrate --shard', () => {
  it('says which part it is', async () => {
    const out = at('said');
    const { stdout } = await cli([...common, '--shard', 'auto/16', '--out', out], {
      env: { JOB_COMPLETION_INDEX: '4' },
    });
    expect(stdout).toMatch(/^21 tensors calibrated on 3 of 40 images, shard 5\/16, in /);
    const { document } = await cliJson([...common, '--shard', '5/16', '--out', out]);
    expect(document).toMatchObject({
      shard: { index: 5, count: 16 },
      images: 3,
      total: 40,
      available: 40,
      meta: { shard: { index: 5, count: 16, batch: 1 }, sample: { images: 3, total: 40 } },
    });
    const clash = await cli([...common, '--shard', '6/16', '--out', out]);
    expect(clash.stderr).toMatch(/^error WRITE_FAILED: .*said holds shard 5\/16 already\n/);
  });

  it('refuses more shards than batches, a moving average, and a wrong index', async () => {
    const refused = async (...args: string[]) => {
      const { status, stderr } = await cli([...common, ...args, '--out', at('none')]);
      return `${status} ${stderr}`;
    };
    expect(await refused('--shard', '1/41')).toMatch(
      /^1 .*error IMAGES_NOT_FOUND: 40 images are too few for 41 shards\nUse at most 40 shards/s,
    );
    expect(await refused('--shard', '1/9', '--batch', '5')).toContain(
      '40 images in 8 batches of 5 are too few for 9 shards',
    );
    expect(await refused('--shard', '1/2', '--moving-average')).toMatch(
      /^2 error: Expected no value for a shard, because .* for --moving-average but received 0.01/,
    );
    expect(await refused('--shard', '3/2')).toMatch(/^2 error: Expected an index from 1 to 2 for/);
  });

  it('counts what a shard left out', async () => {
    await writeFile(at('torn.png'), 'torn');
    await writeFile(
      at('list.txt'),
      `${at('torn.png')}\n${readFileSync(`${digits}calib_list.txt`, 'utf8')}`,
    );
    const args = [...common.map((arg) => (arg.endsWith('list.txt') ? at('list.txt') : arg))];
    const folders = [1, 2].map((index) => at(`torn-${index}`));
    for (const [place, out] of folders.entries()) {
      const shard = ['--skip-broken', '--shard', `${place + 1}/2`];
      expect((await cli([...args, ...shard, '--out', out])).status).toBe(0);
    }
    const { document } = await cliJson(['merge', ...folders, '--out', at('torn')]);
    expect(document.images).toBe(40);
    // The digest would be that of a list with the broken image in it.
    expect(document.meta.sample).toEqual({ images: 40 });
  });
});
