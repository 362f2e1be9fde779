import { fstatSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { TEMPORARY_PREFIX } from '../../lib/files.js';
import { Decoder } from '../../lib/preprocess/decoder.js';
import { DecoderPool } from '../../lib/preprocess/decoder-pool.js';
import {
  automaticProcesses,
  borrowDecoders,
  requestedProcesses,
} from '../../lib/preprocess/decoders.js';
import { readSized } from '../../lib/preprocess/image.js';
import { imageBatches, type Recipe } from '../../lib/preprocess/index.js';
import { PixelMemory } from '../../lib/preprocess/pixel-memory.js';
import { compileLib } from '../engine/compiled-lib.js';
import { isRunning, until } from './processes.js';
import { AS_IS, cases, PILLOW } from './support.js';

const memory = new PixelMemory();
const RECIPE: Recipe = { ...AS_IS, resize: { mode: 'shorter-side', size: 24, divisor: 8 } };

let lib: string;
let entry: string;
let folder: string;
/** Every fixture, and between them images that cannot be read. */
let mixed: string[];
beforeAll(async () => {
  lib = compileLib();
  entry = join(lib, 'dist/preprocess/decoder-process.js');
  folder = await mkdtemp(join(tmpdir(), 'decoders-'));
  for (const name of cases.images) await copyFile(join(PILLOW, name), join(folder, name));
  await writeFile(join(folder, 'broken.png'), 'nothing');
  const jpeg = readFileSync(join(PILLOW, '420.jpg'));
  await writeFile(join(folder, 'short.jpg'), jpeg.subarray(0, jpeg.length / 2));
  mixed = [...cases.images, 'broken.png', 'missing.png', 'short.jpg'];
});
afterAll(async () => {
  rmSync(lib, { recursive: true, force: true });
  await rm(folder, { recursive: true, force: true });
});

/** Descriptors of the files that this process shares with decoders. */
function sharedFiles(): number[] {
  return readdirSync('/proc/self/fd')
    .filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).includes(TEMPORARY_PREFIX);
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** What became of a reading, in full. */
async function outcome(reading: Promise<unknown>): Promise<unknown> {
  try {
    return await reading;
  } catch (error) {
    const { name, message, code, remedy, detail } = error as Error & Record<string, unknown>;
    return { name, message, code, remedy, detail };
  }
}

describe('how many processes decode', () => {
  it('is one for four cores, where there are cores and images enough', () => {
    expect(automaticProcesses(2, 10_000)).toBe(0);
    expect(automaticProcesses(7, 10_000)).toBe(0);
    expect(automaticProcesses(8, 511)).toBe(0);
    expect(automaticProcesses(8, 512)).toBe(2);
    expect(automaticProcesses(15, 512)).toBe(3);
    expect(automaticProcesses(16, 7686)).toBe(4);
    expect(automaticProcesses(32, 7686)).toBe(8);
    expect(automaticProcesses(192, 7686)).toBe(8);
  });

  it('is what the option says, else the variable', () => {
    const env = (value: string) => ({ TENSORRT_NODE_DECODE_PROCESSES: value });
    expect(requestedProcesses(undefined, {})).toBeUndefined();
    expect(requestedProcesses(undefined, env(''))).toBeUndefined();
    expect(requestedProcesses(undefined, env('0'))).toBe(0);
    expect(requestedProcesses(undefined, env(' 6 '))).toBe(6);
    expect(requestedProcesses(3, env('6'))).toBe(3);
    for (const wrong of ['-1', '1.5', 'many', '65', '1e1']) {
      expect(() => requestedProcesses(undefined, env(wrong))).toThrow(
        'Expected an integer from 0 to 64 for TENSORRT_NODE_DECODE_PROCESSES',
      );
    }
    expect(() => imageBatches([], AS_IS, { processes: -1 })).toThrow(RangeError);
    expect(() => imageBatches([], AS_IS, { processes: 65 })).toThrow(RangeError);
    expect(() => imageBatches([], AS_IS, { processes: 0.5 })).toThrow('processes');
    expect(() => imageBatches([], AS_IS, { processes: '2' as never })).toThrow(TypeError);
  });

  it('is settled when the batches are asked for', async () => {
    const batches = imageBatches(['420.jpg'], AS_IS, { root: folder });
    process.env.TENSORRT_NODE_DECODE_PROCESSES = 'few';
    try {
      expect(() => imageBatches(['420.jpg'], AS_IS, { root: folder })).toThrow(RangeError);
      expect((await batches.next()).value!.sources).toEqual(['420.jpg']);
    } finally {
      delete process.env.TENSORRT_NODE_DECODE_PROCESSES;
      await batches.return();
    }
  });

  it('is none where there is no compiled entry', () => {
    expect(borrowDecoders(['a.png'], 2)).toBeUndefined();
    expect(borrowDecoders(['a.png'], 0)).toBeUndefined();
    expect(borrowDecoders(['a.png'], undefined)).toBeUndefined();
  });
});

describe('decoder processes on loan', () => {
  it('are the same ones for all who ask, until a while after the last gave them back', async () => {
    const first = borrowDecoders(['a.png'], 1, entry)!;
    const second = borrowDecoders(['b.png'], 1, entry)!;
    const more = borrowDecoders(['b.png'], 2, entry)!;
    const { pids } = first.pool;
    expect(second.pool).toBe(first.pool);
    expect(more.pool).not.toBe(first.pool);
    more.release();
    first.release();
    second.release();
    const third = borrowDecoders(['c.png'], 1, entry)!;
    expect(third.pool).toBe(first.pool);
    expect(pids).toHaveLength(1);
    third.release();
    await until(() => sharedFiles().length === 0 && !pids.some(isRunning));
  });

  it('are others when one of them was killed in between', async () => {
    const first = borrowDecoders(['a.png'], 1, entry)!;
    first.release();
    process.kill(first.pool.pids[0]!, 'SIGKILL');
    await until(() => first.pool.pids.length === 0);
    const second = borrowDecoders(['a.png'], 1, entry)!;
    expect(second.pool).not.toBe(first.pool);
    expect(second.pool.pids).toHaveLength(1);
    second.pool.close();
    second.release();
  });
});

describe('memory for pixels', () => {
  it('is used again once it is given back, for images that are nearly as large', () => {
    const own = new PixelMemory();
    const first = own.take(100_000);
    expect(first).toHaveLength(100_000);
    const second = own.take(100_000);
    expect(second.buffer).not.toBe(first.buffer);
    own.give(first);
    const third = own.take(120_000);
    expect(third).toHaveLength(120_000);
    expect(third.buffer).toBe(first.buffer);
    expect(own.take(100_000).buffer).not.toBe(first.buffer);
  });

  it('is neither taken from others nor kept without end', () => {
    const own = new PixelMemory();
    const foreign = new Uint8Array(2 ** 16);
    own.give(foreign);
    expect(own.take(2 ** 16).buffer).not.toBe(foreign.buffer);
    const [first, second, third] = [own.take(2 ** 24), own.take(2 ** 24), own.take(2 ** 24)];
    for (const memory of [first, second, third]) own.give(memory);
    const again = [own.take(2 ** 24), own.take(2 ** 24), own.take(2 ** 24)];
    const kept = again.map(({ buffer }) => [first, second].some((one) => one.buffer === buffer));
    expect(kept).toEqual([true, true, false]);
  });
});

describe('a decoder process', () => {
  it('gives the pixels that this process gives, and nothing for what cannot be read', async () => {
    const decoder = new Decoder(entry, 1, () => {});
    try {
      expect(decoder.free).toBe(0);
      await until(() => decoder.state === 'ready');
      expect(decoder.free).toBe(3);
      for (const recipe of [RECIPE, AS_IS, { ...AS_IS, autoOrient: true }]) {
        for (const name of mixed) {
          const path = join(folder, name);
          const here = await readSized(path, recipe).catch(() => undefined);
          expect(await decoder.decode(path, recipe, undefined, memory), name).toEqual(here);
        }
      }
      expect(decoder.free).toBe(3);
    } finally {
      decoder.end();
    }
    expect(decoder.state).toBe('ended');
    expect(decoder.free).toBe(0);
    await until(() => sharedFiles().length === 0);
  });

  it('gives back the memory of large images', async () => {
    const decoder = new Decoder(entry, 1, () => {});
    try {
      await until(() => decoder.state === 'ready');
      const large: Recipe = { ...AS_IS, resize: { mode: 'fill', width: 1500, height: 700 } };
      const path = join(folder, '420.jpg');
      const there = await decoder.decode(path, large, undefined, memory);
      const here = await readSized(path, large);
      expect(Buffer.compare(there!.pixels.data, here.pixels.data)).toBe(0);
      expect(await decoder.decode(path, RECIPE, undefined, memory)).toEqual(
        await readSized(path, RECIPE),
      );
      const sizes = sharedFiles().map((fd) => fstatSync(fd).size);
      // The small image lies in the file that the large one had.
      expect(sizes.toSorted((a, b) => a - b)).toEqual([0, 0, 0, 0, 0, 24 * 32 * 3]);
    } finally {
      decoder.end();
    }
  });

  it('leaves pixels on disk where memory has no room, and decodes once', async () => {
    const full = () => openSync('/dev/full', 'r+');
    const decoder = new Decoder(entry, 1, () => {}, { openMemory: full });
    const nowhere = new Decoder(entry, 1, () => {}, { openMemory: full, openDisk: full });
    try {
      await until(() => decoder.state === 'ready' && nowhere.state === 'ready');
      const large: Recipe = { ...AS_IS, resize: { mode: 'fill', width: 1500, height: 700 } };
      const path = join(folder, '420.jpg');
      for (const recipe of [RECIPE, large, RECIPE]) {
        const there = await decoder.decode(path, recipe, undefined, memory);
        const here = await readSized(path, recipe);
        expect({ ...there, pixels: undefined }).toEqual({ ...here, pixels: undefined });
        expect(Buffer.compare(there!.pixels.data, here.pixels.data)).toBe(0);
        // What has room nowhere is for the caller to read.
        expect(await nowhere.decode(path, recipe, undefined, memory)).toBeUndefined();
      }
      expect([decoder.state, nowhere.state]).toEqual(['ready', 'ready']);
      // A large image does not stay on the disk.
      const sizes = sharedFiles().map((fd) => fstatSync(fd).size);
      expect(Math.max(...sizes)).toBeLessThan(2 ** 20);
    } finally {
      decoder.end();
      nowhere.end();
    }
  });

  it('does without a folder for temporary files', async () => {
    const decoder = new Decoder(entry, 1, () => {}, {
      openDisk: () => openSync(join(folder, 'none', 'file'), 'wx+'),
    });
    try {
      await until(() => decoder.state === 'ready');
      const path = join(folder, '420.jpg');
      const there = await decoder.decode(path, RECIPE, undefined, memory);
      expect(there).toEqual(await readSized(path, RECIPE));
    } finally {
      decoder.end();
    }
  });

  it('goes on when Ctrl-C is for its parent', async () => {
    const decoder = new Decoder(entry, 1, () => {});
    try {
      await until(() => decoder.state === 'ready');
      process.kill(decoder.pid!, 'SIGINT');
      const path = join(folder, '420.jpg');
      for (let i = 0; i < 5; i++) {
        expect(await decoder.decode(path, AS_IS, undefined, memory)).toBeDefined();
      }
    } finally {
      decoder.end();
    }
  });

  it('ends when there is nothing to run', async () => {
    const decoder = new Decoder(join(folder, 'none.js'), 2, () => {});
    await until(() => decoder.state === 'ended');
    await until(() => sharedFiles().length === 0);
  });
});

describe('a pool of decoder processes', () => {
  let pool: DecoderPool | undefined;
  afterEach(() => pool?.close());

  /** A pool whose processes are ready. */
  async function open(processes: number, threads: number): Promise<DecoderPool> {
    const opened = new DecoderPool(entry, processes, threads);
    pool = opened;
    await until(() => opened.ready === processes);
    return opened;
  }

  it('gives the same pixels and the same errors as this process', async () => {
    const { threads, pids } = await open(2, 2);
    expect(threads).toBe(4);
    expect(pids).toHaveLength(2);
    const read = (name: string) => pool!.read(name, RECIPE, { root: folder });
    const all = await Promise.all(mixed.map((name) => outcome(read(name))));
    for (const [i, name] of mixed.entries()) {
      expect(all[i], name).toEqual(await outcome(readSized(name, RECIPE, { root: folder })));
    }
    expect(all.at(-2)).toMatchObject({
      code: 'IMAGE_INVALID',
      message: `Cannot read image ${join(folder, 'missing.png')}: there is no such file`,
    });
    // Without a root, a path is named as it was given.
    const away = relative(process.cwd(), join(folder, 'broken.png'));
    expect(await outcome(pool!.read(away, RECIPE))).toEqual(await outcome(readSized(away, RECIPE)));
    expect(pool!.pids).toEqual(pids);
  });

  it('reads here while the processes start', async () => {
    pool = new DecoderPool(entry, 1, 1);
    expect(pool.ready).toBe(0);
    const path = join(folder, '420.jpg');
    expect(await pool.read(path, RECIPE)).toEqual(await readSized(path, RECIPE));
    await expect(pool.read('http://127.0.0.1:1/a.png', RECIPE)).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
    });
  });

  it('reads what a killed process had, and goes on with the others, then with none', async () => {
    const { pids } = await open(2, 2);
    const path = join(folder, '420.jpg');
    const expected = await readSized(path, RECIPE);
    // Stopped, so that it holds images when it is killed, and others wait for their turn.
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    const readings = Array.from({ length: 30 }, () => pool!.read(path, RECIPE));
    process.kill(pids[0]!, 'SIGKILL');
    process.kill(pids[1]!, 'SIGCONT');
    for (const result of await Promise.all(readings)) expect(result).toEqual(expected);
    await until(() => pool!.ready === 1);
    expect(pool!.pids).toEqual([pids[1]]);

    process.kill(pids[1]!, 'SIGSTOP');
    const last = Array.from({ length: 30 }, () => pool!.read(path, RECIPE));
    process.kill(pids[1]!, 'SIGKILL');
    for (const result of await Promise.all(last)) expect(result).toEqual(expected);
    expect(pool!.pids).toEqual([]);
    expect(await pool!.read(path, RECIPE)).toEqual(expected);
  });

  it('reads what a stopped process had, and ends it', async () => {
    const opened = new DecoderPool(entry, 2, 2, { lookMs: 100 });
    pool = opened;
    await until(() => opened.ready === 2);
    const { pids } = opened;
    const path = join(folder, '420.jpg');
    const expected = await readSized(path, RECIPE);
    process.kill(pids[0]!, 'SIGSTOP');
    // More than both take: the stopped one has some, others wait.
    const readings = Array.from({ length: 30 }, () => opened.read(path, RECIPE));
    for (const result of await Promise.all(readings)) expect(result).toEqual(expected);
    expect(opened.pids).toEqual([pids[1]]);
    process.kill(pids[1]!, 'SIGSTOP');
    const last = Array.from({ length: 30 }, () => opened.read(path, RECIPE));
    for (const result of await Promise.all(last)) expect(result).toEqual(expected);
    expect(opened.pids).toEqual([]);
    await until(() => !pids.some(isRunning) && sharedFiles().length === 0);
  });

  it('rejects at once when aborted, whatever the processes do', async () => {
    const { pids } = await open(1, 1);
    process.kill(pids[0]!, 'SIGSTOP');
    const controller = new AbortController();
    const { signal } = controller;
    const path = join(folder, '420.jpg');
    // Three are asked for, the others wait.
    const readings = Array.from({ length: 8 }, () => outcome(pool!.read(path, RECIPE, { signal })));
    controller.abort(new Error('enough'));
    for (const result of await Promise.all(readings))
      expect(result).toMatchObject({ message: 'enough' });
    expect(await outcome(pool!.read(path, RECIPE, { signal }))).toMatchObject({
      message: 'enough',
    });
    // Those that were given up do not stand in the way of others.
    process.kill(pids[0]!, 'SIGCONT');
    expect(await pool!.read(path, RECIPE)).toEqual(await readSized(path, RECIPE));
    expect(pool!.pids).toEqual(pids);
  });

  it('leaves no process and no file behind', async () => {
    const { pids } = await open(2, 1);
    const path = join(folder, '420.jpg');
    const readings = Array.from({ length: 20 }, () => pool!.read(path, RECIPE));
    pool!.close();
    const expected = await readSized(path, RECIPE);
    for (const result of await Promise.all(readings)) expect(result).toEqual(expected);
    await until(() => !pids.some(isRunning) && sharedFiles().length === 0);
  });
});
