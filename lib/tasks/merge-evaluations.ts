import { checkParts } from '../calibration/index.js';
import { TensorRTError } from '../errors.js';
import { AccuracyCounter } from './accuracy.js';
import { ComparisonCounter } from './comparison.js';
import type { EvaluateResult, ModelEvaluation } from './evaluate.js';
import { EVALUATION_PART, type EvaluationPart, readEvaluationPart } from './evaluation-part.js';

/** Whether a folder holds a shard of an evaluation. */
export async function holdsEvaluation(folder: string): Promise<boolean> {
  return (await readEvaluationPart(folder)) !== undefined;
}

/** What was named in any shard, in the order of the whole sample. */
function inOrder<T extends { source: string }>(
  parts: readonly EvaluationPart[],
  of: (part: EvaluationPart) => readonly T[],
): T[] {
  const named = parts.flatMap((part) =>
    of(part).map((one) => [part.places[one.source]!, one] as const),
  );
  return named.sort(([a], [b]) => a - b).map(([, one]) => one);
}

function mergeModels(models: readonly ModelEvaluation[]): ModelEvaluation {
  const [first] = models;
  const { accuracy, ...rest } = first!;
  const counter = accuracy && new AccuracyCounter(accuracy.classes.map(({ label }) => label));
  for (const one of models) if (one.accuracy !== undefined) counter?.merge(one.accuracy);
  return {
    ...rest,
    ...(counter === undefined ? {} : { accuracy: counter.result() }),
    softmaxApplied: models.some(({ softmaxApplied }) => softmaxApplied),
    inferenceMs: models.reduce((sum, { inferenceMs }) => sum + inferenceMs, 0),
  };
}

/**
 * Joins the shards of an evaluation, in any order, into the figures of one run over all images: counts
 * and confusion are added, and so are the exact sums behind the means, so that every figure is the same
 * but the time.
 *
 * @param folders The folders that {@link evaluateShard} wrote.
 * @throws TensorRTError `TABLE_INCOMPLETE` when a shard is missing, `TABLE_MISMATCH` when one is there
 *   twice, or when models, recipes, labels or images differ; `FILE_NOT_FOUND` for a folder without a
 *   shard, `TABLE_INVALID`.
 */
export async function mergeEvaluations(folders: readonly string[]): Promise<EvaluateResult> {
  const parts: (EvaluationPart & { source: string })[] = [];
  for (const source of folders) {
    const part = await readEvaluationPart(source);
    if (part === undefined) {
      throw new TensorRTError('FILE_NOT_FOUND', `${source} holds no ${EVALUATION_PART}`, {
        remedy: 'Give the folders that `evaluate --shard` wrote.',
      });
    }
    parts.push({ ...part, source });
  }
  if (parts.length === 0) throw new RangeError('Expected at least one folder but received none');
  checkParts(parts);
  parts.sort((a, b) => (a.meta.shard?.index ?? 0) - (b.meta.shard?.index ?? 0));
  const results = parts.map(({ result }) => result);
  const { comparison: _, against: _other, ...first } = results[0]!;
  const others = results.flatMap(({ against }) => against ?? []);
  const comparison = parts.some((part) => part.comparison)
    ? new ComparisonCounter(String)
    : undefined;
  for (const part of parts) {
    if (part.comparison) comparison?.merge(part.comparison);
  }
  comparison?.list(inOrder(parts, (part) => part.comparison?.disagreements ?? []));
  return {
    ...first,
    model: mergeModels(results.map(({ model }) => model)),
    ...(others.length === 0 ? {} : { against: mergeModels(others) }),
    ...(comparison === undefined ? {} : { comparison: comparison.result() }),
    images: results.reduce((sum, { images }) => sum + images, 0),
    broken: inOrder(parts, ({ result }) => result.broken),
  };
}
