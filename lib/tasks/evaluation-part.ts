import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CalibrationMeta, decodeMeta } from '../calibration/index.js';
import { messageOf, systemCode, TensorRTError } from '../errors.js';
import type { ComparisonState } from './comparison.js';
import type { EvaluateResult } from './evaluate.js';

/** Name of the file that holds one shard of an evaluation. */
export const EVALUATION_PART = 'evaluation.part.json';

/** One shard of an evaluation: the content of evaluation.part.json. */
export interface EvaluationPart {
  /** What the shards of one evaluation have in common, and which one this is. */
  meta: CalibrationMeta;
  /** The figures of this shard alone. */
  result: EvaluateResult;
  /** What was compared, in exact sums; absent without another model. */
  comparison?: ComparisonState;
  /** Places in the whole sample of the images that `result` names. */
  places: Readonly<Record<string, number>>;
}

/** The text of evaluation.part.json. JSON has no NaN and no infinity: they are strings there. */
export function encodeEvaluationPart(part: EvaluationPart): string {
  const text = JSON.stringify(part, (_key, value: unknown) =>
    typeof value === 'number' && !Number.isFinite(value) ? String(value) : value,
  );
  return `${text}\n`;
}

function invalid(path: string, error: unknown): TensorRTError {
  return new TensorRTError('TABLE_INVALID', `${path}: ${messageOf(error)}`, {
    remedy: 'Evaluate this shard again.',
    cause: error,
  });
}

function numbers(values: unknown): number[] {
  if (!Array.isArray(values)) throw new Error('Expected sums');
  return values.map(Number);
}

function comparisonOf(value: unknown): ComparisonState {
  const state = value as ComparisonState;
  if (!Array.isArray(state.disagreements)) throw new Error('Expected a list of disagreements');
  return {
    images: Number(state.images),
    agreed: Number(state.agreed),
    matched: Number(state.matched),
    values: Number(state.values),
    difference: numbers(state.difference),
    maxDifference: Number(state.maxDifference),
    cosine: numbers(state.cosine),
    minCosine: Number(state.minCosine),
    confidence: numbers(state.confidence),
    maxConfidence: Number(state.maxConfidence),
    disagreements: state.disagreements,
  };
}

/**
 * Reads the shard of an evaluation.
 *
 * @param folder The folder that `evaluate --shard` wrote.
 * @returns `undefined` when there is none.
 * @throws TensorRTError `TABLE_INVALID`, or `FILE_NOT_FOUND` when it cannot be read.
 */
export async function readEvaluationPart(folder: string): Promise<EvaluationPart | undefined> {
  const path = join(folder, EVALUATION_PART);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new TensorRTError('FILE_NOT_FOUND', `Cannot read ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  try {
    const { meta, result, comparison, places } = JSON.parse(text) as EvaluationPart;
    const known = decodeMeta(Buffer.from(JSON.stringify(meta)), path);
    const whole = Number.isSafeInteger(result.images) && Array.isArray(result.broken);
    if (
      !whole ||
      typeof result.model.model !== 'string' ||
      typeof places !== 'object' ||
      places === null
    ) {
      throw new Error('Expected the figures of an evaluation');
    }
    return {
      meta: known,
      result,
      places,
      ...(comparison === undefined ? {} : { comparison: comparisonOf(comparison) }),
    };
  } catch (error) {
    if (error instanceof TensorRTError) throw error;
    throw invalid(path, error);
  }
}
