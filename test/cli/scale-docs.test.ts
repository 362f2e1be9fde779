import { spawn } from 'node:child_process';
import { chmodSync, cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digits, model } from './calibrated-digits.js';
import { cli, ended, InstalledPackage } from './command-line.js';

// A YAML parser that is here anyway, for typedoc.
const fromTypedoc = createRequire(createRequire(import.meta.url).resolve('typedoc'));
const { parseAllDocuments } = fromTypedoc('yaml');

/** The code block of docs/scale.md that stands after a comment `test: NAME`. */
function block(name: string): string {
  const text = readFileSync('docs/scale.md', 'utf8');
  const found = new RegExp(`<!-- test: ${name} -->\n\`\`\`\\w+\n(.*?)\`\`\``, 's').exec(text);
  return found![1]!;
}

const installed = new InstalledPackage();
let work: string;
let path: string;
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'trtn-scale-'));
  // The command as npm would put it on the path.
  await mkdir(join(work, 'bin'));
  const launcher = join(installed.root, 'dist/cli/launcher.cjs');
  writeFileSync(
    join(work, 'bin/tensorrt-node'),
    `#!/bin/sh\nexec '${process.execPath}' '${launcher}' "$@" --quiet\n`,
  );
  chmodSync(join(work, 'bin/tensorrt-node'), 0o755);
  path = [join(work, 'bin'), process.env.PATH].join(delimiter);
  // The recipe beside the model is the default, so that the commands of the docs run as they stand.
  cpSync(model, join(work, 'model.onnx'));
  writeFileSync(join(work, 'model.onnx.recipe.json'), JSON.stringify({ resize: { mode: 'none' } }));
  symlinkSync(`${digits}images/train`, join(work, 'photos'));
  const args = ['calibrate', join(work, 'model.onnx'), '--images', join(work, 'photos')];
  expect((await cli([...args, '--out', join(work, 'one')])).status).toBe(0);
});
afterAll(async () => {
  installed.remove();
  await rm(work, { recursive: true });
});

async function shell(script: string, env: Record<string, string>) {
  const child = spawn('/bin/sh', ['-c', script], {
    cwd: work,
    env: { ...process.env, PATH: path, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return ended(child);
}

/** Holds a merged calibration against that of one process. */
function expectSame(folder: string) {
  for (const file of ['calibration.json', 'calibration.flatbuffers', 'calibration.cache']) {
    expect(readFileSync(join(folder, file)).equals(readFileSync(join(work, 'one', file)))).toBe(
      true,
    );
  }
}

const variables = (name: string) => ({
  MODEL: join(work, 'model.onnx'),
  IMAGES: join(work, 'photos'),
  WORK: join(work, name),
});

describe('docs/scale.md', () => {
  it('xargs: runs as it stands', async () => {
    const { status, stderr } = await shell(block('xargs'), variables('xargs'));
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expectSame(join(work, 'xargs/calibration'));
  });

  it('GNU parallel: the same command', () => {
    const [head, tail] = block('parallel').split(' ::: 1 2 3 4 5 6 7 8');
    const command = `${head!.replace('parallel --jobs 4', 'seq 8 | xargs -P 4 -I {}')}${tail}`;
    const words = (text: string) => text.split(/[\s\\]+/).join(' ');
    expect(words(command)).toBe(words(block('xargs')));
  });

  it('Slurm: every task of the array, then the merge', async () => {
    const script = block('slurm');
    const [, first, last] = /--array=(\d+)-(\d+)/.exec(script)!;
    // 15 images are in the sample, so the array is cut to eight tasks, two at a time.
    expect([first, last]).toEqual(['1', '16']);
    const env = variables('slurm');
    const task = (id: number) =>
      shell(script, {
        ...env,
        SLURM_ARRAY_JOB_ID: '4711',
        SLURM_ARRAY_TASK_ID: String(id),
        SLURM_ARRAY_TASK_MIN: '1',
        SLURM_ARRAY_TASK_MAX: '8',
        SLURM_ARRAY_TASK_STEP: '1',
        SLURM_ARRAY_TASK_COUNT: '8',
        SLURM_CPUS_PER_TASK: '1',
      });
    for (const pair of [
      [8, 1],
      [3, 2],
      [5, 7],
      [6, 4],
    ]) {
      for (const { status, stderr } of await Promise.all(pair.map(task))) {
        expect(stderr).toBe('');
        expect(status).toBe(0);
      }
    }
    const wrap = /--wrap '(.*)'/.exec(readFileSync('docs/scale.md', 'utf8'))![1]!;
    expect((await shell(wrap, env)).status).toBe(0);
    expectSame(join(env.WORK, 'calibration'));
  });

  it('Kubernetes: two Jobs, whose containers do their work', async () => {
    const documents = parseAllDocuments(block('kubernetes'));
    expect(documents.flatMap(({ errors }: { errors: unknown[] }) => errors)).toEqual([]);
    // biome-ignore lint/suspicious/noExplicitAny: what the manifest holds is checked below.
    const [indexed, merge]: any[] = documents.map((one: { toJS(): unknown }) => one.toJS());
    for (const job of [indexed, merge]) {
      expect(job).toMatchObject({
        apiVersion: 'batch/v1',
        kind: 'Job',
        spec: { template: { spec: { restartPolicy: 'Never' } } },
      });
      const { containers, volumes } = job.spec.template.spec;
      expect(containers[0].volumeMounts[0].name).toBe(volumes[0].name);
    }
    expect(indexed.spec).toMatchObject({ completionMode: 'Indexed', completions: 16 });
    const data = join(work, 'kubernetes');
    await mkdir(data);
    for (const name of ['model.onnx', 'model.onnx.recipe.json', 'photos']) {
      symlinkSync(join(work, name), join(data, name));
    }
    // As the kubelet starts a container, with the volume elsewhere; 16 shards of 15 images are too many.
    const start = (job: typeof indexed, env: Record<string, string>) => {
      const { command, args } = job.spec.template.spec.containers[0];
      expect(command).toEqual(['sh', '-c']);
      const text = args[0].replaceAll('/data', data);
      expect(text.includes('auto/16') || job === merge).toBe(true);
      return shell(text.replace('auto/16', 'auto/4').replace('--threads 4', '--threads 1'), env);
    };
    const early = await start(merge, {});
    expect(early.status).toBe(1);
    for (const pair of [
      [0, 3],
      [2, 1],
    ]) {
      const runs = pair.map((index) => start(indexed, { JOB_COMPLETION_INDEX: String(index) }));
      for (const { status, stderr } of await Promise.all(runs)) {
        expect(stderr).toBe('');
        expect(status).toBe(0);
      }
    }
    expect((await start(merge, {})).status).toBe(0);
    expectSame(join(data, 'calibration'));
  });
});
