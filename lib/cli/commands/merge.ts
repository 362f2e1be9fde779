import { Command } from 'commander';
import {
  mergeFolders,
  TABLE_STYLES,
  type TableStyle,
  writeTables,
} from '../../calibration/index.js';
import { formatCount } from '../../report/index.js';
import { action, type Context } from '../context.js';
import type { CliIo } from '../io.js';
import { examples, required } from '../options.js';
import { choiceValue } from '../values.js';
import { writtenText } from './shared.js';

interface Flags {
  out: string;
  style: TableStyle;
}

async function mergeAction(context: Context, flags: Flags, folders: string[]): Promise<void> {
  const table = await mergeFolders(folders);
  for (const warning of table.warnings) context.warn(warning);
  context.signal.throwIfAborted();
  const files = await writeTables(table, flags.out, { style: flags.style });
  const { method, meta } = table;
  const sample = meta?.sample === undefined ? '' : `, ${formatCount(meta.sample.images, 'image')}`;
  context.line(
    `${formatCount(table.size, 'tensor')} from ${formatCount(folders.length, 'part')}${sample}`,
  );
  context.line(writtenText(files));
  const images = meta?.sample?.images;
  context.result({ files, tensors: table.size, parts: folders.length, method, images, meta });
}

/** `merge DIR… --out DIR`. */
export function mergeCommand(io: CliIo): Command {
  const command = new Command('merge')
    .summary('join what `calibrate --shard` wrote into one table')
    .description(
      'Join the parts that `calibrate --shard` wrote, in any order, into the calibration table of one ' +
        'run over all images. A shard that is missing, repeated or of another calibration is named.',
    )
    .argument('<dirs...>', 'folders of the parts');
  required(command, '--out <dir>', 'folder for the table')
    .option(
      '--style <style>',
      `whose rules the files follow: ${TABLE_STYLES.join(', ')}`,
      choiceValue('--style', TABLE_STYLES),
      'exact',
    )
    .action(action<[string[]], Flags>(io, mergeAction));
  return examples(command, ['merge parts/1 parts/2 parts/3 --out calibration']);
}
