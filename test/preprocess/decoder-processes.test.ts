import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileLib, runModule } from '../engine/compiled-lib.js';
import { childrenOf, isRunning, until } from './processes.js';
import { cases, PILLOW } from './support.js';

let lib: string;
let folder: string;
let prelude: string;
beforeAll(async () => {
  lib = compileLib();
  folder = await mkdtemp(join(tmpdir(), 'decoder-processes-'));
  for (const name of cases.images) await copyFile(join(PILLOW, name), join(folder, name));
  await writeFile(join(folder, 'broken.png'), 'nothing');
  prelude = `
    import { createHash } from 'node:crypto';
    import { readdirSync, readFileSync } from 'node:fs';
    import { PRESETS, imageBatches, pixelBatches } from './dist/preprocess/index.js';
    const root = ${JSON.stringify(folder)};
    const names = ${JSON.stringify([...cases.images, 'broken.png', 'missing.png'])};
    const resize = { mode: 'shorter-side', size: 24, divisor: 8 };
    const recipe = { ...PRESETS.notebook, resize };
    /** Long enough for processes to start and to do most of it. */
    const sources = Array.from({ length: 40 }, () => names).flat();
    const children = () => readdirSync('/proc').filter((name) => {
      try {
        const stat = readFileSync('/proc/' + name + '/stat', 'utf8');
        return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] === String(process.pid);
      } catch {
        return false;
      }
    }).map(Number);
    const say = (value) => console.log(JSON.stringify(value));
  `;
});
afterAll(async () => {
  rmSync(lib, { recursive: true, force: true });
  await rm(folder, { recursive: true, force: true });
});

/** What a module says in its one line, when it ends well and silently. */
async function say(source: string, env: NodeJS.ProcessEnv = {}) {
  const { status, stdout, stderr } = await runModule(lib, prelude + source, { env });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout);
}

/** Starts a module that is not left to end by itself. */
function start(source: string): ChildProcess {
  const file = join(lib, `long-${Math.random().toString(36).slice(2)}.mjs`);
  writeFileSync(file, prelude + source);
  return spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'pipe'] });
}

const DIGEST = `
  const run = async (make, processes) => {
    const hash = createHash('sha256');
    const broken = [];
    let most = 0;
    let batches = 0;
    const onBroken = ({ index, error }) => broken.push([index, error.message, error.code]);
    const options = { root, batch: 4, skipBroken: true, onBroken, processes };
    for await (const { tensor, indices } of make(sources, recipe, options)) {
      hash.update(JSON.stringify([indices, tensor.dims]));
      hash.update(new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength));
      if (batches++ % 100 === 0) most = Math.max(most, children().length);
    }
    return { digest: hash.digest('hex'), broken, most };
  };
`;

