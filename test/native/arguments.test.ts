import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { baseBinding, type PlanarOptions } from '../../lib/runtime/index.js';

const run = promisify(execFile);
const base = baseBinding()!;

/** Takes an array's memory away from it. */
function detach(array: Uint8Array | Float32Array): void {
  structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] });
}

/** Options that run something when they are read. */
function options(whenRead: () => void): PlanarOptions {
  return {
    bgr: false,
    get divisor() {
      whenRead();
      return 255;
    },
  };
}

const pixels = 64;
const axis = (outputs: number) => ({
  first: Int32Array.from({ length: outputs }, (_, i) => i),
  size: new Int32Array(outputs).fill(1),
  weights: new Int32Array(outputs).fill(1 << 22),
  stride: 1,
});

describe('base.node, whatever it is given', () => {
  it('does not read an array whose memory went while its arguments were read', async () => {
    const image = () => new Uint8Array(3 * pixels);
    const target = new Float32Array(3 * pixels);
    const gone = image();
    expect(() =>
      base.interleavedToPlanar(
        gone,
        target,
        0,
        pixels,
        options(() => detach(gone)),
      ),
    ).toThrow(RangeError);
    const packed = image();
    expect(() =>
      base.packImages(
        [packed],
        target,
        options(() => detach(packed)),
      ),
    ).toThrow(RangeError);
    const source = image();
    const plan = {
      get left() {
        detach(source);
        return 0;
      },
      ...{ top: 0, keptWidth: 8, keptHeight: 8, across: axis(8), down: axis(8) },
    };
    expect(() => base.resample(source, 8, 8, image(), plan)).toThrow(RangeError);
  });

  it('looks at its arguments once', async () => {
    let looks = 0;
    const across = {
      ...axis(8),
      get weights() {
        looks += 1;
        return new Int32Array(8).fill(1 << 22);
      },
    };
    const source = Uint8Array.from({ length: 3 * pixels }, (_, i) => i);
    const target = new Uint8Array(3 * pixels);
    const plan = { left: 0, top: 0, keptWidth: 8, keptHeight: 8, across };
    await base.resample(source, 8, 8, target, plan);
    expect(target).toEqual(source);
    const images: Uint8Array[] = [];
    Object.defineProperty(images, 0, {
      get: () => {
        looks += 1;
        return source;
      },
    });
    await base.packImages(images, new Float32Array(3 * pixels), { divisor: 255, bgr: false });
    expect(looks).toBe(2);
  });

  it('takes rows in any order, and does not look at those that are not kept', async () => {
    const source = Uint8Array.from({ length: 3 * pixels }, (_, i) => i);
    const down = axis(8);
    down.first.reverse();
    // Rows 0 and 7 of the result are not kept.
    down.size[0] = 2 ** 31 - 1;
    down.first[7] = -1;
    const target = new Uint8Array(3 * 8 * 6);
    const plan = { left: 0, top: 1, keptWidth: 8, keptHeight: 6, down };
    await base.resample(source, 8, 8, target, plan);
    const rows = [6, 5, 4, 3, 2, 1].flatMap((row) => [...source.subarray(24 * row, 24 * row + 24)]);
    expect([...target]).toEqual(rows);
  });
});

const WORKER = `
  const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
  const base = require(${JSON.stringify(new URL('../../build/Release/base.node', import.meta.url).pathname)});
  const side = 1024;
  const image = new Uint8Array(3 * side * side);
  const values = new Float32Array(4e6).map((_, i) => i % 1000);
  const edges = Float32Array.from({ length: 1001 }, (_, i) => i);
  const half = {
    first: Int32Array.from({ length: side / 2 }, (_, i) => 2 * i),
    size: new Int32Array(side / 2).fill(2),
    weights: new Int32Array(side).fill(2 ** 21),
    stride: 2,
  };
  const work = {
    pack: () =>
      base.packImages([image], new Float32Array(image.length), { divisor: 255, bgr: false }),
    resample: () =>
      base.resample(image, side, side, new Uint8Array(image.length / 4), {
        ...{ left: 0, top: 0, keptWidth: side / 2, keptHeight: side / 2, across: half, down: half },
      }),
    count: () =>
      base.countLater([
        {
          ...{ values: [values], edges, counts: new Float64Array(1000) },
          ...{ absolute: false, lower: -Infinity, upper: Infinity },
        },
      ]),
  };
  async function main() {
    for (const name of Object.keys(work)) {
      for (let i = 0; i < 6; i += 1) {
        const worker = new Worker(__filename, { workerData: name });
        await new Promise((resolve, reject) => {
          worker.once('message', resolve);
          worker.once('error', reject);
        });
        await new Promise((resolve) => setTimeout(resolve, i));
        await worker.terminate();
      }
      console.log(name);
    }
  }
  async function again() {
    for (;;) await work[workerData]();
  }
  if (isMainThread) main();
  else {
    again();
    again();
    again();
    parentPort.postMessage('busy');
  }
`;

describe('a worker that is terminated', () => {
  it('leaves the process as it is, whatever base.node does for it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'trtn-worker-'));
    try {
      const file = join(folder, 'workers.cjs');
      writeFileSync(file, WORKER);
      const { stdout, stderr } = await run(process.execPath, [file]).catch((error) => error);
      expect({ stdout, stderr }).toEqual({ stdout: 'pack\nresample\ncount\n', stderr: '' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
