import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  baseBinding,
  cudaVersionText,
  doctor,
  moduleStatus,
  queryDriver,
  threadPoolSize,
  threadPoolWarning,
} from '../../lib/runtime/index.js';
import { compileLib, runModule } from '../engine/compiled-lib.js';

const hasGpu = existsSync('/dev/nvidiactl');

describe('doctor', () => {
  it('reports this machine: driver, RTX libraries, modules, onnxruntime-node', async () => {
    const report = await doctor();
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
    expect(report.driver).toEqual(
      hasGpu
        ? { cudaVersion: expect.stringMatching(/^\d+\.\d+$/) }
        : { problem: expect.stringContaining('libcuda.so.1') },
    );
    expect(report.devices.length > 0).toBe(hasGpu);
    const loading = report.modules.filter(({ problem }) => problem === undefined);
    expect(loading.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['base', 'tensorrt10', 'tensorrt11', 'tensorrt_rtx']),
    );
    expect(report.libraries.map(({ family }) => family)).toContain('tensorrt_rtx');
    const { version } = JSON.parse(
      readFileSync('node_modules/onnxruntime-node/package.json', 'utf8'),
    );
    expect(report.onnxruntime).toEqual({ version });
    const lacks = report.lacks.map(({ lacks: what }) => what).join('\n');
    expect(lacks.includes('NVIDIA GPU')).toBe(!hasGpu);
    const families = report.libraries.map(({ family }) => family);
    const enterprise = families.some((family) => /^tensorrt\d+$/.test(family ?? ''));
    expect(lacks.includes('TensorRT 8.6, 10 or 11')).toBe(!enterprise);
    expect(lacks).not.toContain('RTX');
    expect(lacks).not.toContain('native module');
    for (const { rulesOut, remedy } of report.lacks) {
      expect(rulesOut.length).toBeGreaterThan(10);
      expect(remedy).toMatch(/\.$/);
    }
  });

  it('says what the driver says, or why it says nothing', () => {
    const { problem, driverVersion } = queryDriver();
    expect(problem === undefined).toBe(hasGpu);
    expect(problem ?? 'No NVIDIA driver: ').toMatch(/^No NVIDIA driver: /);
    expect(baseBinding()?.driverVersion()).toBe(driverVersion);
    expect(baseBinding()?.devices().length === 0).toBe(!hasGpu);
    expect(cudaVersionText(12040)).toBe('12.4');
    expect(cudaVersionText(13000)).toBe('13.0');
  });
});

describe('a machine without native modules', () => {
  let root: string;
  beforeAll(() => {
    root = compileLib();
    unlinkSync(join(root, 'build'));
  });
  afterAll(() => rmSync(root, { recursive: true }));

  it('loads, answers, and says what is missing and how to get it', async () => {
    const child = await runModule(
      root,
      `import { baseBinding, doctor, chooseLibrary, requireFamily, queryDriver } from './dist/runtime/index.js';
      import { buildEngine } from './dist/engine/index.js';
      const report = await doctor();
      const error = await buildEngine(${JSON.stringify(join(process.cwd(), 'examples/digits/model.onnx'))})
        .catch((e) => e);
      let family;
      try { requireFamily('tensorrt8'); } catch (e) { family = e; }
      console.log(JSON.stringify({
        base: baseBinding() === undefined,
        modules: report.modules.map(({ name }) => name),
        lacks: report.lacks.map(({ lacks }) => lacks),
        driver: queryDriver(),
        error: { code: error.code, message: error.message, remedy: error.remedy },
        family: { code: family.code, remedy: family.remedy },
      }));`,
    );
    expect(child).toMatchObject({ status: 0, stderr: '' });
    const answer = JSON.parse(child.stdout);
    expect(answer.base).toBe(true);
    expect(answer.lacks.join('\n')).toContain('native module base.node');
    expect(answer.driver.problem).toContain('base.node');
    expect(answer.error.code).toBe('MODULE_MISSING');
    expect(answer.error.message).toContain(join(root, 'build', 'Release'));
    expect(answer.error.message).toContain('prebuilds');
    expect(answer.error.remedy).toContain('npm run build');
    expect(answer.family).toMatchObject({
      code: 'MODULE_MISSING',
      remedy: expect.stringContaining('TENSORRT8_INCLUDE_DIR'),
    });
  });

  it('says that a module does not load, and works without onnxruntime-node', async () => {
    const child = await runModule(
      root,
      `import { mkdirSync, writeFileSync, unlinkSync } from 'node:fs';
      mkdirSync(new URL('./build/Release', import.meta.url), { recursive: true });
      writeFileSync(new URL('./build/Release/base.node', import.meta.url), 'garbage');
      unlinkSync(new URL('./node_modules', import.meta.url));
      const { doctor } = await import('./dist/runtime/index.js');
      const report = await doctor();
      console.log(JSON.stringify(report));`,
    );
    symlinkSync(join(process.cwd(), 'node_modules'), join(root, 'node_modules'));
    expect(child).toMatchObject({ status: 0, stderr: '' });
    const report = JSON.parse(child.stdout);
    expect(report.modules[0].problem).toContain('does not load');
    expect(report.onnxruntime).toEqual({ problem: 'not installed' });
    expect(report.lacks.map(({ lacks }: { lacks: string }) => lacks)).toContain('onnxruntime-node');
  });
});

describe('modules', () => {
  it('says that one was built for another version, and goes on without it', async () => {
    const root = compileLib();
    unlinkSync(join(root, 'build'));
    mkdirSync(join(root, 'build/Release'), { recursive: true });
    // A module that loads, but lacks what base.node has.
    const other = join(process.cwd(), 'build/Release/tensorrt_rtx.node');
    copyFileSync(other, join(root, 'build/Release/base.node'));
    const child = await runModule(
      root,
      `import { baseBinding, moduleStatus } from './dist/runtime/index.js';
      console.log(JSON.stringify([baseBinding() === undefined, moduleStatus('base').problem]));`,
    );
    rmSync(root, { recursive: true });
    expect(child).toMatchObject({ status: 0, stderr: '' });
    const [absent, problem] = JSON.parse(child.stdout);
    expect(absent).toBe(true);
    expect(problem).toContain('built for another version of this package: it lacks interleaved');
  });

  it('knows where one lies', () => {
    expect(moduleStatus('tensorrt_rtx').path).toBe(
      join(process.cwd(), 'build/Release/tensorrt_rtx.node'),
    );
  });
});

describe('the thread pool', () => {
  it('has 4 threads unless the variable says otherwise', () => {
    expect(threadPoolSize({})).toBe(4);
    expect(threadPoolSize({ UV_THREADPOOL_SIZE: '16' })).toBe(16);
    expect(threadPoolSize({ UV_THREADPOOL_SIZE: '0' })).toBe(1);
    expect(threadPoolSize({ UV_THREADPOOL_SIZE: '9999' })).toBe(1024);
    expect(threadPoolSize({ UV_THREADPOOL_SIZE: 'many' })).toBe(4);
  });

  it('is warned about when it is smaller than the machine', () => {
    expect(threadPoolWarning({}, 4)).toBeUndefined();
    expect(threadPoolWarning({}, 16)).toContain('UV_THREADPOOL_SIZE=16');
  });
});
