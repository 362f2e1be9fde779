import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chooseLibrary } from '../../lib/runtime/index.js';
import { findHeaders } from '../../scripts/sdk-paths.mjs';

const FOLDER = 'build/native-tests';

function run(command: string, args: string[], env: NodeJS.ProcessEnv = {}) {
  const result = spawnSync(command, args, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    maxBuffer: 2 ** 26,
  });
  return { status: result.status ?? result.signal, output: result.stdout + result.stderr };
}

describe('native/core, without Node, under AddressSanitizer and UndefinedBehaviorSanitizer', () => {
  it('passes its own tests', { timeout: 600_000 }, async () => {
    const headers = (await findHeaders()).get('tensorrt_rtx');
    expect(headers).toBeDefined();
    const definitions = ['NODE_MODULES=OFF', 'NATIVE_TESTS=ON', 'SANITIZE=ON'].map(
      (definition) => `-DTRTN_${definition}`,
    );
    const configured = run('cmake', [
      ...['-S', '.', '-B', FOLDER, ...definitions],
      `-DTRTN_HEADERS_tensorrt_rtx=${headers}`,
    ]);
    expect(configured).toMatchObject({ status: 0 });
    const jobs = String(Math.min(8, availableParallelism()));
    const built = run('cmake', ['--build', FOLDER, '--parallel', jobs]);
    expect(built, built.output).toMatchObject({ status: 0 });

    const library = await chooseLibrary({ family: 'tensorrt_rtx' });
    const { status, output } = run(
      `${FOLDER}/test/native/core_tests`,
      [library.inferLibrary, library.parserLibrary, 'examples/digits/model.onnx'],
      { ASAN_OPTIONS: 'detect_leaks=1' },
    );
    expect(output).not.toContain('FAILED');
    expect(output.match(/^ok /gm)?.length ?? 0, output).toBe(30);
    expect(status).toBe(0);
  });
});

describe('the loops of native/core that count on several threads, under ThreadSanitizer', () => {
  it('pass their tests', { timeout: 600_000 }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'trtn-threads-'));
    try {
      const program = join(folder, 'kernels');
      const core = [
        ...['histogram', 'histogram_avx2', 'pixels', 'resample', 'resample_avx2'],
        'calibration/finite',
      ];
      const built = run(process.env.CXX ?? 'g++', [
        ...['-std=c++17', '-O1', '-g', '-ffp-contract=off', '-DTRTN_SANITIZE'],
        ...['-fsanitize=thread', '-Inative', '-Itest/native', '-o', program],
        ...['test/native/main.cc', 'test/native/kernels_test.cc'],
        ...core.map((name) => `native/core/${name}.cc`),
        '-lpthread',
      ]);
      expect(built, built.output).toMatchObject({ status: 0 });
      const result = run(program, [], { TSAN_OPTIONS: 'halt_on_error=1' });
      expect(result, result.output).toMatchObject({ status: 0 });
      expect(result.output.match(/^ok /gm)?.length ?? 0, result.output).toBe(5);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
