import { join } from 'node:path';
import { Command } from 'commander';
import {
  mergeFolders,
  TABLE_STYLES,
  type TableStyle,
  writeTables,
} from '../../calibration/index.js';
import { writeFile } from '../../files.js';
import { evaluationText, formatCount } from '../../report/index.js';
import { holdsEvaluation, mergeEvaluations } from '../../tasks/index.js';
import { action, type Context, jsonText } from '../context.js';
import type { CliIo } from '../io.js';
import { examples, required } from '../options.js';
import { UsageError } from '../usage.js';
import { choiceValue } from '../values.js';
import { noteBroken, writtenText } from './shared.js';

interface Flags {
  out: string;
  style?: TableStyle;
}

/** Joins what `evaluate --shard` wrote. */
async function mergeReports(context: Context, flags: Flags, folders: string[]): Promise<void> {
  if (flags.style !== undefined) throw new UsageError('--style means nothing to an evaluation');
  const result = await mergeEvaluations(folders);
  context.signal.throwIfAborted();
  const file = join(flags.out, 'evaluation.json');
  await writeFile(file, `${jsonText(result)}\n`);
  noteBroken(context, result.broken);
  context.line(evaluationText(result));
  context.line(`\n${writtenText([file])}`);
  context.result({ ...result, files: [file], parts: folders.length });
}

async function mergeAction(context: Context, flags: Flags, folders: string[]): Promise<void> {
  if (await holdsEvaluation(folders[0]!)) return mergeReports(context, flags, folders);
  const table = await mergeFolders(folders);
  for (const warning of table.warnings) context.warn(warning);
  context.signal.throwIfAborted();
  const files = await writeTables(table, flags.out, { style: flags.style ?? 'exact' });
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
    .summary('join what `calibrate --shard` or `evaluate --shard` wrote')
    .description(
      'Join the parts that `calibrate --shard` or `evaluate --shard` wrote, in any order, into the ' +
        'calibration table or the report of one run over all images. A shard that is missing, repeated ' +
        'or of another run is named.',
    )
    .argument('<dirs...>', 'folders of the parts');
  required(command, '--out <dir>', 'folder for the table, or for the report (evaluation.json)')
    .option(
      '--style <style>',
      `whose rules a table's files follow: ${TABLE_STYLES.join(', ')} (default: exact)`,
      choiceValue('--style', TABLE_STYLES),
    )
    .action(action<[string[]], Flags>(io, mergeAction));
  return examples(command, [
    'merge parts/1 parts/2 parts/3 --out calibration',
    'merge reports/* --out report',
  ]);
}
