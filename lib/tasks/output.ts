import { access, constants, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { defined } from '../defined.js';
import { messageOf, systemCode, TensorRTError } from '../errors.js';

/**
 * Finds out before hours of work whether a folder can be made or written to. Nothing is created.
 *
 * @param folder The folder.
 * @throws TensorRTError `WRITE_FAILED`.
 */
export async function checkWritable(folder: string): Promise<void> {
  for (let at = resolve(folder); ; at = dirname(at)) {
    let problem: string | undefined;
    let cause: unknown;
    try {
      if (!(await stat(at)).isDirectory()) problem = `${at} is not a folder`;
      else await access(at, constants.W_OK);
    } catch (error) {
      const code = systemCode(error);
      if ((code === 'ENOENT' || code === 'ENOTDIR') && dirname(at) !== at) continue;
      problem = messageOf(error);
      cause = error;
    }
    if (problem === undefined) return;
    throw new TensorRTError('WRITE_FAILED', `Cannot write to ${folder}: ${problem}`, {
      remedy: 'Choose another folder, or check its permissions.',
      ...defined({ cause }),
    });
  }
}
