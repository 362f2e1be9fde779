import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CalibrationTable, readTable } from '../../lib/calibration/index.js';
import { buildEngine } from '../../lib/engine/index.js';
import { loadModel, raiseOpset, saveModel } from '../../lib/onnx/index.js';
import { imageBatches, resolveRecipe } from '../../lib/preprocess/index.js';
import { chooseLibrary } from '../../lib/runtime/index.js';
import { InferenceSession, openOnnxRuntimeSession } from '../../lib/session/index.js';
import { calibrateFolder, evaluate } from '../../lib/tasks/index.js';
import { type NamedTensors, Tensor } from '../../lib/tensor.js';
import { gpuProblem, hasCalibrators } from './gpu.js';

const digits = fileURLToPath(new URL('../../examples/digits/', import.meta.url));
const model = `${digits}model.onnx`;
const shape = (rows: number) => [rows, 3, 32, 32];
const PROFILE = { input: { min: shape(1), opt: shape(8), max: shape(32) } };
const sample = { images: `${digits}images`, files: `${digits}calib_list.txt` };
const problem = await gpuProblem();
const implicit = problem === undefined && hasCalibrators((await chooseLibrary()).family);

let work: string;
const shared = () => ({ profiles: [PROFILE], cache: join(work, 'engines') });
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'trtn-gpu-'));
});
afterAll(() => rm(work, { recursive: true }));

const fp32 = async () => (await buildEngine(model, { ...shared(), tf32: false })).plan;

/** Class and confidence of the 100 test images, against FP32 on ONNX Runtime. */
async function expectFp32(plan: Uint8Array, agreed: number, confidence: number): Promise<void> {
  const { comparison, images } = await evaluate(plan, {
    images: `${digits}images/test`,
    labels: `${digits}classes.json`,
    recipe: `${model}.recipe.json`,
    against: model,
    batch: 25,
  });
  expect(images).toBe(100);
  expect(comparison!.agreed).toBeGreaterThanOrEqual(agreed);
  expect(comparison!.maxConfidenceDifference).toBeLessThanOrEqual(confidence);
}

async function* batches(batch: number): AsyncGenerator<NamedTensors> {
  const list = (await readFile(sample.files, 'utf8')).split('\n').filter((line) => line !== '');
  const recipe = await resolveRecipe(`${model}.recipe.json`);
  for await (const { tensor } of imageBatches(list, recipe, { root: sample.images, batch })) {
    yield { input: tensor };
  }
}

/** The largest difference of a bound, over amax. */
function distance(a: CalibrationTable, b: CalibrationTable): number {
  const differences = Array.from(b.ranges, ([name, range]) => {
    const other = a.ranges.get(name)!;
    const amax = Math.max(Math.abs(range.lowest), Math.abs(range.highest));
    const { lowest, highest } = range;
    return Math.max(Math.abs(other.lowest - lowest), Math.abs(other.highest - highest)) / amax;
  });
  return Math.max(...differences);
}

