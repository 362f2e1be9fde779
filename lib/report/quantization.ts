import type { QuantizationReport } from '../quantization/index.js';
import { textTable } from './text-table.js';
import { formatCount } from './units.js';

/** Nodes of one kind are listed by name up to so many. */
const LISTED = 5;

/** What `quantize` prints: what runs in int8, what does not, and why. */
export function quantizationText(report: QuantizationReport): string {
  if (report.alreadyQuantized) return 'The model is quantized already; it was left as it is.';
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
  const floats = new Map<string, string[]>();
  for (const { quantized, explanation, name, opType } of report.nodes) {
    if (quantized) continue;
    const names = floats.get(explanation) ?? [];
    names.push(`${opType} ${name}`);
    floats.set(explanation, names);
  }
  if (floats.size > 0) {
    const lines = Array.from(floats, ([explanation, names]) => {
      const more = names.length > LISTED ? ` and ${names.length - LISTED} more` : '';
      return `  ${explanation}\n    ${names.slice(0, LISTED).join(', ')}${more}`;
    });
    parts.push(`Left in float\n${lines.join('\n')}`);
  }
  const untouched = Object.entries(report.untouched).map(([opType, count]) => `${count} ${opType}`);
  if (untouched.length > 0) parts.push(`Never quantized by themselves: ${untouched.join(', ')}`);
  return parts.join('\n\n');
}
