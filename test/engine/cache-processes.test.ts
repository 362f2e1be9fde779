import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildFakes, type FakeOptions, type Fakes, fakeEnvironment } from '../fakes/build.js';
import { type ChildResult, compileLib } from './compiled-lib.js';

const folders = mkdtempSync(join(tmpdir(), 'trtn-cache-processes-'));
let root: string;
let fakes: Fakes;
beforeAll(async () => {
  root = compileLib();
  fakes = await buildFakes();
});
afterAll(() => {
  for (const folder of [root, folders]) rmSync(folder, { recursive: true, force: true });
});

let count = 0;
const newFolder = () => join(folders, `engines-${count++}`);

/** What every child begins with. Lines on stdout are JSON. */
const PRELUDE = `
const { buildEngine, explainCache } = await import('./dist/engine/index.js');
const MODEL = ${JSON.stringify(resolve('examples/digits/model.onnx'))};
const range = { min: [1, 3, 32, 32], opt: [4, 3, 32, 32], max: [8, 3, 32, 32] };
const OPTIONS = { profiles: [{ input: range }] };
const say = (value) => process.stdout.write(JSON.stringify(value) + '\\n');
const build = async (options = {}) => {
  const { cache, created, warnings, planPath } = await buildEngine(MODEL, { ...OPTIONS, ...options });
  const { hit, reason } = cache;
  return { hit, reason, created, warnings: warnings.map(({ text }) => text), planPath };
};
`;

interface Child {
  process: ChildProcess;
  done: Promise<ChildResult>;
}

function start(
  folder: string,
  source: string,
  options: { cuda?: FakeOptions; tensorrt?: FakeOptions; shell?: string; rtx?: boolean } = {},
): Child {
  const file = join(root, `child-${count++}.mjs`);
  writeFileSync(file, source);
  const environment = options.rtx ? process.env : fakeEnvironment(fakes, options);
  const env: NodeJS.ProcessEnv = { ...environment, TENSORRT_NODE_CACHE_DIR: folder };
  delete env.TENSORRT_NODE_NO_CACHE;
  const child =
    options.shell === undefined
      ? spawn(process.execPath, [file], { env })
      : spawn('sh', ['-c', `${options.shell}; exec "$0" "$1"`, process.execPath, file], { env });
  const result = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    result.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    result.stderr += chunk;
  });
  const done = new Promise<ChildResult>((settle) => {
    child.on('close', (code, signal) => settle({ ...result, status: signal ?? code ?? -1 }));
  });
  return { process: child, done };
}

/** The one line that a child printed; fails when it did not end well. */
async function answer(child: Child) {
  const { status, stdout, stderr } = await child.done;
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout);
}

/** Makes a process kill itself in place of its n-th rename: what it wrote is there under another name. */
const kill = (at: number) => `
      import fs from 'node:fs/promises';
      import { syncBuiltinESMExports } from 'node:module';
      const { rename } = fs;
      let renames = 0;
      fs.rename = (...names) => {
        renames += 1;
        if (renames === ${at}) process.kill(process.pid, 'SIGKILL');
        return rename(...names);
      };
      syncBuiltinESMExports();`;

const BUILD = `${PRELUDE} say(await build());`;
const engines = (folder: string) => readdirSync(folder).filter((name) => /^[0-9a-f]/.test(name));