describe.runIf(problem === undefined)('the digits on a GPU', () => {
  it('gives what ONNX Runtime gives, in float32 without TF32', async () => {
    const plan = await fp32();
    const session = await InferenceSession.create(plan);
    const reference = await openOnnxRuntimeSession(model);
    for await (const feeds of batches(8)) {
      const [ours, theirs] = [await session.run(feeds), await reference.run(feeds)];
      const expected = [...(theirs.output!.data as Float32Array)];
      [...(ours.output!.data as Float32Array)].forEach((value, index) => {
        expect(Math.abs(value - expected[index]!)).toBeLessThan(1e-3);
      });
    }
    await session.release();
    await reference.release();
    await expectFp32(plan, 100, 1e-3);
  });

  it('measures the ranges that ONNX Runtime measures', async () => {
    const recipe = `${model}.recipe.json`;
    const cpu = await calibrateFolder(model, { ...sample, recipe });
    const gpu = await calibrateFolder(model, {
      ...{ ...sample, recipe, provider: 'tensorrt', cache: join(work, 'engines') },
    });
    expect([...gpu.table.ranges.keys()]).toEqual([...cpu.table.ranges.keys()]);
    expect(distance(gpu.table, cpu.table)).toBeLessThan(1e-5);
  });

  it('measures them for images of any size, in a model of opset 18', async () => {
    const loaded = await loadModel(model);
    const { graph } = loaded.proto;
    graph!.valueInfo = [];
    for (const [axis, name] of [
      [2, 'height'],
      [3, 'width'],
    ] as const) {
      const type = graph!.input[0]!.type!.value;
      if (type.case !== 'tensorType') throw new Error('The input is no tensor');
      type.value.shape!.dim[axis]!.value = { case: 'dimParam', value: name };
    }
    const path = join(work, 'any-size.onnx');
    // Axes of reductions are an input from this opset on, which the parser of 8.6 does not read.
    raiseOpset(loaded, 18);
    await saveModel(loaded, path);
    const options = { ...sample, recipe: `${model}.recipe.json` };
    const cpu = await calibrateFolder(path, options);
    const cache = join(work, 'engines');
    const gpu = await calibrateFolder(path, { ...options, provider: 'tensorrt', cache });
    expect(distance(gpu.table, cpu.table)).toBeLessThan(1e-5);
  });

  it('takes the engine of an equal build from the cache', async () => {
    const options = { ...shared(), tf32: false };
    const first = await buildEngine(model, options);
    const second = await buildEngine(model, options);
    expect(second.cache).toMatchObject({ hit: true, reason: 'found in the cache' });
    expect(Buffer.compare(second.plan, first.plan)).toBe(0);
  });

  it('gives each of 1,000 runs in flight its own answer', async () => {
    const session = await InferenceSession.create(await fp32(), { contexts: 2 });
    const images: NamedTensors[] = [];
    for await (const { input } of batches(1)) {
      images.push({
        input: new Tensor('float32', (input!.data as Float32Array).slice(), input!.dims),
      });
    }
    const alone = images.map((feeds) => [...(session.runSync(feeds).output!.data as Float32Array)]);
    const answers = await Promise.all(
      Array.from({ length: 1000 }, (_, i) => session.run(images[i % images.length]!)),
    );
    await session.release();
    const wrong = answers.filter(({ output }, i) => {
      const expected = alone[i % images.length]!;
      return (output!.data as Float32Array).some((value, k) => value !== expected[k]);
    });
    expect(wrong).toEqual([]);
  });

  it.runIf(implicit)('keeps class and confidence in INT8 by a table', async () => {
    const { table } = await calibrateFolder(model, { ...sample, recipe: `${model}.recipe.json` });
    const options = { ...shared(), int8: true, fp16: true, calibration: table };
    await expectFp32((await buildEngine(model, options)).plan, 99, 0.05);
  });

  it.runIf(implicit)('keeps them in an engine of bytes, calibrated on floats', async () => {
    const calibrator = { batches: () => batches(8), id: 'digits' };
    const options = { ...shared(), int8: true, fp16: true, imageInput: true, calibrator } as const;
    const { plan, inputs, ranges } = await buildEngine(model, options);
    expect(inputs).toMatchObject([{ type: 'uint8', shape: [-1, 32, 32, 3] }]);
    expect(ranges!.missing).toEqual([]);
    await expectFp32(plan, 99, 0.05);
  });

  it.runIf(implicit)('keeps class and confidence in INT8 by TensorRT’s calibrator', async () => {
    const cache = join(work, 'native.cache');
    const calibrator = { batches: () => batches(8), cache, id: 'digits' };
    const built = await buildEngine(model, { ...shared(), int8: true, fp16: true, calibrator });
    await expectFp32(built.plan, 99, 0.05);
    for (const { lowest, highest } of (await readTable(cache)).ranges.values()) {
      expect(lowest).toBe(-highest);
    }
  });
});
