import { findLabels, folderLabel, type Labels, readLabels } from '../dataset/index.js';
import { TensorRTError } from '../errors.js';

/** Names of the classes: a file, the names themselves, or what {@link readLabels} gave. */
export type LabelsInput = string | readonly string[] | Labels;

/** Class names and where they come from. */
export interface TaskLabels extends Labels {
  /** Whether the file was found and not named. */
  found: boolean;
}

/**
 * The class names of a task: those given, else `*classes.json` in or beside one of `places`.
 *
 * @param input What the caller gave.
 * @param places Paths of models and image folders, the most telling first.
 * @param options Whether a name may stand twice.
 * @returns `undefined` when nothing was given and nothing found.
 * @throws TensorRTError `LABELS_INVALID`.
 */
export async function taskLabels(
  input: LabelsInput | undefined,
  places: readonly string[],
  options: { allowDuplicates?: boolean } = {},
): Promise<TaskLabels | undefined> {
  if (typeof input === 'string') return { ...(await readLabels(input, options)), found: false };
  if (input !== undefined) {
    return 'classes' in input
      ? { ...input, found: false }
      : { classes: input as readonly string[], found: false };
  }
  for (const place of places) {
    const file = await findLabels(place);
    if (file !== undefined) return { ...(await readLabels(file, options)), found: true };
  }
  return undefined;
}

/**
 * Holds the number of labels against the number of a model's outputs.
 *
 * @throws TensorRTError `LABELS_INVALID` that names both.
 */
export function checkLabelCount(labels: Labels, outputs: number, model: string): void {
  if (labels.classes.length === outputs) return;
  throw new TensorRTError(
    'LABELS_INVALID',
    `${labels.file ?? 'The list of labels'} has ${labels.classes.length} classes, but ${model} has ${outputs} outputs`,
    { remedy: 'Give the label file that belongs to the model.' },
  );
}

/** How many names a message lists. */
const SHOWN = 5;

/**
 * The class of each image by the folder it lies in.
 *
 * @param paths Paths relative to the folder of the images.
 * @param labels The class names.
 * @returns An index into the classes for each path.
 * @throws TensorRTError `LABELS_INVALID` that names the folders which are no class.
 */
export function folderClasses(paths: readonly string[], labels: Labels): number[] {
  const index = new Map(labels.classes.map((name, position) => [name, position]));
  const unknown = new Map<string, string>();
  const result = paths.map((path) => {
    const folder = folderLabel(path);
    const position = index.get(folder);
    if (position === undefined) unknown.set(folder, path);
    return position ?? -1;
  });
  if (unknown.size > 0) {
    const list = Array.from(unknown, ([folder, path]) =>
      folder === '' ? `${path} lies in no folder` : `${JSON.stringify(folder)} (${path})`,
    );
    const more = list.length > SHOWN ? ` and ${list.length - SHOWN} more` : '';
    throw new TensorRTError(
      'LABELS_INVALID',
      `Folders that are no class of ${labels.file ?? 'the labels'}: ${list.slice(0, SHOWN).join(', ')}${more}`,
      { remedy: 'Put each image into a folder named as its class stands in the label file.' },
    );
  }
  return result;
}