describe('processes with one cache', () => {
  it('build an engine once when they begin at the same time', async () => {
    const folder = newFolder();
    const slow = { tensorrt: { buildMs: 40 } };
    const results = await Promise.all([1, 2, 3].map(() => answer(start(folder, BUILD, slow))));
    expect(results.filter(({ hit }) => !hit)).toHaveLength(1);
    expect(new Set(results.map(({ created }) => created)).size).toBe(1);
    expect(engines(folder)).toHaveLength(2);
  });

  it('go on when the one that builds is killed', async () => {
    const folder = newFolder();
    const first = start(
      folder,
      `${PRELUDE} await build({ onProgress: ({ phase }) => phase !== 'cache' && say('building') });`,
      { tensorrt: { buildMs: 60_000 } },
    );
    await new Promise((begun) => first.process.stdout!.once('data', begun));
    const second = start(
      folder,
      `${PRELUDE}
      const phases = new Set();
      const result = await build({ onProgress: ({ phase }) => phases.add(phase) });
      say({ ...result, phases: [...phases] });`,
    );
    first.process.kill('SIGKILL');
    expect((await first.done).status).toBe('SIGKILL');
    // Its lock is not renewed any more and counts as given back after ten seconds.
    const result = await answer(second);
    expect(result).toMatchObject({ hit: false, warnings: [] });
    expect(result.phases).toContain('wait');
    expect(await answer(start(folder, BUILD))).toMatchObject({ hit: true });
  });

  it('never fail because one was killed while it wrote', async () => {
    // In place of the first and of the second rename: nothing in place yet, the plan alone.
    const reasons: string[] = [];
    for (const at of [1, 2]) {
      const folder = newFolder();
      expect((await start(folder, `${kill(at)} ${BUILD}`).done).status).toBe('SIGKILL');
      const left = readdirSync(folder);
      expect(left.filter((name) => name.startsWith('.tensorrt-node-tmp-'))).toHaveLength(3 - at);
      for (const name of left.filter((name) => name.endsWith('.lock'))) {
        utimesSync(join(folder, name), 1000, 1000);
      }
      const result = await answer(start(folder, BUILD));
      expect(result).toMatchObject({ hit: false, warnings: [] });
      reasons.push(result.reason);
      expect(await answer(start(folder, BUILD))).toMatchObject({ hit: true });
      // What the killed one left is gone.
      expect(readdirSync(folder).toSorted()).toEqual(engines(folder).toSorted());
      expect(engines(folder)).toHaveLength(2);
    }
    expect(reasons).toEqual([
      'the cache has no engine with this key',
      'the cached engine has no manifest',
    ]);
  });

  it('keep a timing cache that one was killed over', async () => {
    const folder = newFolder();
    const file = join(folder, 'timings');
    const timed = `${PRELUDE} say(await build({ cache: false, timingCacheFile: ${JSON.stringify(file)} }));`;
    expect((await start(folder, `${kill(1)} ${timed}`).done).status).toBe('SIGKILL');
    const forget = () => {
      // The lock of a process that is gone, as it is ten seconds later.
      for (const name of readdirSync(folder).filter((one) => one.endsWith('.lock'))) {
        utimesSync(join(folder, name), 1000, 1000);
      }
    };
    forget();
    expect(readdirSync(folder)).not.toContain('timings');
    expect(await answer(start(folder, timed))).toMatchObject({ warnings: [] });
    const kept = readFileSync(file);
    expect(kept.byteLength).toBeGreaterThan(0);
    expect((await start(folder, `${kill(1)} ${timed}`).done).status).toBe('SIGKILL');
    forget();
    expect(readFileSync(file)).toEqual(kept);
    expect(await answer(start(folder, timed))).toMatchObject({ warnings: [] });
  });

  it('build without the cache when the disk takes no more', async () => {
    const folder = newFolder();
    const full = start(folder, `process.on('SIGXFSZ', () => {}); ${BUILD}`, {
      shell: 'ulimit -f 4',
      rtx: true,
    });
    const { stdout, status } = await full.done;
    expect(status).toBe(0);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({
      hit: false,
      warnings: [
        expect.stringMatching(/^The engine is not cached: Cannot write .*\.engine: EFBIG/),
      ],
    });
    expect(result).not.toHaveProperty('planPath');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('take a cached engine without loading what builds one', async () => {
    const folder = newFolder();
    const source = `${PRELUDE}
      const result = await build();
      const loaded = process.report.getReport().sharedObjects.map((path) => path.split('/').at(-1));
      say({ ...result, loaded: loaded.filter((name) => /tensorrt10\\.node|onnxparser/.test(name)) });`;
    const first = await answer(start(folder, source));
    expect(first).toMatchObject({ hit: false });
    expect(first.loaded.toSorted()).toEqual(['libnvonnxparser.so.10', 'tensorrt10.node']);
    expect(await answer(start(folder, source))).toMatchObject({ hit: true, loaded: [] });
  });
});

describe('another machine', () => {
  it('has other keys: version, GPU and compute capability are told apart, and named', async () => {
    const folder = newFolder();
    const at = (cuda: FakeOptions, tensorrt: FakeOptions = {}) => ({ cuda, tensorrt });
    const here = at({ name: 'NVIDIA A10', cc: '8.6' }, { version: 101200 });
    expect(await answer(start(folder, BUILD, here))).toMatchObject({ hit: false });
    const explain = (options: ReturnType<typeof at>) =>
      answer(
        start(
          folder,
          `${PRELUDE}
          const { hit, near } = await explainCache(MODEL, OPTIONS);
          say({ hit, texts: near.map(({ differences }) => differences.map(({ text }) => text)) });`,
          options,
        ),
      );
    expect(await explain(here)).toEqual({ hit: true, texts: [] });
    expect(await explain(at({ name: 'NVIDIA A10', cc: '8.6' }, { version: 100300 }))).toEqual({
      hit: false,
      texts: [['TensorRT 10.12.0 -> TensorRT 10.3.0']],
    });
    expect(await explain(at({ name: 'NVIDIA H200', cc: '9.0' }, { version: 101200 }))).toEqual({
      hit: false,
      texts: [['GPU: NVIDIA A10 (8.6) -> NVIDIA H200 (9.0)']],
    });
    expect(await answer(start(folder, BUILD, here))).toMatchObject({ hit: true });
  });
});