describe('imageBatches with decoder processes', () => {
  it('gives the batches that it gives without, in the same order', async () => {
    const [without, one, pixels, pixelsThere] = await say(`${DIGEST}
      say([
        await run(imageBatches, 0),
        await run(imageBatches, 2),
        await run(pixelBatches, 0),
        await run(pixelBatches, 2),
      ]);
    `);
    expect([without.most, one.most, pixels.most, pixelsThere.most]).toEqual([0, 2, 2, 2]);
    expect(one.digest).toBe(without.digest);
    expect(one.broken).toEqual(without.broken);
    expect(one.broken).toHaveLength(80);
    expect(pixelsThere.digest).toBe(pixels.digest);
    expect(pixels.digest).not.toBe(without.digest);
  });

  it('gives the same batches while its processes are killed, one after the other', async () => {
    const [without, killed, deaths] = await say(`${DIGEST}
      const without = await run(imageBatches, 0);
      let deaths = 0;
      const timer = setInterval(() => {
        const [pid] = children();
        if (pid === undefined) return;
        process.kill(pid, 'SIGKILL');
        deaths += 1;
      }, 150);
      const killed = await run(imageBatches, 3);
      clearInterval(timer);
      say([without, killed, deaths]);
    `);
    expect(killed.digest).toBe(without.digest);
    expect(killed.broken).toEqual(without.broken);
    expect(deaths).toBeGreaterThan(0);
  });

  it('stops at an image that cannot be read, and when aborted', async () => {
    const { error, reason, done } = await say(`
      const list = [...sources.filter((name) => !/broken|missing/.test(name)), 'broken.png'];
      const controller = new AbortController();
      let done = 0;
      const run = async (list, options) => {
        for await (const batch of imageBatches(list, recipe, { root, processes: 1, ...options })) {
          done = batch.indices[0];
          if (options.signal !== undefined && done === 700) controller.abort(new Error('enough'));
        }
      };
      const { code, message } = await run(list, {}).catch((error) => error);
      const { signal } = controller;
      const reason = (await run(list, { signal }).catch((error) => error)).message;
      say({ error: { code, message }, reason, done });
    `);
    expect(error.code).toBe('IMAGE_INVALID');
    expect(error.message).toContain('Cannot read image broken.png: ');
    expect({ reason, done }).toEqual({ reason: 'enough', done: 700 });
  });

  it('takes the number from the environment, which can say none', async () => {
    const source = `${DIGEST} say((await run(imageBatches, undefined)).most);`;
    expect(await say(source, { TENSORRT_NODE_DECODE_PROCESSES: '1' })).toBe(1);
    expect(await say(source, { TENSORRT_NODE_DECODE_PROCESSES: '0' })).toBe(0);
    const wrong = await say(
      `try { imageBatches([], recipe) } catch ({ name, message }) { say({ name, message }) }`,
      { TENSORRT_NODE_DECODE_PROCESSES: 'few' },
    );
    expect(wrong).toEqual({
      name: 'RangeError',
      message:
        'Expected an integer from 0 to 64 for TENSORRT_NODE_DECODE_PROCESSES but received ' +
        '"few" of type string',
    });
  });

  it('does not keep a program alive that left the loop without saying so', async () => {
    const kept = await say(`
      const batches = imageBatches(sources, recipe, { root, processes: 1 });
      await batches.next();
      say(children().length);
    `);
    expect(kept).toBe(1);
  });

  it('keeps processes for the next call, and ends them when none comes', async () => {
    const { first, second, later } = await say(`
      const list = names.slice(0, 4);
      const options = { root, processes: 1 };
      const run = async () => {
        for await (const batch of imageBatches(list, recipe, options));
        return children();
      };
      const first = await run();
      const second = await run();
      while (children().length > 0) await new Promise((resolve) => setTimeout(resolve, 50));
      say({ first, second, later: (await run()).length });
    `);
    expect(first).toHaveLength(1);
    expect(second).toEqual(first);
    expect(later).toBe(1);
  });

  it('starts others in place of those that were killed in between', async () => {
    const { first, second, read } = await say(`
      const options = { root, processes: 2 };
      const run = async () => {
        let read = 0;
        for await (const { indices } of imageBatches(['420.jpg', '422.jpg'], recipe, options)) {
          read += indices.length;
        }
        return read;
      };
      let read = await run();
      const first = children();
      process.kill(first[0], 'SIGKILL');
      while (children().length > 1) await new Promise((resolve) => setTimeout(resolve, 10));
      read += await run();
      say({ first, second: children(), read });
    `);
    expect(read).toBe(4);
    expect(first).toHaveLength(2);
    expect(second.filter((pid: number) => !first.includes(pid))).toHaveLength(2);
  });

  it('leaves no process when it is killed', async () => {
    const parent = start(`
      const endless = Array.from({ length: 5000 }, () => '420.jpg');
      for await (const _ of imageBatches(endless, recipe, { root, processes: 2 }));
    `);
    try {
      await until(() => childrenOf(parent.pid!).length === 2);
      const pids = childrenOf(parent.pid!);
      parent.kill('SIGKILL');
      await until(() => !pids.some(isRunning));
    } finally {
      parent.kill('SIGKILL');
    }
  });

  it('ends silently on Ctrl-C, which reaches all processes of the terminal', async () => {
    const file = join(lib, 'interrupted.mjs');
    writeFileSync(
      file,
      `${prelude}
      const endless = Array.from({ length: 50000 }, () => '420.jpg');
      const controller = new AbortController();
      process.once('SIGINT', () => controller.abort(new Error('interrupted')));
      const options = { root, processes: 2, signal: controller.signal };
      try {
        for await (const _ of imageBatches(endless, recipe, options));
      } catch ({ message }) {
        say(message);
      }`,
    );
    // A group of its own, so that the signal reaches these processes and no test.
    const parent = spawn(process.execPath, [file], { detached: true, stdio: 'pipe' });
    const text = { stdout: '', stderr: '' };
    parent.stdout.on('data', (chunk) => {
      text.stdout += chunk;
    });
    parent.stderr.on('data', (chunk) => {
      text.stderr += chunk;
    });
    const status = new Promise((settle) => parent.once('close', settle));
    await until(() => childrenOf(parent.pid!).length === 2);
    process.kill(-parent.pid!, 'SIGINT');
    expect(await status).toBe(0);
    expect(text).toEqual({ stdout: '"interrupted"\n', stderr: '' });
  });
});
