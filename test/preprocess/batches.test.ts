import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type BatchOptions,
  type BrokenImage,
  imageBatches,
  pixelsToPng,
  preprocessImage,
  type Recipe,
} from '../../lib/preprocess/index.js';
import { orderedPrefetch, PrefetchDepth } from '../../lib/preprocess/prefetch.js';
import type { Progress } from '../../lib/progress.js';
import { FileServer } from '../dataset/server.js';
import { AS_IS, DIGITS, pattern } from './support.js';

let root: string;
/** Twelve images of three sizes, in turn: 0 4×3, 1 6×3, 2 5×5, … */
const sources = Array.from({ length: 12 }, (_, i) => `${i}.png`);
const SIZES = [
  [4, 3],
  [6, 3],
  [5, 5],
] as const;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'batches-'));
  for (const [i, name] of sources.entries()) {
    const [width, height] = SIZES[i % 3]!;
    const image = pattern(width, height);
    image.data[0] = i;
    await writeFile(join(root, name), await pixelsToPng(image));
  }
  await mkdir(join(root, 'bad'));
  await writeFile(join(root, 'bad', '1.png'), 'nothing');
  await copyFile(join(root, '0.png'), join(root, 'bad', '2.png'));
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

interface Seen {
  dims: readonly number[];
  indices: number[];
  sources: string[];
  /** First value of each image, which tells them apart. */
  first: number[];
}

async function collect(
  list: readonly string[],
  options: BatchOptions = {},
  recipe: Recipe = { ...AS_IS, scale: 1 },
): Promise<Seen[]> {
  const seen: Seen[] = [];
  for await (const { tensor, indices, sources: names } of imageBatches(list, recipe, {
    root,
    ...options,
  })) {
    const per = tensor.size / tensor.dims[0]!;
    const first = indices.map((_, row) => tensor.data[row * per]!);
    seen.push({ dims: tensor.dims, indices, sources: names, first });
  }
  return seen;
}

