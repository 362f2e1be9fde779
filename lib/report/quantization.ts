import type { Float16Report, QuantizationReport } from '../quantization/index.js';
import { textTable } from './text-table.js';
import { formatCount } from './units.js';

/** Nodes of one kind are listed by name up to so many. */
const LISTED = 5;

/** Names by explanation, a few of each. */
function explained(entries: readonly { explanation: string; opType: string; name: string }[]) {
  const groups = new Map<string, string[]>();
  for (const { explanation, name, opType } of entries) {
    const names = groups.get(explanation) ?? [];
    names.push(`${opType} ${name}`);
    groups.set(explanation, names);
  }
  const lines = Array.from(groups, ([explanation, names]) => {
    const more = names.length > LISTED ? ` and ${names.length - LISTED} more` : '';
    return `  ${explanation}\n    ${names.slice(0, LISTED).join(', ')}${more}`;
  });
  return lines.join('\n');
}

function float16Text(report: Float16Report): string {
  if (report.alreadyHalf) return 'The model is half precision already; it was left as it is.';
  const parts = [
    `${formatCount(report.half, 'node')} and ${formatCount(report.weights, 'weight')} in float16, ` +
      `${formatCount(report.kept.length, 'node')} in float32; inputs and outputs ${report.io}; ` +
      `${formatCount(report.casts, 'Cast')} inserted`,
  ];
  const lost = report.inexact.filter(({ clamped, zeroed }) => clamped + zeroed > 0);
  if (lost.length > 0) {
    const lines = lost.slice(0, LISTED).map(({ name, clamped, zeroed }) => {
      return `  ${name}: ${clamped} beyond ±65504 cut to it, ${zeroed} too small and now zero`;
    });
    if (lost.length > LISTED) lines.push(`  and ${lost.length - LISTED} more`);
    parts.push(`Weights that float16 cannot hold\n${lines.join('\n')}`);
  }
  if (report.kept.length > 0) parts.push(`Left in float32\n${explained(report.kept)}`);
  return parts.join('\n\n');
}

/** What `quantize` prints: what runs in int8, what does not, and why. */
export function quantizationText(report: QuantizationReport): string {
  const float16 = report.float16 === undefined ? [] : [float16Text(report.float16)];
  if (report.alreadyQuantized) {
    const left = float16.length === 0 ? 'it was left as it is' : 'its int8 part was left as it is';
    return [`The model is quantized already; ${left}.`, ...float16].join('\n\n');
  }
  if (report.nodes.length === 0 && float16.length > 0) return float16[0]!;
  const counts = Object.entries(report.counts).map(([opType, { quantized, float }]) => [
    opType,
    String(quantized),
    String(float),
  ]);
  const parts = [
    textTable(counts, ['left', 'right', 'right'], ['Operator', 'int8', 'float']),
    `${formatCount(report.tensors.length, 'tensor')} with a scale; target ${report.target}; ` +
      `opset ${report.opset.from === report.opset.to ? report.opset.to : `${report.opset.from} → ${report.opset.to}`}; ` +
      `${report.foldedBatchNormalization} BatchNormalization folded`,
  ];
  const floats = report.nodes.filter(({ quantized }) => !quantized);
  if (floats.length > 0) parts.push(`Left in float\n${explained(floats)}`);
  const untouched = Object.entries(report.untouched).map(([opType, count]) => `${count} ${opType}`);
  if (untouched.length > 0) parts.push(`Never quantized by themselves: ${untouched.join(', ')}`);
  return [...parts, ...float16].join('\n\n');
}
