// What must not end the process, each in one of its own: the checks of scripts/bench/gpu, on the library
// as it is now.
import { spawn } from 'node:child_process';
import { cpSync, symlinkSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildEngine } from '../../lib/engine/index.js';
import { ended, InstalledPackage } from '../cli/command-line.js';
import { gpuProblem } from './gpu.js';

const problem = await gpuProblem();
const model = fileURLToPath(new URL('../../examples/digits/model.onnx', import.meta.url));
const shape = (rows: number) => [rows, 3, 32, 32];
const PROFILE = { input: { min: shape(1), opt: shape(8), max: shape(32) } };

/** Longer than any of them takes. */
const LIMIT_MS = 120_000;

describe.runIf(problem === undefined)('no crash', () => {
  let installed: InstalledPackage;
  let work: string;
  beforeAll(async () => {
    installed = new InstalledPackage();
    cpSync('scripts/bench', join(installed.root, 'scripts/bench'), { recursive: true });
    symlinkSync(resolve('examples'), join(installed.root, 'examples'));
    work = await mkdtemp(join(tmpdir(), 'trtn-gpu-'));
    const { plan } = await buildEngine(model, { profiles: [PROFILE], cache: false });
    await writeFile(join(work, 'digits.plan'), plan);
  });
  afterAll(async () => {
    installed.remove();
    await rm(work, { recursive: true });
  });

  /** What a check came to: a JSON document of a process that ended well. */
  async function check(name: string): Promise<Record<string, unknown>> {
    const script = join(installed.root, 'scripts/bench/gpu-check.mjs');
    const args = [script, '--work', work, '--child', name, '--plan', join(work, 'digits.plan')];
    const child = spawn(process.execPath, args, { timeout: LIMIT_MS, killSignal: 'SIGKILL' });
    const { status, stdout, stderr } = await ended(child);
    expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  /** The outcomes of a check by name: `done`, or code and message of an error. */
  const outcomesOf = async (name: string) =>
    (await check(name)).outcomes as Record<string, string | number>;

  it('of a plan that is cut off', async () => {
    const outcomes = Object.values(await outcomesOf('an empty, a short, a truncated plan'));
    expect(outcomes).toHaveLength(5);
    for (const outcome of outcomes) expect(outcome).toMatch(/^ENGINE_IN(VALID|COMPATIBLE): /);
  });

  it.each([
    ...['a byte flipped in the header', 'a byte flipped in the version'],
    ...['a byte flipped at 1%', 'a byte flipped at 50%', 'a byte flipped at the end'],
  ])('of a plan with %s', async (name) => {
    // TensorRT takes some of them: a weight may be any number.
    expect((await check(name)).outcome).toMatch(/^(done$|[A-Z_]+: )/);
  });

  it('of wrong feeds, and the right ones run after them', async () => {
    const { right, ...wrong } = await outcomesOf('wrong feeds');
    expect(right).toBe('done');
    expect(Object.keys(wrong)).toEqual(['none', 'name', 'type', 'rank', 'tooMany', 'noRows']);
    for (const outcome of Object.values(wrong)) expect(outcome).toMatch(/^[A-Z]\w+: /);
  });

  it('of a session that is disposed during runs', async () => {
    const outcomes = await outcomesOf('dispose during runs');
    expect(outcomes).toEqual({ done: 20 * 64 });
  });

  it('of a process that ends during runs, or a build', async () => {
    expect(await check('process.exit during runs')).toEqual({ left: 'runs' });
    expect(await check('process.exit during a build')).toEqual({ left: 'a build' });
    const ofWorker = await check('process.exit during a build of a worker');
    expect(ofWorker).toEqual({ left: 'a worker' });
    const { outcome } = await check('a build that was aborted, and nothing else to do');
    expect(outcome).toMatch(/aborted due to timeout|^done$/);
  });

  it('of a build that is aborted, and the next one is well', async () => {
    const { first, again } = await check('abort during a build');
    // A fast machine is done before that.
    expect(first).toMatch(/aborted due to timeout|^done$/);
    expect(again).toBe('done');
  });

  it('of 200 sessions one after the other, and no memory is lost', async () => {
    const { memory } = await check('create, run, release 200 times');
    const [first, ...later] = memory as { rss: number; gpuFreeBytes: number }[];
    const last = later.at(-1)!;
    expect(last.gpuFreeBytes / first!.gpuFreeBytes).toBeGreaterThan(0.99);
    expect(last.rss / first!.rss).toBeLessThan(1.05);
  });
});
