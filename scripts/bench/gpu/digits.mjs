import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as trt from '../../../dist/index.js';

const folder = fileURLToPath(new URL('../../../examples/digits/', import.meta.url));
const shape = (rows) => [rows, 3, 32, 32];

/** The digits example. */
export const digits = {
  folder,
  profile: { input: { min: shape(1), opt: shape(8), max: shape(32) } },
};
export const digitsModel = join(folder, 'model.onnx');
export const recipe = await trt.resolveRecipe(`${digitsModel}.recipe.json`);

/** The images of the calibration list as batches. */
export async function* digitsBatches(batch) {
  const list = (await readFile(join(folder, 'calib_list.txt'), 'utf8')).split('\n').filter(Boolean);
  const options = { root: join(folder, 'images'), batch };
  for await (const { tensor } of trt.imageBatches(list, recipe, options)) yield { input: tensor };
}

/** A coverage report as numbers. */
export function softBuild(ranges) {
  if (ranges === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(ranges).map(([name, list]) => [name, Array.isArray(list) ? list.length : list]),
  );
}
