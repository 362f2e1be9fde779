import { defineConfig } from 'vitest/config';

// What only a GPU can show: `npm run test:gpu`. `npm test` does not know these files.
export default defineConfig({
  test: {
    include: ['test/gpu/**/*.gpu.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 900_000,
    hookTimeout: 900_000,
    globalSetup: 'test/gpu/reason.ts',
  },
});
