import type { Command } from 'commander';
import { type OptimizationProfile, profileFromShapes } from '../engine/index.js';
import { UsageError } from './usage.js';
import { integerValue } from './values.js';

/** Texts of one flag by the number of the profile that they stand for. */
type ByProfile = Readonly<Record<number, string>>;

/** What {@link profileFlags} gives. */
export interface ProfileFlags {
  shapes?: ByProfile;
  minShapes?: ByProfile;
  optShapes?: ByProfile;
  maxShapes?: ByProfile;
}

/** The flags of optimization profiles; as with trtexec, they belong to the `--profile` before them. */
export function profileFlags(command: Command): Command {
  let current = 0;
  const take = (text: string, before: ByProfile | undefined): ByProfile => ({
    ...before,
    [current]: text,
  });
  const choose = integerValue('--profile', 0, 1000);
  return command
    .option('--shapes <shapes>', 'the only shapes of dynamic inputs: name:1x3x224x224', take)
    .option('--min-shapes <shapes>', 'smallest shapes', take)
    .option('--opt-shapes <shapes>', 'shapes to tune for', take)
    .option('--max-shapes <shapes>', 'largest shapes', take)
    .option(
      '--profile <n>',
      'number of the optimization profile, from 0, that the shapes after it belong to',
      (text: string) => {
        current = choose(text);
        return current;
      },
    );
}

/**
 * The profiles that the flags describe; undefined when they describe none.
 *
 * @param flags What {@link profileFlags} gave.
 * @throws UsageError or RangeError.
 */
export function profilesOf(flags: ProfileFlags): OptimizationProfile[] | undefined {
  const { shapes, minShapes, optShapes, maxShapes } = flags;
  const all = [shapes, minShapes, optShapes, maxShapes];
  const numbers = new Set(all.flatMap((one) => Object.keys(one ?? {}).map(Number)));
  if (numbers.size === 0) return undefined;
  return Array.from({ length: numbers.size }, (_, index) => {
    if (!numbers.has(index)) {
      throw new UsageError(`There is no optimization profile ${index}, but one after it`);
    }
    const only = shapes?.[index];
    const ranges = [minShapes?.[index], optShapes?.[index], maxShapes?.[index]] as const;
    if (only !== undefined && ranges.some((one) => one !== undefined)) {
      throw new UsageError('--shapes gives all of --min-shapes, --opt-shapes and --max-shapes');
    }
    return profileFromShapes(...(only === undefined ? ranges : ([only, only, only] as const)))!;
  });
}
