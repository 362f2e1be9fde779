import { TensorRTError } from '../errors.js';
import { readListLines } from '../files.js';

/**
 * Reads a list of files: one path a line, kept in that order and as it stands. Empty lines, a byte
 * order mark and Windows line ends are dropped; there are no comments, because a file name may
 * start with any character.
 *
 * @param file Path of the list.
 * @returns At least one path.
 * @throws TensorRTError `FILE_NOT_FOUND` when the list cannot be read; `IMAGES_NOT_FOUND` when it
 *   is empty.
 */
export async function readFileList(file: string): Promise<string[]> {
  const lines = await readListLines(file, 'files', '--files');
  const paths = lines.filter((line) => line.trim() !== '');
  if (paths.length === 0) {
    throw new TensorRTError('IMAGES_NOT_FOUND', `The list of files ${file} is empty`, {
      remedy: 'Write one path a line, relative to the folder of the images.',
    });
  }
  return paths;
}
