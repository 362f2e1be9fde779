import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { answersTo, DYNAMIC, FakeGpu, FIXED, feedsOf, script } from './support.js';

let gpu: FakeGpu;
let fixed: string;
let dynamic: string;
beforeAll(async () => {
  gpu = await FakeGpu.open();
  fixed = await gpu.plan('fixed', FIXED);
  dynamic = await gpu.plan('dynamic', DYNAMIC);
}, 900_000);
afterEach(() => script());
afterAll(() => gpu.close());

const values = (tensor: { data?: unknown } | undefined) => [...(tensor!.data as Float32Array)];
/** Slow enough that a run is still under way when the next line of the test is reached. */
const SLOW = { cuda: { delayUs: 30_000 } };

describe('aborting', () => {
  it('takes a queued run out of the queue, and drops the result of one under way', async () => {
    script(SLOW);
    await using session = await gpu.session(fixed);
    const first = new AbortController();
    const second = new AbortController();
    const running = session.run(feedsOf(2, 1), undefined, { signal: first.signal });
    // The worker has taken the first before the second is queued.
    await new Promise((resolve) => setTimeout(resolve, 10));
    const queued = session.run(feedsOf(2, 2), undefined, { signal: second.signal });
    const third = session.run(feedsOf(2, 3));
    second.abort(new Error('second'));
    first.abort(new Error('first'));
    await expect(running).rejects.toThrow('first');
    await expect(queued).rejects.toThrow('second');
    expect(values((await third).scores)).toEqual(answersTo(2, 3).scores);
  });

  it('does nothing for a signal that comes first or late', async () => {
    await using session = await gpu.session(fixed);
    const signal = AbortSignal.abort(new Error('before'));
    await expect(session.run(feedsOf(2), undefined, { signal })).rejects.toThrow('before');
    const late = new AbortController();
    await session.run(feedsOf(2), undefined, { signal: late.signal });
    late.abort();
    await session.ping();
  });

  it('stops while shapes are prepared', async () => {
    script(SLOW);
    await using session = await gpu.session(dynamic);
    const busy = session.run(feedsOf(1));
    const controller = new AbortController();
    const run = session.run(feedsOf(2), undefined, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(run).rejects.toThrow('enough');
    await busy;
  });
});

describe('releasing', () => {
  it('waits for runs in flight, refuses later ones, and may be repeated', async () => {
    script(SLOW);
    const session = await gpu.session(dynamic, { contexts: 2 });
    const order: string[] = [];
    const runs = [1, 2, 3].map((rows) =>
      session.run(feedsOf(rows)).then((outputs) => {
        order.push('run');
        expect(values(outputs.scores)).toEqual(answersTo(rows).scores);
      }),
    );
    const released = session.release().then(() => order.push('released'));
    expect(session.dispose()).toBe(session.release());
    await expect(session.run(feedsOf(1))).rejects.toMatchObject({ code: 'SESSION_RELEASED' });
    await expect(session.loop(feedsOf(1))).rejects.toMatchObject({ code: 'SESSION_RELEASED' });
    await expect(session.ping()).rejects.toMatchObject({ code: 'SESSION_RELEASED' });
    expect(() => session.runSync(feedsOf(1))).toThrow('The session was released');
    expect(() => session.memory()).toThrow('The session was released');
    await Promise.all([...runs, released]);
    expect(order).toEqual(['run', 'run', 'run', 'released']);
  });

  it('waits for an aborted run that is still under way', async () => {
    script(SLOW);
    const session = await gpu.session(fixed);
    const controller = new AbortController();
    const run = session.run(feedsOf(2), undefined, { signal: controller.signal });
    await new Promise((resolve) => setTimeout(resolve, 10));
    controller.abort(new Error('gone'));
    await expect(run).rejects.toThrow('gone');
    await session.release();
  });
});

describe('the queue', () => {
  it('refuses what is more than it may hold, and works on', async () => {
    script(SLOW);
    await using session = await gpu.session(fixed, { maxQueued: 2 });
    const results = await Promise.allSettled(
      Array.from({ length: 6 }, (_, seed) => session.run(feedsOf(2, seed))),
    );
    const refused = results.filter(({ status }) => status === 'rejected');
    expect(refused.length).toBeGreaterThanOrEqual(3);
    expect(refused.length).toBeLessThanOrEqual(4);
    for (const result of refused) {
      expect((result as PromiseRejectedResult).reason).toMatchObject({ code: 'QUEUE_FULL' });
    }
    expect(values((await session.run(feedsOf(2, 9))).scores)).toEqual(answersTo(2, 9).scores);
  });
});

describe('a GPU that fails', () => {
  const open = (options = {}) =>
    gpu.session(fixed, options).then(
      () => 'opened',
      (error) => error,
    );

  it('says when its memory is full, at every allocation, and frees what it had', async () => {
    await using witness = await gpu.session(fixed);
    const free = witness.memory().gpuFreeBytes;
    for (let call = 1; call <= 12; call += 1) {
      script({ cuda: { fail: `cuMemAlloc_v2:${call}` } });
      const outcome = await open({ contexts: 2 });
      if (outcome === 'opened') {
        expect(call).toBeGreaterThan(8);
        break;
      }
      // TensorRT's own allocation is the first.
      expect(['OUT_OF_MEMORY', 'ENGINE_INVALID']).toContain(outcome.code);
      if (call > 1) expect(outcome.message).toContain('CUDA_ERROR_OUT_OF_MEMORY');
      expect(witness.memory().gpuFreeBytes).toBe(free);
    }
    script({ cuda: { fail: 'cuMemHostAlloc:1' } });
    await using session = await gpu.session(fixed);
    await expect(session.run(feedsOf(2))).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' });
    expect(() => session.createDeviceTensor('float32', [1 << 30])).toThrow('cuMemAlloc failed');
    script({ cuda: { fail: 'cuMemHostRegister_v2:1:2' } });
    await using other = await gpu.session(fixed);
    expect(() => other.createPinnedTensor('float32', [8])).toThrow('cuMemHostRegister failed');
  });

  it('names call and error of a run that fails, and the next one works', async () => {
    for (const call of ['cuMemcpyHtoDAsync_v2', 'cuMemcpyDtoHAsync_v2', 'cuGraphLaunch']) {
      // Of an engine that has been warmed up by one plain run and one captured one.
      script({ cuda: { fail: `${call}:${call === 'cuGraphLaunch' ? 2 : 1}:1` } });
      await using session = await gpu.session(fixed);
      const error = await session.run(feedsOf(2)).catch((reason) => reason);
      expect(error).toMatchObject({ code: 'INFERENCE_FAILED' });
      expect(error.message).toContain(
        `${call.replace('_v2', '')} failed: CUDA_ERROR_INVALID_VALUE`,
      );
      expect(values((await session.run(feedsOf(2, 3))).scores)).toEqual(answersTo(2, 3).scores);
    }
  });

  it('hands on what TensorRT says of a run that it refuses', async () => {
    script({ tensorrt: { failEnqueue: 2 } });
    await using session = await gpu.session(fixed, { enableGraphCapture: false, warmUp: false });
    await session.run(feedsOf(2));
    const error = await session.run(feedsOf(2)).catch((reason) => reason);
    expect(error).toMatchObject({
      code: 'INFERENCE_FAILED',
      message: 'TensorRT could not queue the run',
    });
    expect(error.detail.length).toBeGreaterThan(0);
    await session.run(feedsOf(2));
  });

  it('is given up after an error that the driver never recovers from', async () => {
    script({ cuda: { lose: 'cuStreamSynchronize:6' } });
    const session = await gpu.session(fixed);
    const errors: Error[] = [];
    for (let i = 0; i < 6; i += 1) {
      await session.run(feedsOf(2)).catch((error) => errors.push(error));
    }
    expect(errors.length).toBeGreaterThan(1);
    expect(errors[0]!.message).toContain('CUDA_ERROR_ILLEGAL_ADDRESS');
    for (const error of errors.slice(1)) {
      expect(error).toMatchObject({ code: 'INFERENCE_FAILED' });
      expect(error.message).toContain('The GPU failed in an earlier run: cuStreamSynchronize');
      expect((error as { remedy?: string }).remedy).toContain('restart');
    }
    expect(() => session.runSync(feedsOf(2))).toThrow('The GPU failed in an earlier run');
    expect(() => session.memory()).toThrow('CUDA_ERROR_ILLEGAL_ADDRESS');
    await session.release();
  });
});
