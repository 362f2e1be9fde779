import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { readPlanHeader } from '../../../lib/engine/index.js';
import { InferenceSession } from '../../../lib/session/index.js';
import { FakeGpu, FIXED, feedsOf, script } from './support.js';

let gpu: FakeGpu;
let fixed: string;
beforeAll(async () => {
  gpu = await FakeGpu.open();
  fixed = await gpu.plan('fixed', FIXED);
}, 900_000);
afterEach(() => script());
afterAll(() => gpu.close());

/** The beginning of a plan, as TensorRT of that version writes it. */
function header(magic: string, ...version: number[]): Uint8Array {
  const bytes = new Uint8Array(64);
  bytes.set(Buffer.from(magic));
  bytes.set(version, 24);
  return bytes;
}

/** What opening a plan fails with. */
const refusal = (plan: string | Uint8Array, options = {}) =>
  gpu.session(plan, options).then(
    () => 'opened',
    (error) => error,
  );

describe('the header of a plan', () => {
  it('names the version that built it', async () => {
    expect(readPlanHeader(header('ftrt', 8, 6, 1, 6))).toEqual({
      kind: 'tensorrt',
      version: '8.6.1',
    });
    expect(readPlanHeader(await readFile(fixed))).toEqual({ kind: 'tensorrt', version: '10.16.0' });
    expect(readPlanHeader(header('vtrt', 1, 7, 1))?.version).toBe('1.7.1');
  });

  it('is not read where its layout is not known', () => {
    expect(readPlanHeader(header('ftrt'))).toEqual({ kind: 'tensorrt' });
    const other = header('ftrt', 8, 6, 1);
    other[4] = 1;
    expect(readPlanHeader(other)).toEqual({ kind: 'tensorrt' });
  });
});

describe('the library of a session', () => {
  it('needs no ONNX parser', async () => {
    const folder = join(gpu.folder, 'runtime-only');
    await mkdir(folder);
    await symlink(gpu.fakes.nvinfer, join(folder, basename(gpu.fakes.nvinfer)));
    await using session = await InferenceSession.create(fixed, { libraryDir: folder });
    expect(session.libraryVersion).toBe('10.16.0');
    await session.run(feedsOf(2));
  });

  it('is of the family that built the plan, or both versions are named', async () => {
    const error = await refusal(header('ftrt', 8, 6, 1, 6));
    expect(error).toMatchObject({
      code: 'ENGINE_INCOMPATIBLE',
      message: 'the plan was built by TensorRT 8.6.1, and TensorRT 10.16.0 is to run it',
      remedy: 'Build the engine again with TensorRT 10.16.0, or install TensorRT 8.6.1.',
    });
    const rtx = await refusal(header('vtrt', 1, 7, 1), { family: 'tensorrt10' });
    expect(rtx.message).toBe(
      'the plan was built by TensorRT-RTX 1.7.1, and TensorRT 10.16.0 is to run it',
    );
    expect(await refusal(fixed, { family: 'tensorrt10' })).toBe('opened');
  });

  it('is to be installed when there is none', async () => {
    const error = await refusal(header('ftrt', 8, 6, 1, 6), { libraryDir: gpu.folder });
    expect(error).toMatchObject({ code: 'LIBRARY_NOT_FOUND' });
    expect(error.remedy).toMatch(/^the plan was built by TensorRT 8\.6\.1: install TensorRT 8\.6/);
  });

  it('tells plans of another version of its family, and damaged ones, apart', async () => {
    const bytes = await readFile(fixed);
    const older = Uint8Array.from(bytes);
    older[25] = 3;
    expect(await refusal(older)).toMatchObject({
      code: 'ENGINE_INCOMPATIBLE',
      message: 'the plan was built by TensorRT 10.3.0, and TensorRT 10.16.0 is to run it',
    });
    const flipped = Uint8Array.from(bytes);
    flipped[bytes.length >> 1]! ^= 1;
    for (const damaged of [flipped, bytes.subarray(0, bytes.length - 9), bytes.subarray(0, 20)]) {
      expect(await refusal(damaged)).toMatchObject({ code: 'ENGINE_INVALID' });
    }
  });

  it('refuses a plan of another GPU, and says so', async () => {
    const other = join(gpu.folder, 'other.plan');
    await writeFile(other, await readFile(fixed));
    script({ cuda: { cc: '8.6' } });
    expect(await refusal(other)).toMatchObject({
      code: 'ENGINE_INCOMPATIBLE',
      message: `${other} was built for another kind of GPU than this machine has`,
    });
  });
});
