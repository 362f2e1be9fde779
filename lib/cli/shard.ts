import { type Command, Option } from 'commander';
import type { Shard } from '../tasks/index.js';
import { UsageError, wrongValue } from './usage.js';

/** The environment of a process. */
type Environment = Readonly<Record<string, string | undefined>>;

const WHAT = 'a shard such as 3/16, or auto/16 in a Slurm array or a Kubernetes Indexed Job,';
const MAX_SHARDS = 100_000;

/** The flag that says which part of the images this process takes: `--shard`. */
export function shardOption(command: Command, writes: string): Command {
  return command.addOption(
    new Option(
      '--shard <i/n>',
      `part of the images, from 1/n to n/n: ${writes}. auto/n takes the index from ` +
        'SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX, auto the count of a Slurm array, too',
    ),
  );
}

/** A whole number of the environment; `undefined` when it is not set. */
function variable(env: Environment, name: string): number | undefined {
  const text = env[name];
  if (text === undefined || text === '') return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new UsageError(`Expected a whole number in ${name} but it is ${JSON.stringify(text)}`);
}

/**
 * The place of a task in a Slurm array. Arrays begin at any number and go in steps; what is known of
 * them (first task, step, number of tasks) is set by Slurm beside the index.
 */
function slurmShard(env: Environment, id: number, asked: number | undefined): Shard {
  const tasks = variable(env, 'SLURM_ARRAY_TASK_COUNT');
  const count = asked ?? tasks;
  if (count === undefined) throw noCount('SLURM_ARRAY_TASK_COUNT is not set');
  const first = variable(env, 'SLURM_ARRAY_TASK_MIN') ?? 1;
  const last = variable(env, 'SLURM_ARRAY_TASK_MAX');
  const step = variable(env, 'SLURM_ARRAY_TASK_STEP') || 1;
  const index = (id - first) / step + 1;
  const gaps = tasks !== undefined && last !== undefined && (last - first) / step + 1 !== tasks;
  if (gaps || (tasks !== undefined && tasks !== count) || !Number.isInteger(index)) {
    throw new UsageError(
      `The Slurm array has ${tasks} tasks from ${first}, which are not ${count} shards in a row`,
      'Name the index when only some shards run again: --shard "$SLURM_ARRAY_TASK_ID/16".',
    );
  }
  return within(index, count, `SLURM_ARRAY_TASK_ID=${id}`);
}

function within(index: number, count: number, origin: string): Shard {
  if (index >= 1 && index <= count) return { index, count };
  throw new UsageError(`${origin} is none of ${count} shards`);
}

function noCount(why: string): UsageError {
  return new UsageError(`The number of shards is not known: ${why}`, 'Give it: --shard auto/16.');
}

/**
 * The shard that `--shard` names.
 *
 * @param text `3/16`; `auto/16` or `/16` with the index from the environment; `auto` with the count, too.
 * @param env The environment, as Slurm (`SLURM_ARRAY_TASK_ID`, from any number) or Kubernetes
 *   (`JOB_COMPLETION_INDEX`, from 0) sets it.
 */
export function parseShard(text: string, env: Environment): Shard {
  const match = /^(?:(\d{1,6})|auto|)(?:\/(\d{1,6}))?$/.exec(text);
  const [, given, total] = match ?? [];
  if (match === null || text === '' || (given !== undefined && total === undefined)) {
    throw wrongValue('--shard', WHAT, text);
  }
  const count = total === undefined ? undefined : Number(total);
  if (count !== undefined && (count < 1 || count > MAX_SHARDS)) {
    throw wrongValue('--shard', WHAT, text);
  }
  if (given !== undefined && count !== undefined) {
    const index = Number(given);
    if (index >= 1 && index <= count) return { index, count };
    throw wrongValue('--shard', `an index from 1 to ${count}`, text);
  }
  const task = variable(env, 'SLURM_ARRAY_TASK_ID');
  if (task !== undefined) return slurmShard(env, task, count);
  const completion = variable(env, 'JOB_COMPLETION_INDEX');
  if (completion === undefined) {
    throw new UsageError(
      `--shard ${text} finds no index: neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set`,
      'Name the shard, as in --shard 3/16.',
    );
  }
  if (count === undefined) throw noCount('Kubernetes does not tell it');
  return within(completion + 1, count, `JOB_COMPLETION_INDEX=${completion}`);
}
