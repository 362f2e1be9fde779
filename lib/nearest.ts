/** Letters that two spellings of a name share: `--saveEngine` and `--save-engine`. */
export function squash(name: string): string {
  return name.replaceAll('-', '').toLowerCase();
}

/** Edits (insert, delete, replace, swap of neighbours) between two words. */
export function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let row = 1; row <= a.length; row += 1) {
    const line = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1];
      let best = Math.min(
        rows[row - 1]![column]! + 1,
        line[column - 1]! + 1,
        rows[row - 1]![column - 1]! + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        best = Math.min(best, rows[row - 2]![column - 2]! + 1);
      }
      line.push(best);
    }
    rows.push(line);
  }
  return rows[a.length]![b.length]!;
}

/**
 * The word that is nearest to what was typed, however it is spelled (camel case, hyphens).
 *
 * @param typed What was typed.
 * @param choices Words that are known.
 * @returns `undefined` when none is near: more than a third of the letters, or over 3, differ.
 */
export function nearest(typed: string, choices: readonly string[]): string | undefined {
  const word = squash(typed);
  let best: string | undefined;
  let least = Math.min(3, Math.max(1, Math.floor(word.length / 3)));
  for (const choice of choices) {
    const other = squash(choice);
    // What was typed in part counts as near: `--compute` for `--compute-capabilities`.
    const distance = word.length >= 4 && other.startsWith(word) ? 0.5 : editDistance(word, other);
    if (distance < least || (distance === least && best === undefined)) {
      best = choice;
      least = distance;
    }
  }
  return best;
}
