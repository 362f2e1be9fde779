import { describe, expect, it } from 'vitest';
import { buildEngine, describeNetwork } from '../../lib/engine/index.js';
import { convModel, DIGITS, DIGITS_PROFILE } from './models.js';

const OPTIONS = { computeCapabilities: [80, 89, 120], profiles: [DIGITS_PROFILE] };

describe('stopping a build', () => {
  it('rejects with the reason of the signal, in the middle', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const build = buildEngine(DIGITS, {
      ...OPTIONS,
      signal: controller.signal,
      onProgress: () => setTimeout(() => controller.abort(reason), 30),
    });
    await expect(build).rejects.toBe(reason);
    // The library is still being stopped; the next build must not care.
    expect((await buildEngine(DIGITS, OPTIONS)).plan.byteLength).toBeGreaterThan(100_000);
  });

  it('rejects at once when the signal fired before, and reads nothing', async () => {
    const reason = new Error('too late');
    const signal = AbortSignal.abort(reason);
    await expect(buildEngine('no-such-model.onnx', { ...OPTIONS, signal })).rejects.toBe(reason);
    await expect(describeNetwork(convModel(), { signal })).rejects.toBe(reason);
  });

  it('rejects with what onProgress throws', async () => {
    const error = new Error('from the caller');
    const onProgress = () => {
      throw error;
    };
    await expect(buildEngine(DIGITS, { ...OPTIONS, onProgress })).rejects.toBe(error);
  });

  it('leaves no listener on the signal', async () => {
    const { signal } = new AbortController();
    let added = 0;
    let removed = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      added += 1;
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      removed += 1;
      removeEventListener.apply(signal, args);
    };
    await buildEngine(convModel(), { computeCapabilities: [80], signal });
    expect([added, removed]).toEqual([1, 1]);
  });
});
