import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TEMPORARY_PREFIX } from '../../lib/files.js';
import { writeImage } from '../tasks/colours.js';
import { ended, InstalledPackage, type Outcome } from './command-line.js';

const digits = fileURLToPath(new URL('../../examples/digits/', import.meta.url));
const model = `${digits}model.onnx`;

let installed: InstalledPackage;
let folder: string;
let stalled: Server;
const at = (name: string) => join(folder, name);
const until = async (test: () => boolean, interval = 5) => {
  while (!test()) await new Promise((done) => setTimeout(done, interval));
};

/** Starts a calibration and comes back when it is in the middle of its images. */
async function startEndless(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ child: ChildProcess; outcome: Promise<Outcome> }> {
  const asked = once(stalled, 'asked');
  const child = installed.start(args, env);
  const outcome = ended(child);
  await asked;
  return { child, outcome };
}

beforeAll(async () => {
  installed = new InstalledPackage();
  folder = await mkdtemp(join(tmpdir(), 'trtn-process-'));
  await writeFile(at('plain.json'), JSON.stringify({ resize: { mode: 'none' } }));
  // A calibration that is under way and cannot end: after forty images, the next is an address that
  // does not answer.
  stalled = createServer(() => {});
  stalled.on('request', () => stalled.emit('asked'));
  await new Promise<void>((done) => stalled.listen(0, '127.0.0.1', done));
  const list = await readFile(`${digits}calib_list.txt`, 'utf8');
  const { port } = stalled.address() as AddressInfo;
  await writeFile(at('endless.txt'), `${list}http://127.0.0.1:${port}/image.png\n`);
});
afterAll(async () => {
  installed.remove();
  stalled.closeAllConnections();
  stalled.close();
  await rm(folder, { recursive: true });
});

const calibrate = (out: string, files = at('endless.txt')) => [
  ...['calibrate', model, '--images', `${digits}images`, '--files', files],
  ...['--recipe', at('plain.json'), '--out', out],
];

/** What a folder holds, by name. */
const contents = (path: string) =>
  Object.fromEntries(
    readdirSync(path).map((name) => [name, readFileSync(join(path, name), 'hex')]),
  );

