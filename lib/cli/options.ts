import { type Command, Option } from 'commander';
import { DEFAULT_SEED } from '../dataset/index.js';
import { defined } from '../defined.js';
import { PRESETS } from '../preprocess/index.js';
import type { ImageSourceOptions, RecipeOptions } from '../tasks/index.js';
import { fractionValue, integerValue, seedValue } from './values.js';

/** The recipe flags: `--size --divisor --recipe`, the same wherever images are prepared. */
export function recipeOptions(command: Command): Command {
  return command
    .option(
      '--size <pixels>',
      'size of the resized image: its shorter side, or both sides where the recipe says so ' +
        '(default of the recipe notebook: 288)',
      integerValue('--size', 1),
    )
    .option(
      '--divisor <n>',
      'cut both sides to multiples of this (default of the recipe notebook: 1)',
      integerValue('--divisor', 0),
    )
    .option(
      '--recipe <file|name>',
      `recipe: a JSON file, the folder of a calibration, or one of ${Object.keys(PRESETS).join(', ')} ` +
        '(default: the recipe beside the model, else notebook)',
    );
}

/** What {@link recipeOptions} gives. */
export interface RecipeFlags {
  size?: number;
  divisor?: number;
  recipe?: string;
}

/** The recipe flags as tasks take them. */
export function recipeOf({ size, divisor, recipe }: RecipeFlags): RecipeOptions {
  return {
    ...defined({ size, divisor, recipe }),
  };
}

/** The sampling flags: `--fraction --count --seed --stratified`. */
export function sampleOptions(command: Command, fraction: string): Command {
  return command
    .addOption(
      new Option('--fraction <f>', `part of the images to take, over 0 to 1 (${fraction})`)
        .argParser(fractionValue('--fraction'))
        .conflicts('count'),
    )
    .option('--count <n>', 'number of images to take', integerValue('--count', 1))
    .option(
      '--seed <n>',
      `seed of the sample, which is CPython's for that seed (default: ${DEFAULT_SEED})`,
      seedValue('--seed'),
    )
    .option('--stratified', 'take the same part of every class folder');
}

const REQUIRED = new WeakMap<Command, Option[]>();

/**
 * Adds an option that must be given. Commander's own check comes before the one for unknown options,
 * so that a misspelled option would be called missing.
 */
export function required(command: Command, flags: string, description: string): Command {
  const option = new Option(flags, `${description} (required)`);
  REQUIRED.set(command, [...(REQUIRED.get(command) ?? []), option]);
  return command.addOption(option);
}

/** The first required option that was not given, as help shows it: `--out <dir>`. */
export function missingOption(command: Command): string | undefined {
  const missing = REQUIRED.get(command)?.find(
    (option) => command.getOptionValue(option.attributeName()) === undefined,
  );
  return missing?.flags;
}

/** The flags that say which images: `--images --files`. */
export function imageOptions(command: Command): Command {
  return required(command, '--images <dir>', 'folder of the images, searched at any depth')
    .option(
      '--files <list>',
      'file with one path a line, relative to --images, taken in that order in place of the folder',
    )
    .option('--extensions <list>', 'extensions that count as images, such as png,jpg');
}

/** What {@link imageOptions} and {@link sampleOptions} give. */
export interface ImageFlags {
  images: string;
  files?: string;
  extensions?: string;
  fraction?: number;
  count?: number;
  seed?: number | bigint;
  stratified?: boolean;
}

/** The image flags as tasks take them. */
export function imagesOf(flags: ImageFlags): ImageSourceOptions {
  const { images, files, extensions, fraction, count, seed, stratified } = flags;
  return {
    images,
    ...defined({ files }),
    ...(extensions === undefined ? {} : { extensions: extensions.split(',') }),
    ...defined({ fraction, count, seed, stratified }),
  };
}

/** The flags that say how images go through a model: `--batch --skip-broken`. */
export function batchOptions(
  command: Command,
  batch = 'images in one run of the model (default: 1, or what the model fixes)',
): Command {
  return command
    .option('--batch <n>', batch, integerValue('--batch', 1))
    .option('--skip-broken', 'count and list images that cannot be read, in place of stopping');
}

/** What {@link batchOptions} gives. */
export interface BatchFlags {
  batch?: number;
  skipBroken?: boolean;
}

/** The batch flags as tasks take them. */
export function batchingOf({ batch, skipBroken }: BatchFlags): BatchFlags {
  return {
    ...defined({ batch, skipBroken }),
  };
}

/** Adds examples below a command's options. */
export function examples(command: Command, lines: readonly string[]): Command {
  const text = lines.map((line) => `  $ tensorrt-node ${line}`).join('\n');
  return command.addHelpText('after', `\nExamples:\n${text}`);
}
