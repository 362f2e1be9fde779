import { describe, expect, it } from 'vitest';
import { parseShard } from '../../lib/cli/shard.js';

const slurm = (id: string, min: string, max: string, step: string, count: string) => ({
  SLURM_ARRAY_TASK_ID: id,
  SLURM_ARRAY_TASK_MIN: min,
  SLURM_ARRAY_TASK_MAX: max,
  SLURM_ARRAY_TASK_STEP: step,
  SLURM_ARRAY_TASK_COUNT: count,
});

describe('--shard', () => {
  it.each<[string, Record<string, string>, [number, number]]>([
    ['3/16', {}, [3, 16]],
    ['1/1', { JOB_COMPLETION_INDEX: '7' }, [1, 1]],
    ['auto/16', { JOB_COMPLETION_INDEX: '0' }, [1, 16]],
    ['/16', { JOB_COMPLETION_INDEX: '15' }, [16, 16]],
    // sbatch --array=0-15, --array=1-16, --array=1-31:2
    ['auto', slurm('0', '0', '15', '1', '16'), [1, 16]],
    ['auto', slurm('16', '1', '16', '1', '16'), [16, 16]],
    ['auto', slurm('5', '1', '31', '2', '16'), [3, 16]],
    ['auto/16', slurm('2', '0', '15', '1', '16'), [3, 16]],
    // A launcher that sets the index alone, from 1 as Slurm's examples do.
    ['auto/8', { SLURM_ARRAY_TASK_ID: '3' }, [3, 8]],
    ['auto/8', { SLURM_ARRAY_TASK_ID: '3', JOB_COMPLETION_INDEX: '5' }, [3, 8]],
    ['auto/8', { SLURM_ARRAY_TASK_ID: '', JOB_COMPLETION_INDEX: '5' }, [6, 8]],
  ])('%s with %j', (text, env, [index, count]) => {
    expect(parseShard(text, env)).toEqual({ index, count });
  });

  it.each<[string, Record<string, string>, string]>([
    ['3', {}, 'Expected a shard such as 3/16'],
    ['', {}, 'Expected a shard such as 3/16'],
    ['a/3', {}, 'for --shard but received "a/3"'],
    ['-1/3', {}, 'for --shard but received "-1/3"'],
    ['1/0', {}, 'for --shard but received "1/0"'],
    ['1/100001', {}, 'for --shard but received "1/100001"'],
    ['0/16', {}, 'Expected an index from 1 to 16 for --shard but received "0/16"'],
    ['17/16', {}, 'Expected an index from 1 to 16 for --shard but received "17/16"'],
    ['auto/16', {}, 'neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set'],
    ['auto', { JOB_COMPLETION_INDEX: '1' }, 'The number of shards is not known'],
    ['auto', { SLURM_ARRAY_TASK_ID: '1' }, 'SLURM_ARRAY_TASK_COUNT is not set'],
    ['auto/4', { JOB_COMPLETION_INDEX: '4' }, 'JOB_COMPLETION_INDEX=4 is none of 4 shards'],
    ['auto/4', { SLURM_ARRAY_TASK_ID: '0' }, 'SLURM_ARRAY_TASK_ID=0 is none of 4 shards'],
    ['auto/4', { JOB_COMPLETION_INDEX: 'x' }, 'Expected a whole number in JOB_COMPLETION_INDEX'],
    // sbatch --array=3,7 of 16: which shards these are, only the user knows.
    ['auto/16', slurm('3', '3', '7', '1', '2'), 'has 2 tasks from 3, which are not 16 shards'],
    ['auto', slurm('3', '3', '7', '1', '2'), 'has 2 tasks from 3, which are not 2 shards'],
  ])('refuses %j with %j', (text, env, message) => {
    expect(() => parseShard(text, env)).toThrow(message);
  });
});
