import type { CompareResult } from '../tasks/index.js';
import { textTable } from './text-table.js';
import { formatBytes, formatPercent } from './units.js';

/**
 * Variants of a model as a table of speed with accuracy beside it, and which one to ship.
 *
 * @param result Of `compareVariants`.
 */
export function compareText({ variants, ship }: CompareResult): string {
  const judged = variants.some(({ accuracy }) => accuracy !== undefined);
  const labelled = variants.some(({ accuracy }) => accuracy?.top1 !== undefined);
  const us = (ms: number) => (ms * 1000).toFixed(1);
  const rows = variants.map(({ accuracy, ...one }) => [
    one.variant,
    us(one.runMs),
    us(one.computeMs),
    Math.round(one.imagesPerSecond).toLocaleString('en-US'),
    `${one.speedup.toFixed(2)}x`,
    formatBytes(one.planBytes),
    ...(judged
      ? [
          accuracy === undefined ? '–' : formatPercent(accuracy.agreement, 1),
          accuracy === undefined ? '–' : accuracy.meanConfidenceDifference.toFixed(4),
        ]
      : []),
    ...(labelled ? [accuracy?.top1 === undefined ? '–' : formatPercent(accuracy.top1, 1)] : []),
  ]);
  const header = [
    'Variant',
    'run p50 µs',
    'GPU p50 µs',
    'images/s',
    'of FP32',
    'plan',
    ...(judged ? ['agrees', 'mean |Δconf|'] : []),
    ...(labelled ? ['top-1'] : []),
  ];
  const table = textTable(rows, ['left', ...header.slice(1).map(() => 'right' as const)], header);
  return `${table}\n\nShip ${ship.variant}: ${ship.reason}.`;
}