describe('the command as a process', () => {
  it('starts with a thread pool as large as the machine', async () => {
    const plain = await installed.run(['doctor', '--json'], { UV_THREADPOOL_SIZE: undefined });
    expect(plain.status).toBe(0);
    const { size } = JSON.parse(plain.stdout).threadPool;
    expect(size).toBe(Math.max(4, availableParallelism()));
    const set = await installed.run(['doctor', '--json'], { UV_THREADPOOL_SIZE: '7' });
    expect(JSON.parse(set.stdout).threadPool.size).toBe(7);
  });

  it('keeps results and messages apart, and ends with the status', async () => {
    const done = await installed.run(calibrate(at('done'), `${digits}calib_list.txt`));
    expect(done.status).toBe(0);
    expect(done.stdout).toMatch(/^21 tensors calibrated/);
    expect(done.stderr).toMatch(/^warning: Only 40/);
    expect((await installed.run(['inspect', at('nowhere')])).status).toBe(1);
    expect((await installed.run(['calibrat'])).status).toBe(2);
  });

  it('shows where an error comes from on request', async () => {
    const without = await installed.run(['inspect', at('nowhere')]);
    expect(without.stderr).not.toContain('    at ');
    for (const [args, env] of [
      [['--verbose'], {}],
      [[], { DEBUG: '1' }],
    ] as const) {
      const { stderr } = await installed.run(['inspect', at('nowhere'), ...args], env);
      expect(stderr).toMatch(/\n {4}at .*inspect\.js/);
    }
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)(
    'is ended by %s with status %d, and leaves what was there',
    async (signal, status) => {
      const out = at(`kept-${signal}`);
      await installed.run(calibrate(out, `${digits}calib_list.txt`));
      const before = contents(out);
      const child = installed.start([...calibrate(out), '--json']);
      const outcome = ended(child);
      // The warning about nothing comes late enough: the sidecar of the model is named first.
      await new Promise((done) => setTimeout(done, 1500));
      child.kill(signal);
      const { status: ended_, stdout } = await outcome;
      expect(ended_).toBe(status);
      expect(JSON.parse(stdout).error.code).toBe('INTERRUPTED');
      expect(contents(out)).toEqual(before);
    },
  );

  it('takes a signal that comes twice at once for one, as npx passes Ctrl-C on again', async () => {
    const { child, outcome } = await startEndless(calibrate(at('twice')));
    child.kill('SIGINT');
    child.kill('SIGINT');
    expect((await outcome).status).toBe(130);
    await expect(readdir(at('twice'))).rejects.toThrow('ENOENT');
  });

  it('is ended at once by a second Ctrl-C, whatever keeps it', async () => {
    const busy = '--import=data:text/javascript,setInterval(()=>{},1000)';
    const { child, outcome } = await startEndless(calibrate(at('second')), { NODE_OPTIONS: busy });
    child.kill('SIGINT');
    await once(child.stderr!, 'data');
    expect(child.exitCode).toBeNull();
    await until(() => !child.kill('SIGINT') || child.signalCode !== null, 100);
    expect((await outcome).status).toBeNull();
    expect(child.signalCode).toBe('SIGINT');
  });

  it('ends quietly when nobody reads its output any more', async () => {
    const child = installed.start([
      ...['classify', model, `${digits}images/train`, '--recipe', at('plain.json')],
    ]);
    child.stdout?.once('data', () => child.stdout?.destroy());
    const { status, stderr } = await ended(child);
    expect(status).toBe(0);
    expect(stderr).not.toContain('error');
    expect(stderr).not.toContain('EPIPE');
  });
});

describe('a write that cannot be finished', () => {
  it('says in a line that standard output takes no more', async () => {
    const full = await open('/dev/full', 'w');
    const launcher = join(installed.root, 'dist/cli/launcher.cjs');
    for (const json of [[], ['--json']]) {
      const child = spawn(process.execPath, [launcher, 'dataset', 'list', digits, ...json], {
        stdio: ['ignore', full.fd, 'pipe'],
      });
      const { status, stderr } = await ended(child);
      expect(status).toBe(1);
      expect(stderr).toBe(
        'error WRITE_FAILED: Cannot write to standard output: ENOSPC: no space left on device, write\n',
      );
    }
    await full.close();
  });

  it('keeps the file that was there when the process is killed in the middle', async () => {
    const out = at('large.npy');
    await writeImage(at('large.png'), [1, 2, 3], 4000, 3000);
    await writeFile(out, 'old');
    const args = ['preprocess', at('large.png'), '--recipe', at('plain.json'), '--out', out];
    const temporary = () => readdirSync(folder).find((name) => name.startsWith(TEMPORARY_PREFIX));
    const child = installed.start(args);
    const outcome = ended(child);
    await until(() => temporary() !== undefined || child.exitCode !== null);
    child.kill('SIGKILL');
    expect((await outcome).status).toBeNull();
    expect(await readFile(out, 'utf8')).toBe('old');
    await rm(at(temporary()!));
    expect((await installed.run(args)).status).toBe(0);
    expect(statSync(out).size).toBe(4000 * 3000 * 3 * 4 + 128);
    expect(temporary()).toBeUndefined();
  });

  it('keeps the whole set of files when one of them finds no room', async () => {
    const out = at('full');
    await installed.run(calibrate(out, `${digits}calib_list.txt`));
    const before = contents(out);
    // A limit on the size of files stands in for a full disk: calibration.json is larger than 2 KiB.
    const launcher = join(installed.root, 'dist/cli/launcher.cjs');
    const command = [process.execPath, launcher, 'convert', join(out, 'calibration.cache')];
    const child = spawn('bash', [
      ...['-c', 'ulimit -f 2; exec "$@"', 'bash', ...command, '--out', out],
    ]);
    const { status, stderr } = await ended(child);
    expect(stderr).toMatch(/error WRITE_FAILED: Cannot write .*calibration\.json: EFBIG/);
    expect(status).toBe(1);
    expect(contents(out)).toEqual(before);
  });
});
