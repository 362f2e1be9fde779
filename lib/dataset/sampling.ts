import { expected, integer, number } from '../arguments.js';
import { compareCodePoints } from '../code-points.js';
import { folderLabel } from './labels.js';
import { PythonRandom } from './random.js';

/** Seed when none is given: the Python notebook's. */
export const DEFAULT_SEED = 1234;

/** Fewer calibration images than this bring a warning. */
export const SMALL_CALIBRATION_SET = 200;

/** How many files to take, and which. */
export interface SampleOptions {
  /** Part of the files, over 0 and at most 1; the count is `trunc(n · fraction)`. */
  fraction?: number;
  /** Number of files. Not together with `fraction`; with neither, all files are taken. */
  count?: number;
  /** Any integer; {@link DEFAULT_SEED} by default. */
  seed?: number | bigint;
  /** Take the same part of every folder label (largest remainder); off by default. */
  stratified?: boolean;
}

function sampleSize(n: number, options: SampleOptions): number {
  const { fraction, count } = options;
  if (count !== undefined) {
    if (fraction !== undefined) {
      throw expected('count', 'either a fraction or a count, not both,', count);
    }
    integer('count', count, 1);
    if (count > n) throw expected('count', `at most ${n}, the number of files,`, count, 'range');
    return count;
  }
  number('fraction', fraction, 'a number over 0 and at most 1', (value) => value > 0 && value <= 1);
  return Math.trunc(n * fraction!);
}

/**
 * Takes a part of the files: exactly the elements, in the order, of CPython's
 * `random.seed(seed); random.shuffle(paths); random.sample(paths, int(n * fraction))`, so that the
 * subset of a Python program is reproduced from its seed and its order of paths.
 *
 * With `stratified`, every folder label gives its share of the whole (rounded down, the files left
 * over going to the largest remainders, equal ones in code point order of the labels); the labels
 * are shuffled and sampled one after the other, in code point order, from one generator.
 *
 * @param paths All files; not changed.
 * @param options How many; with neither `fraction` nor `count` the files come back as they are.
 * @returns The sample, in the order drawn. It is empty when `n · fraction` is below 1, as in Python.
 * @throws TypeError, RangeError for a wrong option.
 */
export function sampleFiles(paths: readonly string[], options: SampleOptions): string[] {
  if (options.fraction === undefined && options.count === undefined) return [...paths];
  const count = sampleSize(paths.length, options);
  const random = new PythonRandom(options.seed ?? DEFAULT_SEED);
  if (options.stratified !== true) {
    const shuffled = [...paths];
    random.shuffle(shuffled);
    return random.sample(shuffled, count);
  }
  const result: string[] = [];
  for (const { files, share } of shares(paths, count)) {
    random.shuffle(files);
    for (const file of random.sample(files, share)) result.push(file);
  }
  return result;
}

function shares(paths: readonly string[], count: number): { files: string[]; share: number }[] {
  const groups = new Map<string, string[]>();
  for (const path of paths) {
    const label = folderLabel(path);
    const group = groups.get(label);
    if (group === undefined) groups.set(label, [path]);
    else group.push(path);
  }
  const n = paths.length;
  const parts = [...groups]
    .sort(([a], [b]) => compareCodePoints(a, b))
    .map(([, files]) => ({
      files,
      share: Math.floor((count * files.length) / n),
      remainder: (count * files.length) % n,
    }));
  let left = count - parts.reduce((sum, { share }) => sum + share, 0);
  // A stable sort keeps equal remainders in the order of the labels.
  for (const part of [...parts].sort((a, b) => b.remainder - a.remainder)) {
    if (left === 0) break;
    part.share++;
    left--;
  }
  return parts;
}

/**
 * What to tell about a small calibration set: ranges of fewer than
 * {@link SMALL_CALIBRATION_SET} images may miss values that real input has.
 *
 * @param count Number of calibration images.
 * @returns A sentence, or `undefined` when the set is large enough.
 */
export function calibrationSizeWarning(count: number): string | undefined {
  if (count >= SMALL_CALIBRATION_SET) return undefined;
  const images = count === 1 ? '1 calibration image' : `${count} calibration images`;
  return (
    `Only ${images}: ranges from fewer than ${SMALL_CALIBRATION_SET} may miss values that real ` +
    'input has, which costs accuracy. Take a larger fraction or count.'
  );
}
