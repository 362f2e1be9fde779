import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import * as trt from '../../../dist/index.js';
import { raiseOpset } from '../../../dist/onnx/index.js';
import { digitsModel } from './digits.mjs';

/** The digits model for images of any size: its only use of the size is an average over all of it. */
async function anySize(path) {
  const model = await trt.loadModel(digitsModel);
  const { graph } = model.proto;
  graph.valueInfo = [];
  const { dim } = graph.input[0].type.value.value.shape;
  dim[2].value = { case: 'dimParam', value: 'height' };
  dim[3].value = { case: 'dimParam', value: 'width' };
  await trt.saveModel(model, path);
}

/** Calibrates on images of many sizes, on the GPU and, where it is there, on ONNX Runtime. */
export async function mixedSizes(report, { work, library, cache, withOrt, tablesDiffer }) {
  const folder = join(work, 'mixed');
  await mkdir(folder, { recursive: true });
  for (let i = 0; i < 120; i += 1) {
    const [width, height] = [32 + 4 * (i % 9), 32 + 4 * (i % 5)];
    const pixels = Buffer.from(
      Uint8Array.from({ length: width * height * 3 }, (_, at) => (at * (7 + i) + (at >> 5)) % 256),
    );
    const image = sharp(pixels, { raw: { width, height, channels: 3 } });
    await writeFile(join(folder, `${i}.png`), await image.png().toBuffer());
  }
  const model = join(work, 'any-size.onnx');
  await anySize(model);
  const options = { images: folder, fraction: 1, recipe: { resize: { mode: 'none' } } };
  const gpu = { ...options, ...library, cache, provider: 'tensorrt' };
  const found = {};
  for (const batch of [1, 16]) {
    const { table, elapsedMs } = await trt.calibrateFolder(model, { ...gpu, batch });
    found[batch] = table;
    report({ [`batch${batch}Ms`]: Math.round(elapsedMs) });
  }
  report({ sizes: 45, batchesDiffer: tablesDiffer(found[16], found[1]) });
  // Without being told of the shapes, as a program calls it.
  const batches = [];
  for await (const { tensor } of trt.imageBatches(
    Array.from({ length: 120 }, (_, i) => `${i}.png`),
    await trt.resolveRecipe(options.recipe),
    { root: folder, batch: 4, reuse: false },
  )) {
    batches.push({ input: tensor });
  }
  const provider = trt.tensorrtProvider({ ...library, cache });
  const told = await trt.calibrate(model, batches, { provider });
  report({ unknownShapesDiffer: tablesDiffer(told, found[1]) });
  // Axes of reductions are an input in opset 18, which the parser of 8.6 does not read by itself.
  const newer = await trt.loadModel(model);
  raiseOpset(newer, 18);
  const path = join(work, 'any-size-18.onnx');
  await trt.saveModel(newer, path);
  const { table: opset18 } = await trt.calibrateFolder(path, { ...gpu, batch: 16 });
  report({ opset18Differs: tablesDiffer(opset18, found[16]) });
  if (!withOrt) return;
  const { table } = await trt.calibrateFolder(model, options);
  report({ againstOnnxRuntime: tablesDiffer(found[1], table) });
}
