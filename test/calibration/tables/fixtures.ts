import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CalibrationTable, type TensorRange } from '../../../lib/calibration/index.js';

const root = fileURLToPath(new URL('../../fixtures/ort-calibration/', import.meta.url));

/** Path of a file of the ONNX Runtime reference. */
export function reference(path: string): string {
  return root + path;
}

/** Content of a file of the ONNX Runtime reference. */
export function bytesOf(path: string): Uint8Array {
  return new Uint8Array(readFileSync(reference(path)));
}

/** Bytes as text, which fails with a readable difference and compares fast. */
export function binary(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

/** Text of a file of the ONNX Runtime reference. */
export function textOf(path: string): string {
  return readFileSync(reference(path), 'utf8');
}

interface WriterInput {
  name: string;
  dtype: 'float32' | 'float16';
  kind: 'arr1' | 'arr0' | 'scalar';
  lowest_f32_hex: string;
  highest_f32_hex: string;
}

const FORMS = { arr1: 'array', arr0: 'array0', scalar: 'scalar' } as const;

/** The table that a set of fixtures/writer was written from. */
export function writerTable(set: string): CalibrationTable {
  const input = JSON.parse(textOf(`fixtures/writer/${set}/input.json`)) as WriterInput[];
  return new CalibrationTable(
    input.map(({ name, dtype, kind, lowest_f32_hex, highest_f32_hex }): [string, TensorRange] => [
      name,
      {
        lowest: floatOf(lowest_f32_hex),
        highest: floatOf(highest_f32_hex),
        form: { lowest: FORMS[kind], highest: FORMS[kind] },
        dtype,
      },
    ]),
    { method: 'minmax' },
  );
}

function floatOf(hex: string): number {
  return Buffer.from(hex, 'hex').readFloatBE();
}
