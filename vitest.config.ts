import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Native modules and onnxruntime-node must not be loaded into several threads of one process
    // while a test tears one of them down.
    pool: 'forks',
    // A test is never served an engine that another one built; those of the cache name its folder.
    env: { TENSORRT_NODE_NO_CACHE: '1' },
    testTimeout: 120_000,
    hookTimeout: 120_000,
    coverage: {
      provider: 'v8',
      include: ['lib/**/*.ts'],
      exclude: ['lib/**/generated/**', 'lib/**/*.cts'],
      reporter: ['text-summary', 'json-summary'],
      thresholds: { lines: 90 },
    },
  },
});
