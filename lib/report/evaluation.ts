import {
  type Accuracy,
  CONFIDENCE_TOLERANCE,
  type Comparison,
  type EvaluateResult,
  type ModelEvaluation,
} from '../tasks/index.js';
import { textTable } from './text-table.js';
import { formatCount, formatDuration, formatNumber, formatPercent } from './units.js';

/** A confusion matrix of more classes is shown as its largest entries. */
const MATRIX_CLASSES = 20;
/** Per-class figures of more classes are left out of the text. */
const LISTED_CLASSES = 50;
/** How many confusions, or images on which two models differ, are listed. */
const LISTED = 10;

const percent = (value: number | null) => (value === null ? '–' : formatPercent(value, 1));

function summary(result: EvaluateResult): string {
  const models: ModelEvaluation[] = [result.model];
  if (result.against !== undefined) models.push(result.against);
  const rows: string[][] = [['Model', ...models.map(({ model }) => model)]];
  const accuracies = models.map(({ accuracy }) => accuracy);
  if (accuracies.every((accuracy) => accuracy !== undefined)) {
    rows.push(
      [
        'Top-1',
        ...accuracies.map(({ top1, correct, images }) => {
          return `${formatPercent(top1)} (${correct} of ${images})`;
        }),
      ],
      ['Top-5', ...accuracies.map(({ top5 }) => formatPercent(top5))],
    );
  }
  rows.push([
    'Time in the model',
    ...models.map(({ inferenceMs }) =>
      result.images === 0 ? '–' : `${formatDuration(inferenceMs / result.images)} an image`,
    ),
  ]);
  rows.push(['Run by', ...models.map(({ provider }) => provider)]);
  return textTable(rows);
}

function perClass(accuracy: Accuracy): string {
  const rows = accuracy.classes.map(({ label, count, correct, precision, recall }) => [
    label,
    String(count),
    String(correct),
    percent(precision),
    percent(recall),
  ]);
  return textTable(
    rows,
    ['left', 'right', 'right', 'right', 'right'],
    ['Class', 'Images', 'Right', 'Precision', 'Recall'],
  );
}

function confusions(accuracy: Accuracy): string {
  const labels = accuracy.classes.map(({ label }) => label);
  if (labels.length <= MATRIX_CLASSES) {
    const rows = accuracy.confusion.map((row, actual) => [
      labels[actual]!,
      ...row.map((count) => (count === 0 ? '·' : String(count))),
    ]);
    const align = ['left' as const, ...labels.map(() => 'right' as const)];
    return `Confusion (rows: actual class, columns: predicted)\n${textTable(rows, align, ['', ...labels])}`;
  }
  const pairs = accuracy.confusion.flatMap((row, actual) =>
    row.map((count, predicted) => ({ count, actual, predicted })),
  );
  const worst = pairs
    .filter(({ count, actual, predicted }) => count > 0 && actual !== predicted)
    .sort((a, b) => b.count - a.count)
    .slice(0, LISTED);
  if (worst.length === 0) return 'No class was taken for another.';
  const rows = worst.map(({ count, actual, predicted }) => [
    String(count),
    `${labels[actual]} taken for ${labels[predicted]}`,
  ]);
  return `Most frequent confusions\n${textTable(rows, ['right'])}`;
}

function agreement(comparison: Comparison): string {
  const { agreed, images } = comparison;
  const pair = (mean: number, other: string, value: number) =>
    `mean ${formatNumber(mean)}, ${other} ${formatNumber(value)}`;
  const rows = [
    ['Same class first', `${agreed} of ${images} (${formatPercent(comparison.agreement)})`],
    [`and confidence within ${CONFIDENCE_TOLERANCE}`, `${comparison.matched} of ${images}`],
    [
      'Distance of outputs',
      pair(comparison.meanLogitDifference, 'largest', comparison.maxLogitDifference),
    ],
    ['Cosine of outputs', pair(comparison.meanCosine, 'smallest', comparison.minCosine)],
    [
      'Change of confidence',
      pair(comparison.meanConfidenceDifference, 'largest', comparison.maxConfidenceDifference),
    ],
  ];
  const lines = comparison.disagreements
    .slice(0, LISTED)
    .map(({ source, predicted, against, actual }) => {
      return `  ${source}: ${predicted}, then ${against}${actual === undefined ? '' : ` (is ${actual})`}`;
    });
  const differ = images - agreed;
  if (differ > lines.length)
    lines.push(`  and ${formatCount(differ - lines.length, 'more image')}`);
  const list = lines.length === 0 ? '' : `\nDifferent class first\n${lines.join('\n')}`;
  return `Agreement of the two models\n${textTable(rows)}${list}`;
}

/** What `evaluate` prints. */
export function evaluationText(result: EvaluateResult): string {
  const parts = [summary(result)];
  const { accuracy } = result.model;
  if (result.comparison !== undefined) parts.push(agreement(result.comparison));
  if (accuracy !== undefined) {
    if (accuracy.classes.length <= LISTED_CLASSES) parts.push(perClass(accuracy));
    parts.push(confusions(accuracy));
  }
  return parts.join('\n\n');
}