describe('imageBatches', () => {
  it('groups by size, in the same order every time, and keeps short batches', async () => {
    const batches = await collect(sources, { batch: 3 });
    expect(batches.map(({ indices }) => indices)).toEqual([
      [0, 3, 6],
      [1, 4, 7],
      [2, 5, 8],
      [9],
      [10],
      [11],
    ]);
    expect(batches.map(({ dims }) => dims.join('x'))).toEqual([
      '3x3x3x4',
      '3x3x3x6',
      '3x3x5x5',
      '1x3x3x4',
      '1x3x3x6',
      '1x3x5x5',
    ]);
    for (const { first, indices, sources: names } of batches) {
      expect(first).toEqual(indices);
      expect(names).toEqual(indices.map((i) => sources[i]));
    }
  });

  it('keeps the order when sizes are not grouped', async () => {
    const list = ['0.png', '3.png', '1.png', '6.png', '9.png', '0.png'];
    const batches = await collect(list, { batch: 2, groupByShape: false });
    expect(batches.map(({ indices }) => indices)).toEqual([[0, 1], [2], [3, 4], [5]]);
    expect(batches.flatMap(({ first }) => first)).toEqual([0, 3, 1, 6, 9, 0]);
  });

  it('gives what each image gives alone, one to a batch by default', async () => {
    const list = ['test/0/d0229.png', 'test/0/d0434.png', 'test/0/d0512.png'];
    const recipe: Recipe = { ...AS_IS, resize: { mode: 'shorter-side', size: 40, divisor: 8 } };
    const images = join(DIGITS, 'images');
    let index = 0;
    for await (const batch of imageBatches(list, recipe, { root: images, prefetch: 1 })) {
      const alone = await preprocessImage(list[index]!, recipe, { root: images });
      expect(batch.sources).toEqual([list[index]]);
      expect(batch.tensor).toEqual(alone);
      index++;
    }
    expect(index).toBe(3);
  });

  it('uses memory again unless told not to', async () => {
    const buffers = async (reuse: boolean) => {
      const seen = new Set<ArrayBufferLike>();
      const list = ['0.png', '3.png', '6.png'];
      for await (const { tensor } of imageBatches(list, AS_IS, { root, reuse })) {
        seen.add(tensor.data.buffer);
      }
      return seen.size;
    };
    expect(await buffers(true)).toBe(1);
    expect(await buffers(false)).toBe(3);
  });

  it('lets the oldest group go when too much waits', async () => {
    const recipe: Recipe = { ...AS_IS, resize: { mode: 'shorter-side', size: 3000, divisor: 1 } };
    // 36, 54 and 27 MB each: the fourth image brings the sum over 128 MiB.
    const batches = await collect(['0.png', '1.png', '2.png', '5.png'], { batch: 9 }, recipe);
    expect(batches.map(({ indices }) => indices)).toEqual([[0], [1], [2, 3]]);
  });

  it('names a broken image and stops', async () => {
    const list = ['0.png', 'bad/1.png', '1.png'];
    const seen: number[] = [];
    const run = async () => {
      for await (const { indices } of imageBatches(list, AS_IS, { root })) seen.push(...indices);
    };
    await expect(run()).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
      message: expect.stringContaining('bad/1.png'),
    });
    expect(seen).toEqual([0]);
  });

  it('lists broken images when they are to be skipped', async () => {
    const broken: BrokenImage[] = [];
    const reports: Progress[] = [];
    const list = ['bad/1.png', '0.png', 'none.png', '3.png'];
    const batches = await collect(list, {
      batch: 2,
      skipBroken: true,
      onBroken: (image) => broken.push(image),
      onProgress: (report) => reports.push(report),
    });
    expect(batches.map(({ indices }) => indices)).toEqual([[1, 3]]);
    expect(broken.map(({ source, index }) => [source, index])).toEqual([
      ['bad/1.png', 0],
      ['none.png', 2],
    ]);
    expect(broken[1]?.error.message).toContain('no such file');
    expect(reports.at(-1)).toMatchObject({ phase: 'images', done: 4, total: 4, unit: 'images' });
  });

  it('counts an address that fails as a broken image', async () => {
    const server = new FileServer();
    await server.start();
    try {
      const broken: string[] = [];
      const batches = await collect([server.url('/none.png'), '0.png'], {
        skipBroken: true,
        onBroken: ({ source }) => broken.push(source),
      });
      expect(batches).toHaveLength(1);
      expect(broken).toEqual([server.url('/none.png')]);
    } finally {
      await server.stop();
    }
  });

  it('does not pass over a set of which nothing is left', async () => {
    await expect(collect(['bad/1.png', 'x.png'], { skipBroken: true })).rejects.toMatchObject({
      code: 'IMAGES_NOT_FOUND',
      message: expect.stringContaining('None of the 2 images'),
    });
    expect(await collect([])).toEqual([]);
  });

  it('stops at once, whether told before, in between or by an error of the progress', async () => {
    const controller = new AbortController();
    const run = async (signal: AbortSignal) => {
      let batches = 0;
      for await (const _ of imageBatches(sources, AS_IS, { root, signal })) {
        if (++batches === 2) controller.abort(new Error('enough'));
      }
    };
    await expect(run(controller.signal)).rejects.toThrow('enough');
    await expect(run(controller.signal)).rejects.toThrow('enough');
    const onProgress = () => {
      throw new Error('from progress');
    };
    await expect(collect(sources, { onProgress })).rejects.toThrow('from progress');
  });

  it('refuses wrong options at once', () => {
    expect(() => imageBatches('a' as never, AS_IS)).toThrow(TypeError);
    expect(() => imageBatches([], AS_IS, { batch: 0 })).toThrow('batch');
    expect(() => imageBatches([], AS_IS, { prefetch: 0.5 })).toThrow('prefetch');
  });
});

describe('orderedPrefetch', () => {
  const items = Array.from({ length: 20 }, (_, i) => i);

  it('keeps order and depth whatever finishes first', async () => {
    let running = 0;
    let most = 0;
    const work = async (item: number) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, (item * 7) % 5));
      running--;
      if (item === 3) throw new Error('three');
      return item;
    };
    const results: unknown[] = [];
    for await (const result of orderedPrefetch(items, work, () => 4)) {
      results.push(result.ok ? result.value : (result.error as Error).message);
    }
    expect(results).toEqual(items.map((item) => (item === 3 ? 'three' : item)));
    expect(most).toBe(4);
  });

  it('begins more at a time while images are small', () => {
    const depth = new PrefetchDepth();
    const least = depth.current;
    expect(least).toBeGreaterThanOrEqual(2);
    depth.saw(32 * 32 * 3);
    expect(depth.current).toBe(4 * least);
    // 64 MiB hold none of these.
    depth.saw(70 * 2 ** 20);
    expect(depth.current).toBe(least);
    depth.saw(32 * 32 * 3);
    expect(depth.current).toBe(least);
  });

  it('ends the work under way when the consumer leaves', async () => {
    const started: number[] = [];
    let stopped = 0;
    const work = async (item: number, signal: AbortSignal) => {
      started.push(item);
      if (item > 0) {
        await new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
        stopped++;
        throw signal.reason;
      }
      return item;
    };
    for await (const result of orderedPrefetch(items, work, () => 3)) {
      expect(result).toEqual({ ok: true, value: 0 });
      break;
    }
    expect(started).toEqual([0, 1, 2]);
    expect(stopped).toBe(2);
  });
});
