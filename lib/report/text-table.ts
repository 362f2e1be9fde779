/** How a column stands. */
export type Align = 'left' | 'right';

/** Number of places a text takes in a terminal, as far as code points tell. */
function width(text: string): number {
  return [...text].length;
}

function pad(text: string, size: number, align: Align): string {
  const space = ' '.repeat(Math.max(size - width(text), 0));
  return align === 'right' ? space + text : text + space;
}

/**
 * Rows with aligned columns, two spaces apart, for a terminal; no trailing spaces.
 *
 * @param rows Cells; rows may have different lengths.
 * @param align How each column stands; left where nothing is said.
 * @param header Titles, underlined with dashes.
 * @returns Lines joined by newlines, without one at the end; `''` for no rows and no header.
 */
export function textTable(
  rows: readonly (readonly string[])[],
  align: readonly Align[] = [],
  header?: readonly string[],
): string {
  const all = header === undefined ? rows : [header, ...rows];
  const columns = all.reduce((most, row) => Math.max(most, row.length), 0);
  const sizes = Array.from({ length: columns }, (_, column) =>
    all.reduce((most, row) => Math.max(most, width(row[column] ?? '')), 0),
  );
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => pad(cell, sizes[column]!, align[column] ?? 'left'))
      .join('  ')
      .trimEnd();
  const lines = rows.map(line);
  if (header !== undefined) {
    lines.unshift(line(header), sizes.map((size) => '-'.repeat(size)).join('  '));
  }
  return lines.join('\n');
}
