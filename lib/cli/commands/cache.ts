import { Command } from 'commander';
import { defined } from '../../defined.js';
import { type CacheEntry, listCache, pruneCache } from '../../engine/index.js';
import { cacheExplanationText, cacheText, formatBytes, formatCount } from '../../report/index.js';
import { explainBuild, explainCalibrated } from '../../tasks/index.js';
import { type BuildFlags, buildFlags, buildOptionsOf } from '../build-flags.js';
import { action, type Context } from '../context.js';
import type { CliIo } from '../io.js';
import { examples } from '../options.js';
import { UsageError } from '../usage.js';
import { ageValue, sizeValue } from '../values.js';
import {
  type BuildDataFlags,
  buildDataFlags,
  calibratedOptions,
  checkImageFlags,
} from './build-images.js';
import { buildRecipeOption, modelOf, modelOption } from './shared.js';

interface FolderFlags {
  cacheDir?: string;
}

interface PruneFlags extends FolderFlags {
  olderThan?: number;
  maxSize?: number;
  all?: boolean;
  dryRun?: boolean;
}

interface WhyFlags extends BuildFlags, BuildDataFlags {
  model?: string;
  onnx?: string;
  recipe?: string;
}

function folderOf({ cacheDir }: FolderFlags): { folder?: string } {
  return defined({ folder: cacheDir });
}

function folderOption(command: Command): Command {
  return command.option(
    '--cache-dir <dir>',
    'folder of the engine cache (default: $TENSORRT_NODE_CACHE_DIR, else ~/.cache/tensorrt-node/engines)',
  );
}

/** An entry in a JSON document: dates as dates. */
function entryOf({ lastUsed, ...entry }: CacheEntry): Record<string, unknown> {
  return { ...entry, lastUsed: new Date(lastUsed).toISOString() };
}

async function listAction(context: Context, flags: FolderFlags): Promise<void> {
  const { folder, entries } = await listCache(folderOf(flags));
  context.line(cacheText(folder, entries, Date.now()));
  const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
  context.result({ folder, entries: entries.map(entryOf), bytes });
}

async function whyAction(context: Context, flags: WhyFlags, argument?: string): Promise<void> {
  checkImageFlags(flags);
  const model = modelOf(argument, flags);
  const { images, recipe } = flags;
  const options = { ...context.call, ...buildOptionsOf(flags), ...defined({ recipe }) };
  const explanation =
    images === undefined
      ? await explainBuild(model, options)
      : await explainCalibrated(model, calibratedOptions({ ...flags, images }, options));
  context.line(cacheExplanationText(explanation));
  const near = explanation.near.map(({ entry, ...rest }) => ({ entry: entryOf(entry), ...rest }));
  context.result({ ...explanation, near });
}

async function pruneAction(context: Context, flags: PruneFlags): Promise<void> {
  const { olderThan, maxSize, all, dryRun } = flags;
  if (olderThan === undefined && maxSize === undefined && all === undefined) {
    throw new UsageError(
      'Missing what to remove: --older-than, --max-size or --all',
      'See `tensorrt-node cache prune --help`.',
    );
  }
  const result = await pruneCache({
    ...folderOf(flags),
    ...defined({ olderThanMs: olderThan, maxBytes: maxSize, all, dryRun }),
  });
  if (result.removed.length > 0) context.line(cacheText(result.folder, result.removed, Date.now()));
  const verb = dryRun === true ? 'would be removed' : 'removed';
  context.line(
    `${formatCount(result.removed.length, 'engine')} ${verb}, ${formatBytes(result.freedBytes)}; ` +
      `${formatCount(result.kept.length, 'engine')} ${result.kept.length === 1 ? 'stays' : 'stay'}`,
  );
  const { removed, kept, ...rest } = result;
  context.result({
    ...rest,
    dryRun: dryRun === true,
    removed: removed.map(entryOf),
    kept: kept.map(entryOf),
  });
}

function listCommand(io: CliIo): Command {
  const command = new Command('ls')
    .summary('list the engines')
    .description('List the engines in the cache, the one used last first.');
  return examples(folderOption(command).action(action<[], FolderFlags>(io, listAction)), [
    'cache ls',
    'cache ls --cache-dir engines --json',
  ]);
}

function whyCommand(io: CliIo): Command {
  const command = modelOption(new Command('why'))
    .summary('say whether a build would reuse an engine, and why not')
    .description(
      'Say whether `build` with these flags would take its engine from the cache, and if not, in what ' +
        'the engines of that model which are there differ. Nothing is built.',
    )
    .argument('[model]', 'ONNX model, or a folder that holds one')
    .option('--onnx <path>', "the model, by trtexec's name for the flag");
  buildRecipeOption(buildDataFlags(buildFlags(command))).action(
    action<[string | undefined], WhyFlags>(io, whyAction),
  );
  return examples(command, [
    'cache why model.onnx --computeCapabilities=80,89,120',
    'cache why --onnx=model.onnx --optShapes=input:1x3x224x224 --json',
    'cache why model.onnx --imageInput --recipe recipe.json',
    'cache why model.onnx --int8 --fp16 --images photos --count 500',
  ]);
}

function pruneCommand(io: CliIo): Command {
  const command = new Command('prune')
    .summary('remove engines by age or size')
    .description(
      'Remove engines from the cache, the one used longest ago first. Files that `build` did not put ' +
        'there are left alone.',
    )
    .option(
      '--older-than <age>',
      'engines that were not used for so long: 30d, 12h',
      ageValue('--older-than'),
    )
    .option(
      '--max-size <size>',
      'as many as it takes to have at most so much left: 4G, 500M',
      sizeValue('--max-size'),
    )
    .option('--all', 'every engine')
    .option('--dry-run', 'only say what would be removed');
  return examples(folderOption(command).action(action<[], PruneFlags>(io, pruneAction)), [
    'cache prune --older-than 30d',
    'cache prune --max-size 4G --dry-run',
    'cache prune --all',
  ]);
}

/** `cache ls | why MODEL | prune`. */
export function cacheCommand(io: CliIo): Command {
  return new Command('cache')
    .summary('list, explain and remove cached engines')
    .description('List, explain and remove the engines that `build` keeps in its cache.')
    .addCommand(listCommand(io))
    .addCommand(whyCommand(io))
    .addCommand(pruneCommand(io));
}
