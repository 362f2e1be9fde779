import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { encodeModel } from '../../lib/onnx/index.js';
import { GraphBuilder } from '../support/graph-builder.js';

/** How the colour model is made. */
export interface ColourModelOptions {
  /** Shape of the input; any batch and size by default. */
  input?: readonly (number | string)[];
  /** End in Softmax, so that the outputs are probabilities. */
  softmax?: boolean;
  /** Half precision. */
  half?: boolean;
  /** What the mean of each channel is multiplied with; classes are red, green, blue, and a fourth. */
  gain?: number;
  /** Outputs [n, 4, 1, 1] in place of [n, 4]. */
  spatial?: boolean;
}

/** Names of the colour model's classes. */
export const COLOURS = ['red', 'green', 'blue', 'none'];

/** A classifier whose outputs are the means of the channels times a gain, and 0. */
export function colourModel(options: ColourModelOptions = {}): Uint8Array<ArrayBuffer> {
  const { input = ['n', 3, 'h', 'w'], gain = 10, half = false } = options;
  const graph = new GraphBuilder({ half });
  const weights = Float32Array.from({ length: 12 }, (_, index) => (index % 4 === 0 ? gain : 0));
  let x = graph.op('GlobalAveragePool', ['input'], 'pool');
  x = graph.op('Conv', [x, graph.weight('w', [4, 3, 1, 1], weights)], 'conv', {
    kernel_shape: [1, 1],
  });
  if (!options.spatial) x = graph.op('Flatten', [x], 'flatten');
  if (options.softmax) graph.op('Softmax', [x], 'softmax', { axis: 1 });
  const output = options.spatial ? [input[0]!, 4, 1, 1] : [input[0]!, 4];
  return encodeModel(graph.finish(input, output).proto);
}

/** Writes an image of one colour. */
export async function writeImage(
  path: string,
  [r, g, b]: readonly [number, number, number],
  width = 8,
  height = 8,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const image = sharp({ create: { width, height, channels: 3, background: { r, g, b } } });
  await writeFile(path, await image.png().toBuffer());
}

/** A folder with images of three colours in class folders, the model and its labels. */
export async function colourFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'trtn-colours-'));
  await writeFile(join(folder, 'model.onnx'), colourModel());
  await writeFile(join(folder, 'classes.json'), JSON.stringify({ classes: COLOURS }));
  await writeFile(join(folder, 'plain.json'), JSON.stringify({ resize: { mode: 'none' } }));
  await writeImage(join(folder, 'images/red/1.png'), [255, 0, 0]);
  await writeImage(join(folder, 'images/red/2.png'), [200, 50, 50], 6, 9);
  await writeImage(join(folder, 'images/green/1.png'), [0, 255, 0]);
  await writeImage(join(folder, 'images/green/wrong.png'), [0, 0, 255]);
  await writeImage(join(folder, 'images/blue/1.png'), [10, 20, 250]);
  return folder;
}
