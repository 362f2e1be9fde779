import { readListLines } from '../files.js';

/**
 * The text of a list of nodes to leave float: comments, then one name a line.
 *
 * @param names Names of nodes.
 * @param comments Lines that say where the list comes from.
 */
export function excludeListText(names: readonly string[], comments: readonly string[]): string {
  const lines = [...comments.map((line) => `# ${line}`), ...names];
  return lines.map((line) => `${line}\n`).join('');
}

/**
 * Reads a list of nodes to leave float, as `sensitivity` writes it: one name a line. Empty lines, and
 * lines that begin with `#`, are left out. The list may be empty: nothing need stay float then.
 *
 * @param file Path of the list.
 * @throws TensorRTError `FILE_NOT_FOUND`.
 */
export async function readExcludeList(file: string): Promise<string[]> {
  const lines = await readListLines(file, 'nodes', '--exclude-file');
  return lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
}
