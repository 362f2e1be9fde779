import { readFileSync } from 'node:fs';
import { Tensor } from 'onnxruntime-node';
import sharp from 'sharp';

/** The 100 test images of the digits example, relative to its image folder: `test/<label>/<name>`. */
export const TEST_IMAGES: readonly string[] = readFileSync('examples/digits/test_list.txt', 'utf8')
  .trim()
  .split('\n');

/** Those images as the model's input: RGB planes from 0 to 1. */
export async function digitImages(): Promise<Tensor[]> {
  return Promise.all(
    TEST_IMAGES.map(async (file) => {
      const pixels = await sharp(`examples/digits/images/${file}`).raw().toBuffer();
      const planes = new Float32Array(3 * 1024);
      for (let i = 0; i < planes.length; i += 1) {
        planes[i] = pixels[(i % 1024) * 3 + Math.floor(i / 1024)]! / 255;
      }
      return new Tensor('float32', planes, [1, 3, 32, 32]);
    }),
  );
}
