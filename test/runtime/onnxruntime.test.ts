import { createRequire } from 'node:module';
import * as ort from 'onnxruntime-node';
import { expect, test, vi } from 'vitest';
import {
  fromOnnxRuntime,
  onnxRuntimeSessionOptions,
  onnxRuntimeVersion,
  toOnnxRuntime,
} from '../../lib/runtime/onnxruntime.js';
import { Tensor } from '../../lib/tensor.js';

/** The module as it is before anything was loaded. */
async function fresh() {
  vi.resetModules();
  return import('../../lib/runtime/onnxruntime.js');
}

test('the package is loaded once', async () => {
  const { loadOnnxRuntime } = await fresh();
  const module = await loadOnnxRuntime();
  expect(module.InferenceSession).toBe(ort.InferenceSession);
  expect(await loadOnnxRuntime(() => Promise.reject(new Error('again')))).toBe(module);
});

test('a package that is not installed, and one that is broken, each with its remedy', async () => {
  const { loadOnnxRuntime } = await fresh();
  const require = createRequire(import.meta.url);
  await expect(
    loadOnnxRuntime(async () => require('no-such-package-for-this-test')),
  ).rejects.toMatchObject({
    code: 'ONNXRUNTIME_MISSING',
    message: 'The package onnxruntime-node is not installed',
    remedy: 'Run: npm install onnxruntime-node',
  });
  await expect(
    loadOnnxRuntime(() => Promise.reject(new Error('libonnxruntime.so.1: cannot open'))),
  ).rejects.toMatchObject({
    code: 'ONNXRUNTIME_MISSING',
    message: expect.stringContaining('libonnxruntime.so.1: cannot open'),
    remedy: expect.stringContaining('Reinstall'),
  });
  // A failure is not remembered.
  expect((await loadOnnxRuntime()).InferenceSession).toBeDefined();
});

test('the version is that of the package', async () => {
  const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json');
  expect(await onnxRuntimeVersion()).toBe(version);
});

test('session options', () => {
  expect(onnxRuntimeSessionOptions()).toEqual({
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    logSeverityLevel: 4,
  });
  const options = onnxRuntimeSessionOptions({
    threads: 3,
    graphOptimizationLevel: 'basic',
    externalDataFolder: '/models',
    sleepBetweenRuns: true,
  });
  expect(options).toMatchObject({
    intraOpNumThreads: 3,
    graphOptimizationLevel: 'basic',
    extra: {
      session: {
        model_external_initializers_file_folder_path: '/models',
        force_spinning_stop: '1',
      },
    },
  });
});

test('tensors go there and back without a copy, under any name', () => {
  const data = Float32Array.of(1, 2, 3);
  const feeds = toOnnxRuntime(
    ort,
    Object.fromEntries([['__proto__', new Tensor('float32', data, [3])]]),
  );
  expect(Object.keys(feeds)).toEqual(['__proto__']);
  const back = fromOnnxRuntime(Object.values(feeds)[0]!);
  expect(back.data).toBe(data);
  expect(back.dims).toEqual([3]);
  const bits = Uint16Array.of(0x3c00);
  const half = fromOnnxRuntime(new ort.Tensor('float16', bits, [1]));
  expect(half.type).toBe('float16');
  expect(half.data).toEqual(bits);
});

test('an element type that has no array here', () => {
  const strings = new ort.Tensor('string', ['a'], [1]);
  expect(() => fromOnnxRuntime(strings, 'label')).toThrow(
    expect.objectContaining({ code: 'MODEL_UNSUPPORTED', message: 'label is of type string' }),
  );
});
