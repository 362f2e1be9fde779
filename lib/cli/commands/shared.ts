import type { Command } from 'commander';
import { formatCount } from '../../report/index.js';
import type { BrokenImage } from '../../tasks/index.js';
import type { Context } from '../context.js';
import { UsageError } from '../usage.js';

/** Adds the flag that stands in for the first argument. */
export function modelOption(command: Command): Command {
  return command.option('--model <path>', 'the model, in place of the argument');
}

/** Adds the flag of the recipe that goes with an engine. */
export function buildRecipeOption(command: Command): Command {
  return command.option(
    '--recipe <file|name>',
    'recipe of the images, kept beside the engine; its numbers are those of --image-input ' +
      '(default: the one beside the model, else that of --calibration)',
  );
}

/**
 * The model, by argument or by flag.
 *
 * @param positional The argument.
 * @param flags The flags.
 */
export function modelOf(
  positional: string | undefined,
  flags: { model?: string; onnx?: string; engine?: string },
): string {
  const flag = flags.model ?? flags.onnx ?? flags.engine;
  if (positional !== undefined && flag !== undefined) {
    throw new UsageError('The model is given twice, as an argument and as a flag');
  }
  if (flags.model !== undefined && flags.engine !== undefined) {
    throw new UsageError('The model is given twice, as --model and as --engine');
  }
  const model = positional ?? flag;
  if (model === undefined) throw new UsageError('Missing argument MODEL');
  return model;
}

/** Says which files were found and not named, so that nobody is surprised. */
export function noteFound(
  context: Context,
  found: { recipeFile?: string; labelsFile?: string },
  named: { labels?: string | boolean } = {},
): void {
  if (found.recipeFile !== undefined) context.note(`Recipe: ${found.recipeFile}`);
  if (found.labelsFile !== undefined && typeof named.labels !== 'string') {
    context.note(`Labels: ${found.labelsFile}`);
  }
}

/** Says what `auto` took. */
export function noteProvider(
  context: Context,
  provider: string,
  flags: { provider: string },
): void {
  if (flags.provider === 'auto') context.note(`Run by: ${provider}`);
}

/** Lists the images that were skipped. */
export function noteBroken(context: Context, broken: readonly BrokenImage[]): void {
  if (broken.length === 0) return;
  const lines = broken.map(({ reason }) => `  ${reason}`).join('\n');
  context.warn(`${formatCount(broken.length, 'image')} left out:\n${lines}`);
}

/** Says what was written. */
export function writtenText(files: readonly string[]): string {
  return `Written:\n${files.map((file) => `  ${file}`).join('\n')}`;
}
