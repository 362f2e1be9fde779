import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { messageOf, systemCode, TensorRTError } from '../errors.js';
import { writeFile } from '../files.js';
import type { AgreementScore } from './agreement.js';

/** What scores depend on; equal keys give equal scores. */
export type ScoreKey = Readonly<Record<string, unknown>>;

interface CacheFile {
  version: 1;
  key: string;
  scores: { float: string[]; score: AgreementScore }[];
}

const FIGURES = ['images', 'agreed', 'agreement', 'logitDistance', 'relativeDistance'] as const;

function isScore(value: unknown): value is AgreementScore {
  if (typeof value !== 'object' || value === null) return false;
  return FIGURES.every((name) => Number.isFinite((value as Record<string, unknown>)[name]));
}

function decode(text: string): CacheFile | undefined {
  let value: Partial<CacheFile> | null;
  try {
    value = JSON.parse(text) as Partial<CacheFile> | null;
  } catch {
    return undefined;
  }
  const isEntry = (entry: unknown) => {
    const { float, score } = (entry ?? {}) as Partial<CacheFile['scores'][number]>;
    return (
      Array.isArray(float) && float.every((name) => typeof name === 'string') && isScore(score)
    );
  };
  if (value?.version !== 1 || typeof value.key !== 'string') return undefined;
  if (!Array.isArray(value.scores) || !value.scores.every(isEntry)) return undefined;
  return value as CacheFile;
}

const setKey = (nodes: Iterable<string>) => JSON.stringify([...nodes].sort());

/**
 * Scores of a model with sets of float nodes, kept in a file, so that a run that was ended goes on
 * where it was.
 */
export class ScoreCache {
  /** Why what was in the file is not used; `undefined` when it is, or when there was none. */
  readonly problem: string | undefined;
  /** Scores of the file that were asked for. */
  reused = 0;
  readonly #file: string | undefined;
  readonly #key: string;
  readonly #scores: Map<string, AgreementScore>;
  /** Scores of the file that nobody asked for yet. */
  readonly #unused: Set<string>;

  private constructor(
    file: string | undefined,
    key: string,
    scores: Map<string, AgreementScore>,
    problem: string | undefined,
  ) {
    this.#file = file;
    this.#key = key;
    this.#scores = scores;
    this.#unused = new Set(scores.keys());
    this.problem = problem;
  }

  /**
   * Reads a file of scores, when it is there and belongs to the same calculation.
   *
   * @param file The file; nothing is kept without one.
   * @param key What the scores depend on.
   * @throws TensorRTError `FILE_NOT_FOUND` when the file is there and cannot be read.
   */
  static async open(file: string | undefined, key: ScoreKey): Promise<ScoreCache> {
    const digest = createHash('sha256').update(JSON.stringify(key)).digest('hex');
    const scores = new Map<string, AgreementScore>();
    if (file === undefined) return new ScoreCache(file, digest, scores, undefined);
    let text: string;
    try {
      text = await readFile(file, 'utf8');
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return new ScoreCache(file, digest, scores, undefined);
      throw new TensorRTError('FILE_NOT_FOUND', `Cannot read ${file}: ${messageOf(error)}`, {
        remedy: 'Give another file for partial results.',
        cause: error,
      });
    }
    const content = decode(text);
    if (content === undefined) {
      return new ScoreCache(file, digest, scores, `${file} holds no partial results`);
    }
    if (content.key !== digest) {
      const what = 'another model, table, list of images or other options';
      return new ScoreCache(file, digest, scores, `${file} belongs to ${what}`);
    }
    for (const { float, score } of content.scores) scores.set(setKey(float), score);
    return new ScoreCache(file, digest, scores, undefined);
  }

  /** The score with these nodes float, when it is known. */
  get(nodes: Iterable<string>): AgreementScore | undefined {
    const key = setKey(nodes);
    if (this.#unused.delete(key)) this.reused += 1;
    return this.#scores.get(key);
  }

  /**
   * Keeps a score, and writes the file.
   *
   * @throws TensorRTError `WRITE_FAILED`.
   */
  async set(nodes: Iterable<string>, score: AgreementScore): Promise<void> {
    this.#scores.set(setKey(nodes), score);
    if (this.#file === undefined) return;
    // JSON has no NaN: what a broken form scored is computed again.
    const scores = Array.from(this.#scores, ([names, found]) => ({
      float: JSON.parse(names) as string[],
      score: found,
    })).filter(({ score: found }) => isScore(found));
    const content: CacheFile = { version: 1, key: this.#key, scores };
    await writeFile(this.#file, `${JSON.stringify(content, null, 1)}\n`);
  }
}
