import type { AgreementScore, SensitivityResult } from '../tasks/index.js';
import { textTable } from './text-table.js';
import { formatCount, formatNumber, formatPercent } from './units.js';

/** Layers are listed up to so many; those below cost the least. */
const LISTED = 50;

/** `98 of 100 (98.00 %), distance 0.0782 (4.00 % of the outputs)`. */
function scoreText(score: AgreementScore): string {
  const { agreed, images, agreement, logitDistance, relativeDistance } = score;
  return (
    `same class for ${agreed} of ${images} (${formatPercent(agreement)}), logit distance ` +
    `${formatNumber(logitDistance, 3)} (${formatPercent(relativeDistance)} of the outputs)`
  );
}

/** A cost with its sign: parts may also gain by int8, when errors cancel out. */
function signed(value: number, text: string): string {
  return value > 0 ? `+${text}` : text;
}

function proposalText({ proposal, metric, maxDrop, by }: SensitivityResult): string {
  const allowed = `a drop of ${metric} of at most ${formatPercent(maxDrop)}`;
  const { units, score, meets } = proposal;
  if (!meets) {
    return (
      `No set of float ${by}s brings ${allowed}; with these:\n  ${scoreText(score)}\n` +
      `  ${units.join('\n  ')}`
    );
  }
  if (units.length === 0) return `INT8 throughout keeps to ${allowed}: nothing need stay float.`;
  const are = units.length === 1 ? 'is' : 'are';
  return (
    `${formatCount(units.length, by)} that ${are} enough in float for ${allowed}:\n` +
    `  ${units.join('\n  ')}\n  ${scoreText(score)}`
  );
}

/** What `sensitivity` prints: what each layer costs, and which to leave float. */
export function sensitivityText(result: SensitivityResult): string {
  const { by, units, baseline } = result;
  const rows = units
    .slice(0, LISTED)
    .map(({ name, opTypes, agreementCost, distanceCost }) => [
      name,
      opTypes.length === 1 ? opTypes[0]! : formatCount(opTypes.length, 'layer'),
      signed(agreementCost, formatPercent(agreementCost)),
      signed(distanceCost, formatNumber(distanceCost, 3)),
    ]);
  const header = [by === 'layer' ? 'Layer' : 'Block', '', 'Agreement', 'Distance'];
  const more = units.length - rows.length;
  const parts = [
    `All in INT8: ${scoreText(baseline)}`,
    `What the INT8 form of each ${by} costs\n` +
      textTable(rows, ['left', 'left', 'right', 'right'], header) +
      (more > 0 ? `\nand ${formatCount(more, `more ${by}`)} that cost less` : ''),
    proposalText(result),
  ];
  return parts.join('\n\n');
}
