import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { compareCodePoints } from '../code-points.js';
import { messageOf, systemCode, TensorRTError } from '../errors.js';

/**
 * The ONNX model at a path: the file itself, or the only `*.onnx` of a folder.
 *
 * @param pathOrFolder Path of a model or of a folder that holds one.
 * @returns Path of the file.
 * @throws TensorRTError `MODEL_NOT_FOUND` when nothing is there, or when a folder holds none or
 *   several, which are named.
 */
export async function findModel(pathOrFolder: string): Promise<string> {
  try {
    if (!(await stat(pathOrFolder)).isDirectory()) return pathOrFolder;
    const names = (await readdir(pathOrFolder))
      .filter((name) => !name.startsWith('.') && name.toLowerCase().endsWith('.onnx'))
      .sort(compareCodePoints);
    if (names.length === 1) return join(pathOrFolder, names[0]!);
    throw new TensorRTError(
      'MODEL_NOT_FOUND',
      names.length === 0
        ? `No *.onnx in ${pathOrFolder}`
        : `Several models in ${pathOrFolder}: ${names.join(', ')}`,
      { remedy: 'Give the path of the .onnx file itself.' },
    );
  } catch (error) {
    if (error instanceof TensorRTError) throw error;
    const missing = systemCode(error) === 'ENOENT';
    throw new TensorRTError(
      'MODEL_NOT_FOUND',
      missing
        ? `No such model: ${pathOrFolder}`
        : `Cannot read ${pathOrFolder}: ${messageOf(error)}`,
      { remedy: 'Check the path of the model.', cause: error },
    );
  }
}
