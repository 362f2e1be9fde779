import { Command } from 'commander';
import { formatNumber } from '../../report/index.js';
import { preprocessFile } from '../../tasks/index.js';
import { action, type Context } from '../context.js';
import type { CliIo } from '../io.js';
import { examples, type RecipeFlags, recipeOf, recipeOptions, required } from '../options.js';

interface Flags extends RecipeFlags {
  out: string;
}

async function preprocessAction(context: Context, flags: Flags, image: string): Promise<void> {
  const { signal } = context;
  const result = await preprocessFile(image, { ...recipeOf(flags), out: flags.out, signal });
  const { file, width, height, shape, min, max } = result;
  context.line(
    `${file}: ${width}×${height} pixels; tensor float32 [${shape.join(', ')}], values ` +
      `${formatNumber(min)} to ${formatNumber(max)}`,
  );
  context.result({ ...result });
}

/** `preprocess IMAGE --out FILE.png|FILE.npy`. */
export function preprocessCommand(io: CliIo): Command {
  const command = new Command('preprocess')
    .summary('write what the model sees of an image')
    .description(
      'Write what the model sees of an image: its pixels after resizing (.png), or the float32 tensor ' +
        '(.npy, for numpy.load).',
    )
    .argument('<image>', 'path or http(s) address');
  required(command, '--out <file>', 'FILE.png or FILE.npy');
  recipeOptions(command).action(action<[string], Flags>(io, preprocessAction));
  return examples(command, [
    'preprocess cat.jpg --size 288 --divisor 32 --out seen.png',
    'preprocess cat.jpg --recipe timm-imagenet-224 --out input.npy',
  ]);
}
