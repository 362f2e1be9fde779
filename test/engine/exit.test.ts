// The end of a process in the middle of a build that cannot be stopped, of a library that has registered
// an exit handler meanwhile: TensorRT 8.6 is such a library. A process that lets that handler run under
// the build crashes.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ended, InstalledPackage } from '../cli/command-line.js';
import { buildFakes, type FakeMajor, type FakeOptions, fakeEnvironment } from '../fakes/build.js';
import { compileLib, runModule } from './compiled-lib.js';

const MODEL = resolve('examples/digits/model.onnx');
const IMAGES = resolve('examples/digits/images');
const folder = mkdtempSync(join(tmpdir(), 'trtn-exit-'));
const majors: FakeMajor[] = [10];
for (const major of [8, 11] as const) if (await buildFakes(major)) majors.push(major);
let root: string;
let installed: InstalledPackage;
beforeAll(() => {
  root = compileLib();
  installed = new InstalledPackage();
});
afterAll(() => {
  installed.remove();
  for (const path of [root, folder]) rmSync(path, { recursive: true, force: true });
});

let count = 0;

/** Files that tell what the builder of one process did, and the environment of that process. */
async function stubborn(major: FakeMajor, tensorrt: FakeOptions = {}) {
  const number = count++;
  const files = {
    started: join(folder, `started-${number}`),
    finished: join(folder, `finished-${number}`),
    driver: join(folder, `driver-${number}`),
  };
  const fakes = await buildFakes(major);
  const env = fakeEnvironment(fakes!, {
    cuda: { report: files.driver },
    // Each step of the build would take an hour.
    tensorrt: {
      ...{ buildMs: 3_600_000, exitHandler: 1, ignoreMonitor: 1 },
      ...{ buildReport: files.started, finished: files.finished, ...tensorrt },
    },
  });
  return { files, env: { ...env, STARTED: files.started, TENSORRT_NODE_NO_CACHE: '1' } };
}

/** What every child begins with: `building` starts a build and comes back when it is under way. */
const PRELUDE = `
import { existsSync } from 'node:fs';
import { buildEngine } from './dist/engine/index.js';
const range = { min: [1, 3, 32, 32], opt: [4, 3, 32, 32], max: [8, 3, 32, 32] };
const building = async (signal) => {
  const done = buildEngine(${JSON.stringify(MODEL)}, { profiles: [{ input: range }], signal });
  done.catch(() => {});
  while (!existsSync(process.env.STARTED)) await new Promise((go) => setTimeout(go, 5));
  return { done };
};
`;

const IN_WORKER = `
import { Worker, isMainThread, parentPort } from 'node:worker_threads';
import { fileURLToPath } from 'node:url';
const inWorker = async () => {
  const worker = new Worker(fileURLToPath(import.meta.url));
  await new Promise((done, fail) => worker.once('message', done).once('error', fail));
  return worker;
};
const buildingForever = async () => {
  await building();
  parentPort.postMessage('building');
  setInterval(() => {}, 1000);
};
`;

describe.each(majors)('a build of TensorRT %i that cannot be stopped', (major) => {
  const run = async (source: string, tensorrt?: FakeOptions) => {
    const { files, env } = await stubborn(major, tensorrt);
    const child = await runModule(root, PRELUDE + source, { env });
    expect(existsSync(files.started)).toBe(true);
    return { ...child, finished: existsSync(files.finished), driver: files.driver };
  };

  it('is left behind by process.exit, which keeps its status and what was written', async () => {
    const child = await run(`
      await building();
      process.on('exit', () => console.log('heard'));
      process.exit(7);`);
    expect(child).toMatchObject({ status: 7, stdout: 'heard\n', stderr: '', finished: false });
  });

  it('is left behind by an exception that nobody catches', async () => {
    const child = await run(`
      await building();
      setTimeout(() => { throw new Error('nobody catches this'); });`);
    expect(child).toMatchObject({ status: 1, stdout: '', finished: false });
    expect(child.stderr).toContain('Error: nobody catches this');
  });

  it('is left behind by an event loop that has nothing else once it was aborted', async () => {
    const child = await run(`
      const controller = new AbortController();
      const { done } = await building(controller.signal);
      process.exitCode = 3;
      controller.abort(new Error('enough'));
      await done.catch(({ message }) => console.log(message));`);
    expect(child).toMatchObject({ status: 3, stdout: 'enough\n', stderr: '', finished: false });
  });

  it('is left behind by process.exit while a worker waits for it', async () => {
    const child = await run(`${IN_WORKER}
      if (isMainThread) {
        await inWorker();
        process.exit(5);
      } else {
        await buildingForever();
      }`);
    expect(child).toMatchObject({ status: 5, stdout: '', stderr: '', finished: false });
  });

  it('keeps neither the end of its worker nor that of the process', async () => {
    const child = await run(`${IN_WORKER}
      if (isMainThread) {
        const worker = await inWorker();
        await worker.terminate();
        console.log('terminated');
      } else {
        await buildingForever();
      }`);
    expect(child).toMatchObject({ status: 0, stdout: 'terminated\n', stderr: '', finished: false });
  });

  it.each([
    ['build', (out: string) => [`--saveEngine=${out}`, '--shapes=input:1x3x32x32']],
    ['calibrate', (out: string) => ['--images', IMAGES, '--provider', 'tensorrt', '--out', out]],
  ] as const)('is left behind by Ctrl-C on `%s`, which leaves no file', async (command, flags) => {
    const { files, env } = await stubborn(major);
    const out = join(folder, `${command}-${major}`);
    const child = installed.start([command, MODEL, ...flags(out), '--json'], env);
    const outcome = ended(child);
    while (!existsSync(files.started) && child.exitCode === null) {
      await new Promise((go) => setTimeout(go, 5));
    }
    child.kill('SIGINT');
    const { status, stdout } = await outcome;
    expect(status).toBe(130);
    expect(JSON.parse(stdout).error.code).toBe('INTERRUPTED');
    expect([existsSync(files.finished), existsSync(out)]).toEqual([false, false]);
  });
});

describe.each(majors.filter((major) => major >= 10))(
  'a build of TensorRT %i that can be stopped',
  (major) => {
    it('is stopped by process.exit, and every exit handler runs', async () => {
      const { files, env } = await stubborn(major, { ignoreMonitor: 0, buildMs: 50 });
      const child = await runModule(root, `${PRELUDE}await building(); process.exit(7);`, { env });
      expect(child).toMatchObject({ status: 7, stdout: '', stderr: '' });
      expect(existsSync(files.finished)).toBe(false);
      // The driver's own handler wrote it.
      expect(JSON.parse(readFileSync(files.driver, 'utf8'))).toMatchObject({
        deviceAllocations: 0,
      });
    });
  },
);
