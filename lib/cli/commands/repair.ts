import { Command } from 'commander';
import { repairTable } from '../../calibration/index.js';
import { formatCount, repairText } from '../../report/index.js';
import { action, type Context } from '../context.js';
import type { CliIo } from '../io.js';
import { examples, required } from '../options.js';
import { writtenText } from './shared.js';

async function repairAction(
  context: Context,
  { out }: { out: string },
  input: string,
): Promise<void> {
  const { table, repaired, files, warnings } = await repairTable(input, out);
  for (const warning of warnings) context.warn(warning);
  const of = formatCount(table.size, 'tensor');
  context.line(
    repaired.length === 0
      ? `Nothing to repair in ${of}`
      : `${repaired.length} of ${of} repaired:\n\n${repairText(repaired)}\n`,
  );
  context.line(writtenText(files));
  context.result({ files, tensors: table.size, repaired });
}

/** `repair TABLE --out DIR`. */
export function repairCommand(io: CliIo): Command {
  const command = new Command('repair')
    .summary('repair a table that was written without the absolute value')
    .description(
      'Repair a table that ONNX Runtime 1.20 or later wrote: it records the larger bound in place of ' +
        'the larger magnitude. The bounds in calibration.json tell what is right.',
    )
    .argument(
      '<table>',
      'folder of the table, or one of its files with calibration.json beside it',
    );
  required(command, '--out <dir>', 'folder for the repaired table').action(
    action<[string], { out: string }>(io, repairAction),
  );
  return examples(command, ['repair calibration --out repaired']);
}
