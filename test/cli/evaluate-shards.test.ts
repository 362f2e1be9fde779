import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { colourFolder } from '../tasks/colours.js';
import { calibratedDigits, digits, model } from './calibrated-digits.js';
import { cli, cliJson } from './command-line.js';

let folder: Awaited<ReturnType<typeof calibratedDigits>>;
let colours: string;
const at = (name: string) => folder.at(name);
let common: string[];
beforeAll(async () => {
  folder = await calibratedDigits();
  colours = await colourFolder();
  const quantized = ['quantize', model, '--calibration', at('c'), '--target', 'onnxruntime'];
  expect((await cli([...quantized, '--last-gemm', '--out', at('int8.onnx')])).status).toBe(0);
  common = [
    ...['evaluate', model, '--against', at('int8.onnx'), '--images', `${digits}images`],
    ...['--files', `${digits}test_list.txt`, '--recipe', at('plain.json')],
  ];
});
afterAll(async () => {
  await folder.remove();
  await rm(colours, { recursive: true });
});

/** The report but for times, which no two runs have in common. */
function figures(document: Record<string, unknown>) {
  const { files, parts, shard, total, ...rest } = structuredClone(document) as Record<
    string,
    never
  >;
  for (const one of [rest.model, rest.against] as ({ inferenceMs?: number } | undefined)[]) {
    if (one !== undefined) delete one.inferenceMs;
  }
  return rest;
}

async function shards(count: number, name: string, args: readonly string[]): Promise<string[]> {
  const folders: string[] = [];
  for (let index = 1; index <= count; index += 1) {
    const out = at(`${name}-${index}`);
    const { status } = await cli([...args, '--shard', `${index}/${count}`, '--out', out]);
    expect(status).toBe(0);
    folders.push(out);
  }
  return folders;
}

describe('evaluate --shard', () => {
  it.each([
    ['1', 7],
    ['5', 4],
  ])('with --batch %s: %d shards join to the very report of one run', async (batch, count) => {
    const args = [...common, '--batch', batch];
    const one = await cliJson(args);
    expect(one.document.comparison.images).toBe(100);
    const parts = await shards(count, `b${batch}`, args);
    const [first, ...others] = parts;
    const merged = await cliJson(['merge', ...others.reverse(), first!, '--out', at('report')]);
    expect(merged.status).toBe(0);
    expect(figures(merged.document)).toEqual(figures(one.document));
    const written = JSON.parse(await readFile(at('report/evaluation.json'), 'utf8'));
    expect(figures(written)).toEqual(figures(one.document));
    const text = await cli(['merge', ...parts, '--out', at('report')]);
    expect(text.stdout).toContain('Agreement of the two models');
    expect(text.stdout).toContain(`Written:\n  ${at('report/evaluation.json')}`);
  });

  it('joins accuracy alone, and images that were left out, in the order of the sample', async () => {
    await writeFile(join(colours, 'images/blue/0.png'), 'torn');
    await writeFile(join(colours, 'images/red/9.png'), 'torn');
    const args = [
      ...['evaluate', join(colours, 'model.onnx'), '--images', join(colours, 'images')],
      ...['--recipe', at('plain.json'), '--skip-broken'],
    ];
    const one = await cliJson(args);
    const parts = await shards(2, 'colours', args);
    const merged = await cliJson(['merge', ...parts.reverse(), '--out', at('colours')]);
    expect(figures(merged.document)).toEqual(figures(one.document));
    expect(merged.document.broken.map(({ source }: { source: string }) => source)).toEqual([
      'blue/0.png',
      'red/9.png',
    ]);
    expect(merged.document.comparison).toBeUndefined();
  });

  it('says which shard is missing, repeated or of another evaluation', async () => {
    const [first, second] = await shards(2, 'two', common);
    const merge = async (...folders: string[]) =>
      (await cli(['merge', ...folders, '--out', at('none')])).stderr;
    expect(await merge(second!)).toMatch(/^error TABLE_INCOMPLETE: Shard 1\/2 is missing\nRun the/);
    expect(await merge(first!, first!)).toMatch(/^error TABLE_MISMATCH: Shard 1\/2 is there twice/);
    const count = ['--count', '50'];
    const other = await shards(2, 'other', [...common, ...count]);
    expect(await merge(first!, other[1]!)).toMatch(/TABLE_MISMATCH: .* with different samples/);
    const plain = common.filter((arg) => arg !== '--against' && arg !== at('int8.onnx'));
    const alone = await shards(2, 'alone', plain);
    expect(await merge(first!, alone[1]!)).toMatch(/TABLE_MISMATCH: .* with different methods/);
    expect(await merge(first!, at('c'))).toMatch(
      /FILE_NOT_FOUND: .* holds no evaluation.part.json/,
    );
    await writeFile(at('alone-2/evaluation.part.json'), '{"meta": {"version": 1}}');
    expect(await merge(first!, at('alone-2'))).toMatch(/TABLE_INVALID: .*evaluation.part.json: /);
    const clash = await cli([...common, '--shard', '2/2', '--out', first!]);
    expect(clash.stderr).toMatch(/^error WRITE_FAILED: .* holds shard 1\/2 already/m);
  });

  it.each<[string[], string]>([
    [['--shard', '1/2'], 'Missing option --out <dir> with --shard'],
    [['--out', 'x'], '--out means nothing without --shard'],
    [['--shard', '0/2', '--out', 'x'], 'Expected an index from 1 to 2 for --shard'],
  ])('%j is wrong usage', async (args, message) => {
    const { status, stderr } = await cli([...common, ...args]);
    expect(stderr).toContain(message);
    expect(status).toBe(2);
    const styled = await cli(['merge', at('two-1'), '--style', 'exact', '--out', at('none')]);
    expect(styled.stderr).toContain('--style means nothing to an evaluation');
  });
});
