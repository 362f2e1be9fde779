import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sensitivityText } from '../../lib/report/index.js';
import { calibratedDigits, digits, model } from './calibrated-digits.js';
import { cli, cliJson } from './command-line.js';

let folder: Awaited<ReturnType<typeof calibratedDigits>>;
const at = (name: string) => folder.at(name);
beforeAll(async () => {
  folder = await calibratedDigits();
});
afterAll(() => folder.remove());

const command = (out: string, ...more: string[]) => [
  ...['sensitivity', model, '--calibration', at('c'), '--images', `${digits}images/test`],
  ...['--count', '10', '--batch', '10', '--out', at(out), ...more],
];

describe('sensitivity', () => {
  it('prints the ranking and writes a list that quantize takes', async () => {
    const flags = ['--by', 'block', '--metric', 'distance', '--max-drop', '0'];
    const { status, stdout, stderr } = await cli(command('float.txt', ...flags));
    expect(status).toBe(0);
    expect(stderr).toBe('');
    expect(stdout).toMatch(
      /^All in INT8: same class for \d+ of 10 \(.* %\), logit distance 0\.\d+/,
    );
    expect(stdout).toMatch(/\nBlock +Agreement +Distance\n/);
    expect(stdout).toMatch(/\n\/layer1\/layer1\.0 +5 layers +[+-]?\d/);
    expect(stdout).toMatch(/\n\/conv1\/Conv +Conv +[+-]?\d/);
    expect(stdout).toContain('3 blocks that are enough in float for a drop of distance of at most');
    expect(stdout).toContain(`Written:\n  ${at('float.txt')}\n  ${at('float.txt.json')}`);

    const again = await cli(command('float.txt', ...flags));
    expect(again.stderr).toMatch(/^\d+ scores taken from .*float\.txt\.partial\.json\n$/);
    expect(again.stdout).toBe(stdout);

    const { document } = await cliJson([
      ...['quantize', model, '--calibration', at('c'), '--out', at('float.onnx')],
      ...['--exclude-file', at('float.txt'), '--exclude', '/fc/Gemm'],
    ]);
    expect(document.report.counts.Conv).toEqual({ quantized: 0, float: 7 });
    const reasons = document.report.nodes.map(({ reason }: { reason: string }) => reason);
    expect(reasons.filter((reason: string) => reason === 'EXCLUDED')).toHaveLength(12);
    const missing = await cli([
      ...['quantize', model, '--calibration', at('c'), '--out', at('x.onnx')],
      ...['--exclude-file', at('nowhere.txt')],
    ]);
    expect(missing.status).toBe(1);
    expect(missing.stderr).toMatch(/^error FILE_NOT_FOUND: .*nowhere\.txt/);
  });

  it('is one JSON document, and keeps partial results where it is told', async () => {
    const { status, document } = await cliJson(
      command(
        'json.txt',
        ...['--resume', at('kept.json'), '--exclude', '/conv1/Conv', '--exclude-types=Add'],
        ...['--target', 'onnxruntime', '--last-gemm', '--max-drop', '1', '--threads', '1'],
      ),
    );
    expect(status).toBe(0);
    expect(document).toMatchObject({ by: 'layer', target: 'onnxruntime', images: 10 });
    expect(document.units.map(({ name }: { name: string }) => name)).toContain('/fc/Gemm');
    expect(document.proposal).toMatchObject({ units: [], meets: true });
    expect(document.proposal.exclude).toContain('/conv1/Conv');
    expect(JSON.parse(await readFile(at('kept.json'), 'utf8')).scores).toHaveLength(
      document.units.length + 1,
    );
  });

  it('names a wrong drop', async () => {
    const { status, stderr } = await cli(command('x.txt', '--max-drop', '2'));
    expect(status).toBe(2);
    expect(stderr).toContain('Expected a number from 0 to 1 for --max-drop but received "2"');
  });
});

describe('the text', () => {
  const score = { images: 10, agreed: 5, agreement: 0.5, logitDistance: 1, relativeDistance: 0.5 };
  const unit = (name: string) => ({
    ...{ name, nodes: [name], opTypes: ['Conv'], score },
    ...{ agreementCost: 0.1, distanceCost: -0.25 },
  });
  const result = {
    ...{ by: 'layer' as const, metric: 'agreement' as const, target: 'tensorrt' as const },
    ...{ images: 10, broken: [], baseline: score, maxDrop: 0.01, reused: 0, files: [] },
    units: Array.from({ length: 60 }, (_, i) => unit(`layer ${i}`)),
    recipe: {} as never,
    proposal: { units: ['layer 0'], exclude: ['layer 0'], score, drop: 0.5, meets: false },
  };

  it('stays short, and says when nothing helps', () => {
    const text = sensitivityText(result);
    expect(text).toContain(
      '\nlayer 49  Conv   +10.00 %     -0.25\nand 10 more layers that cost less',
    );
    expect(text).toContain('No set of float layers brings a drop of agreement of at most 1.00 %');
  });

  it('says when nothing need stay float', () => {
    const proposal = { ...result.proposal, units: [], exclude: [], meets: true };
    expect(sensitivityText({ ...result, proposal })).toContain(
      'INT8 throughout keeps to a drop of agreement of at most 1.00 %: nothing need stay float.',
    );
  });
});
