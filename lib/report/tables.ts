import type { RepairedTensor, TableDifference, TensorDifference } from '../calibration/index.js';
import { textTable } from './text-table.js';
import { formatCount, formatNumber } from './units.js';

/** A name as tables show it. */
function shown(name: string): string {
  return name === '' ? '""' : name;
}

/** What `repair` prints: the number that was recorded, and the one that is right. */
export function repairText(repaired: readonly RepairedTensor[]): string {
  return textTable(
    repaired.map(({ name, lowest, highest, recorded, amax }) => [
      shown(name),
      formatNumber(lowest, 6),
      formatNumber(highest, 6),
      formatNumber(recorded, 6),
      formatNumber(amax, 6),
    ]),
    ['left', 'right', 'right', 'right', 'right'],
    ['Tensor', 'Lowest', 'Highest', 'Was', 'Is'],
  );
}

function change({ ratio }: TensorDifference): string {
  if (!Number.isFinite(ratio)) return String(ratio);
  const percent = (ratio - 1) * 100;
  if (percent === 0) return 'bounds only';
  const size = Math.abs(percent);
  const digits = size < 0.001 ? percent.toExponential(1) : percent.toFixed(size < 1 ? 3 : 1);
  return `${percent > 0 ? '+' : ''}${digits} %`;
}

/**
 * What `diff` prints.
 *
 * @param found The differences.
 * @param a Name of the first table.
 * @param b Name of the second table.
 */
export function diffText(found: TableDifference, a: string, b: string): string {
  const { onlyA, onlyB, changed, same } = found;
  const parts: string[] = [];
  const only = (names: readonly string[], table: string) => {
    if (names.length === 0) return;
    const lines = names.map((name) => `  ${shown(name)}`).join('\n');
    parts.push(`${formatCount(names.length, 'tensor')} only in ${table}:\n${lines}`);
  };
  only(onlyA, a);
  only(onlyB, b);
  if (changed.length > 0) {
    const bounds = ({ lowest, highest }: TensorDifference['a']) => [
      formatNumber(lowest, 6),
      formatNumber(highest, 6),
    ];
    parts.push(
      textTable(
        changed.map((one) => [shown(one.name), ...bounds(one.a), ...bounds(one.b), change(one)]),
        ['left', 'right', 'right', 'right', 'right', 'right'],
        ['Tensor', 'Lowest A', 'Highest A', 'Lowest B', 'Highest B', 'amax'],
      ),
    );
  }
  parts.push(
    `${formatCount(same, 'tensor')} the same, ${changed.length} different, ` +
      `${onlyA.length + onlyB.length} in one table only`,
  );
  return parts.join('\n\n');
}

const BLOCKS = ' ▁▂▃▄▅▆▇█';

/**
 * A histogram in a line of a terminal, by the logarithm of its counts: the few values far out are what
 * one looks for.
 *
 * @param counts Values per bin.
 * @param width Letters.
 */
export function sparkline(counts: ArrayLike<number>, width = 32): string {
  const columns = Math.min(width, counts.length);
  const sums = new Array<number>(columns).fill(0);
  for (let i = 0; i < counts.length; i += 1) {
    sums[Math.floor((i * columns) / counts.length)]! += counts[i]!;
  }
  const most = Math.log1p(Math.max(...sums));
  return sums
    .map((sum) => (sum === 0 ? ' ' : BLOCKS[Math.max(1, Math.round((8 * Math.log1p(sum)) / most))]))
    .join('');
}
