import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cli } from './command-line.js';

/** The digits example, and its training images. */
export const digits = fileURLToPath(new URL('../../examples/digits/', import.meta.url));
export const model = `${digits}model.onnx`;
export const train = `${digits}images/train`;

/** A folder with `plain.json`, a recipe that keeps sizes, and `c`, a calibration of the digits by it. */
export async function calibratedDigits(): Promise<{
  at: (name: string) => string;
  remove: () => Promise<void>;
}> {
  const folder = await mkdtemp(join(tmpdir(), 'trtn-digits-'));
  const at = (name: string) => join(folder, name);
  await writeFile(at('plain.json'), JSON.stringify({ resize: { mode: 'none' } }));
  await cli([
    ...['calibrate', model, '--images', train],
    ...['--recipe', at('plain.json'), '--out', at('c')],
  ]);
  return { at, remove: () => rm(folder, { recursive: true }) };
}
