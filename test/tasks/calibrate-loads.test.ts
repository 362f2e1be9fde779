import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { calibrate } from '../../lib/calibration/index.js';
import {
  createFloatTensor,
  TensorProto_DataType as DataType,
  loadModel,
  saveModel,
} from '../../lib/onnx/index.js';
import { calibrateFolder } from '../../lib/tasks/index.js';
import { Tensor } from '../../lib/tensor.js';

const digits = fileURLToPath(new URL('../../examples/digits/', import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trtn-loads-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Bytes that this process has read. */
async function readBytes(): Promise<number> {
  return Number(/^rchar: (\d+)$/m.exec(await readFile('/proc/self/io', 'utf8'))![1]);
}

it('a folder calibration reads the model once', async () => {
  const model = await loadModel(`${digits}model.onnx`);
  const unused = createFloatTensor('unused', DataType.FLOAT, [2_000_000], new Array(2e6).fill(1));
  model.proto.graph!.initializer.push(unused);
  const path = join(folder, 'large.onnx');
  await saveModel(model, path);
  const recipe = { resize: { mode: 'none' } } as const;
  const options = { images: `${digits}images/train`, recipe };
  // What is loaded at the first calibration, libraries among it, is not the model.
  await calibrateFolder(`${digits}model.onnx`, { ...options, count: 2 });
  const before = await readBytes();
  await calibrateFolder(path, { ...options, count: 2 });
  expect(((await readBytes()) - before) / 8e6).toBeLessThan(1.5);
});

it('a model that is loaded is calibrated as the file is', async () => {
  const path = `${digits}model.onnx`;
  const data = Float32Array.from({ length: 3072 }, (_, i) => (i % 251) / 250);
  const batches = [{ input: new Tensor('float32', data, [1, 3, 32, 32]) }];
  const fromFile = await calibrate(path, batches);
  const fromModel = await calibrate(await loadModel(path), batches);
  expect([...fromModel.ranges]).toEqual([...fromFile.ranges]);
  expect(fromModel.meta).toEqual(fromFile.meta);
  expect(fromFile.meta?.model?.file).toBe('model.onnx');
});
