import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { wakeAhead } from '../../../lib/session/tensorrt/options.js';
import { answersTo, FakeGpu, FIXED, feedsOf, script } from './support.js';

let gpu: FakeGpu;
let fixed: string;
beforeAll(async () => {
  gpu = await FakeGpu.open();
  fixed = await gpu.plan('fixed', FIXED);
}, 900_000);
afterEach(() => script());
afterAll(() => gpu.close());

const values = (tensor: { data?: unknown } | undefined) => [...(tensor!.data as Float32Array)];

describe('waking the event loop early', () => {
  it('gives the same results however it waits, to one caller and to many', async () => {
    script({ cuda: { delayUs: 30 } });
    for (const options of [
      { wakeAheadMicroseconds: 0 },
      { wakeAheadMicroseconds: 40 },
      { wakeAheadMicroseconds: 100_000 },
      { spinWait: true },
    ]) {
      await using session = await gpu.session(fixed, { contexts: 2, ...options });
      for (let seed = 0; seed < 12; seed += 1) {
        expect(values((await session.run(feedsOf(2, seed))).scores)).toEqual(
          answersTo(2, seed).scores,
        );
      }
      const many = Array.from({ length: 12 }, (_, seed) => session.run(feedsOf(2, seed)));
      for (const [seed, outputs] of (await Promise.all(many)).entries()) {
        expect(values(outputs.other)).toEqual(answersTo(2, seed).other);
      }
    }
  });

  it('lets timers and other immediates run while it polls', async () => {
    script({ cuda: { delayUs: 20_000 } });
    await using session = await gpu.session(fixed, { spinWait: true, warmUp: false });
    const order: string[] = [];
    const run = session.run(feedsOf(2)).then(() => order.push('run'));
    setTimeout(() => order.push('timer'), 1);
    setImmediate(() => order.push('immediate'));
    await run;
    expect(order).toEqual(['immediate', 'timer', 'run']);
  });

  it('rejects what is no time', async () => {
    const open = (wakeAheadMicroseconds: number) => gpu.session(fixed, { wakeAheadMicroseconds });
    await expect(open(-1)).rejects.toThrow(
      'Expected an integer from 0 to 1000000 for wakeAheadMicroseconds but received -1 of type number',
    );
    expect(wakeAhead({ wakeAheadMicroseconds: 7 })).toBe(7);
    expect([0, 100]).toContain(wakeAhead({}));
  });
});

describe('ping', () => {
  it('is kept by the worker for as long as it is told', async () => {
    await using session = await gpu.session(fixed);
    await session.ping();
    await session.ping({ holdMicroseconds: 5000 });
    const [taken, done] = session.lastTimes();
    expect(done - taken).toBeGreaterThanOrEqual(5);
    await expect(session.ping({ holdMicroseconds: -1 })).rejects.toThrow(
      'for holdMicroseconds but received -1',
    );
    await session.release();
    await expect(session.ping()).rejects.toMatchObject({ code: 'SESSION_RELEASED' });
  });
});

describe('the times of a run', () => {
  it('are on the clock of process.hrtime', async () => {
    await using session = await gpu.session(fixed);
    const before = Number(process.hrtime.bigint()) / 1e6;
    await session.run(feedsOf(2));
    const after = Number(process.hrtime.bigint()) / 1e6;
    const [taken, done] = session.lastTimes();
    const times = [before, taken, done, after];
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  it('of a loop say where each iteration began', async () => {
    await using session = await gpu.session(fixed);
    const times = await session.loop(feedsOf(2), { iterations: 6, events: true, warmUp: 0 });
    for (const starts of [times.enqueueStart, times.uploadStart]) {
      expect(starts).toHaveLength(6);
      expect([...starts]).toEqual([...starts].sort((a, b) => a - b));
    }
    const plain = await session.loop(feedsOf(2), { iterations: 3, warmUp: 0 });
    expect([plain.enqueueStart.length, plain.uploadStart.length]).toEqual([3, 0]);
  });
});

describe('layers', () => {
  it('are profiled one by one, and runs go on with graphs afterwards', async () => {
    await using session = await gpu.session(fixed);
    const layers = await session.profileLayers(feedsOf(2), 3);
    expect(layers.map(({ name }) => name)).toEqual(['conv', 'fc', 'relu']);
    // The fake reports a microsecond more for each layer.
    for (const [index, { milliseconds }] of layers.entries()) {
      expect([...milliseconds].map((ms) => Math.round(ms * 1000))).toEqual(
        Array(3).fill(index + 1),
      );
    }
    expect(values((await session.run(feedsOf(2, 4))).scores)).toEqual(answersTo(2, 4).scores);
    expect(session.graphCapture()).toEqual({ enabled: true });
    await expect(session.profileLayers(feedsOf(2), 0)).rejects.toThrow('for iterations');
  });

  it('that fail make the profile fail, and the session works on', async () => {
    await using session = await gpu.session(fixed);
    script({ tensorrt: { failEnqueue: '1' } });
    // Read again when the next runtime is made.
    await (await gpu.session(fixed, { warmUp: false })).release();
    await expect(session.profileLayers(feedsOf(2), 2)).rejects.toMatchObject({
      code: 'INFERENCE_FAILED',
    });
    expect(values((await session.run(feedsOf(2, 4))).scores)).toEqual(answersTo(2, 4).scores);
  });

  it('are described by the inspector', async () => {
    const session = await gpu.session(fixed);
    const { Layers } = JSON.parse(session.layerInformation());
    expect(Layers).toEqual(['conv', 'fc', 'relu']);
    await session.release();
    expect(() => session.layerInformation()).toThrow('The session was released');
  });
});
