import { Command } from 'commander';
import { diffTables, readTable } from '../../calibration/index.js';
import { defined } from '../../defined.js';
import { diffText } from '../../report/index.js';
import { action, type Context } from '../context.js';
import { type CliIo, ExitStatus } from '../io.js';
import { examples } from '../options.js';
import { numberValue } from '../values.js';

interface Flags {
  tolerance?: number;
  exitCode?: boolean;
}

async function diffAction(context: Context, flags: Flags, a: string, b: string): Promise<void> {
  const tables = [await readTable(a), await readTable(b)] as const;
  for (const { warnings } of tables) for (const warning of warnings) context.warn(warning);
  const { tolerance } = flags;
  const found = diffTables(...tables, defined({ tolerance }));
  const methods = { a: tables[0].method, b: tables[1].method };
  context.line(diffText(found, a, b));
  context.result({ a, b, methods, ...found });
  const { onlyA, onlyB, changed } = found;
  const equal = onlyA.length + onlyB.length + changed.length === 0;
  if (flags.exitCode === true && !equal) throw new ExitStatus(1);
}

/** `diff A B`. */
export function diffCommand(io: CliIo): Command {
  return examples(
    new Command('diff')
      .summary('compare two calibration tables')
      .description(
        'Compare two calibration tables of any format: tensors that only one has, and ranges that ' +
          'differ, the largest change of magnitude first. Where a format holds magnitudes alone, ' +
          'magnitudes are compared.',
      )
      .argument('<a>', 'file or folder of a table')
      .argument('<b>', 'file or folder of another table')
      .option(
        '--tolerance <t>',
        'how far bounds may lie apart, relative to the larger amax (default: 0)',
        numberValue('--tolerance', 'a number of at least 0', (value) => value >= 0),
      )
      .option('--exit-code', 'exit status 1 when the tables differ')
      .action(action<[string, string], Flags>(io, diffAction)),
    ['diff calibration other', 'diff a.cache b.json --tolerance 1e-5 --exit-code'],
  );
}
