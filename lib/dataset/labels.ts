import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, parse } from 'node:path';
import { compareCodePoints } from '../code-points.js';
import { defined } from '../defined.js';
import { messageOf, TensorRTError } from '../errors.js';

/** Names of a model's classes, in the order of its outputs. */
export interface Labels {
  /** Name of class 0, 1, … */
  classes: readonly string[];
  /** The file they were read from. */
  file?: string;
}

/** What {@link readLabels} takes. */
export interface ReadLabelsOptions {
  /**
   * Whether two classes may have the same name, as "crane" in ImageNet's list; false by default,
   * because folders could not be told apart by their label then.
   */
  allowDuplicates?: boolean;
}

function invalid(file: string, problem: string, cause?: unknown): TensorRTError {
  return new TensorRTError('LABELS_INVALID', `Labels ${file}: ${problem}`, {
    remedy:
      'Give a JSON file {"classes": ["first", "second", …]}, a JSON list, or a text file with one label a line.',
    ...defined({ cause }),
  });
}

function parseLabels(file: string, text: string): unknown {
  const json = /^\s*[[{]/.test(text) || file.toLowerCase().endsWith('.json');
  if (!json) {
    const lines = text.split(/\r?\n/);
    while (lines.at(-1)?.trim() === '') lines.pop();
    return lines.map((line) => line.trim());
  }
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value)) return value;
    if (typeof value === 'object' && value !== null && Object.hasOwn(value, 'classes')) {
      return (value as { classes: unknown }).classes;
    }
  } catch (error) {
    throw invalid(file, `not valid JSON: ${messageOf(error)}`, error);
  }
  throw invalid(file, 'neither a list nor an object with a list named "classes"');
}

/**
 * Reads class names: `{"classes": [...]}`, a JSON list, or a text file with one label a line.
 *
 * @param file Path of the file.
 * @param options Whether names may repeat.
 * @throws TensorRTError `LABELS_INVALID` that names the problem: unreadable, not JSON, empty, not
 *   strings, repeated names.
 */
export async function readLabels(file: string, options: ReadLabelsOptions = {}): Promise<Labels> {
  let text: string;
  try {
    text = (await readFile(file, 'utf8')).replace(/^\uFEFF/, '');
  } catch (error) {
    throw invalid(file, `cannot be read: ${messageOf(error)}`, error);
  }
  const classes = parseLabels(file, text);
  if (!Array.isArray(classes)) throw invalid(file, '"classes" is not a list');
  if (classes.length === 0) throw invalid(file, 'there are no classes');
  const positions = new Map<string, number>();
  classes.forEach((name: unknown, index) => {
    if (typeof name !== 'string') {
      throw invalid(file, `class ${index} is ${JSON.stringify(name)}, not a string`);
    }
    if (name.trim() === '') throw invalid(file, `class ${index} has an empty name`);
    const before = positions.get(name);
    if (before !== undefined && options.allowDuplicates !== true) {
      throw invalid(file, `${JSON.stringify(name)} stands twice, as class ${before} and ${index}`);
    }
    positions.set(name, index);
  });
  return { classes: classes as string[], file };
}

async function globLabels(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names
    .filter((name) => !name.startsWith('.') && name.endsWith('classes.json'))
    .sort(compareCodePoints)
    .map((name) => join(folder, name));
}

/**
 * Finds the label file `*classes.json` of a model or a dataset: in a given folder, else beside it;
 * for a file, in its folder. Of several beside a model, one whose name starts with the model's is
 * taken.
 *
 * @param near Path of a model or of a folder.
 * @returns The path, or `undefined` when there is none.
 * @throws TensorRTError `LABELS_INVALID` when there are several.
 */
export async function findLabels(near: string): Promise<string | undefined> {
  const isFolder = (await stat(near).catch(() => undefined))?.isDirectory() ?? false;
  const folders = isFolder ? [near, join(near, '..')] : [dirname(near)];
  for (const folder of folders) {
    const found = await globLabels(folder);
    const stem = parse(near).name;
    const own = isFolder ? [] : found.filter((file) => basename(file).startsWith(stem));
    const candidates = own.length > 0 ? own : found;
    if (candidates.length > 1) {
      throw new TensorRTError(
        'LABELS_INVALID',
        `Several label files for ${near}: ${candidates.join(', ')}`,
        { remedy: 'Name the one to use with --labels.' },
      );
    }
    if (candidates[0] !== undefined) return candidates[0];
  }
  return undefined;
}

/**
 * The label that an image has from the folder it lies in: `train/7/d0001.png` → `7`. A path with no
 * folder has the label `''`.
 */
export function folderLabel(path: string): string {
  const folder = dirname(path);
  return folder === '.' ? '' : basename(folder);
}
