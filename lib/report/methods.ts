import type { MethodScore } from '../tasks/index.js';
import { textTable } from './text-table.js';
import { formatNumber, formatPercent } from './units.js';

function nameOf({ method, options }: MethodScore): string {
  return method === 'percentile' ? `${method} ${options.percentile}` : method;
}

/** What `calibrate --method auto` prints: how close each method comes to FP32, the kept one first. */
export function methodScoresText(scores: readonly MethodScore[], heldBack: number): string {
  const rows = scores.map((one) => {
    const { score, failure = '' } = one;
    if (score === undefined) return [nameOf(one), '–', '–', `refused: ${failure}`];
    return [
      nameOf(one),
      `${score.agreed} of ${score.images} (${formatPercent(score.agreement)})`,
      `${formatNumber(score.logitDistance, 3)} (${formatPercent(score.relativeDistance)})`,
      one.kept ? 'kept' : '',
    ];
  });
  const header = ['Method', 'Same class', 'Logit distance', ''];
  return (
    `Scored on ${heldBack} images that were held back\n` +
    textTable(rows, ['left', 'right', 'right', 'left'], header)
  );
}
