import { type ChildProcess, spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { PassThrough } from 'node:stream';
import ts from 'typescript';
import { run } from '../../lib/cli/run.js';

/** What a command line came to. */
export interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a command line within this process. */
export async function cli(
  args: readonly string[],
  {
    signal = new AbortController().signal,
    tty = false,
    env = {} as Record<string, string>,
  }: { signal?: AbortSignal; tty?: boolean; env?: Record<string, string> } = {},
): Promise<Outcome> {
  const stdout = new PassThrough();
  const stderr: PassThrough & { isTTY?: boolean; columns?: number } = new PassThrough();
  if (tty) Object.assign(stderr, { isTTY: true, columns: 120, cursorTo() {}, clearLine() {} });
  const text = { stdout: '', stderr: '' };
  stdout.on('data', (chunk) => {
    text.stdout += chunk;
  });
  stderr.on('data', (chunk) => {
    text.stderr += chunk;
  });
  const status = await run(args, { stdout, stderr, env, signal });
  stdout.end();
  stderr.end();
  await new Promise((done) => setImmediate(done));
  return { status, ...text };
}

/** {@link cli} with `--json`: the status and the document. */
export async function cliJson(args: readonly string[]): Promise<{
  status: number | null;
  // biome-ignore lint/suspicious/noExplicitAny: the documents of the commands differ.
  document: any;
  stderr: string;
}> {
  const { status, stdout, stderr } = await cli([...args, '--json']);
  return { status, document: JSON.parse(stdout), stderr };
}

/** The compiled package, laid out as npm installs it. */
export class InstalledPackage {
  readonly root = mkdtempSync(join(tmpdir(), 'trtn-cli-'));
  readonly #children = new Set<ChildProcess>();

  constructor() {
    for (const name of ['build', '.sdk', 'node_modules', 'package.json']) {
      symlinkSync(resolve(name), join(this.root, name));
    }
    for (const file of readdirSync('lib', { recursive: true, encoding: 'utf8' })) {
      if (!/\.c?ts$/.test(file)) continue;
      const target = join(this.root, 'dist', file.replace(/ts$/, 'js'));
      mkdirSync(dirname(target), { recursive: true });
      const { outputText } = ts.transpileModule(readFileSync(join('lib', file), 'utf8'), {
        fileName: file,
        compilerOptions: {
          module: file.endsWith('.cts') ? ts.ModuleKind.NodeNext : ts.ModuleKind.ESNext,
          target: ts.ScriptTarget.ES2022,
          verbatimModuleSyntax: !file.endsWith('.cts'),
        },
      });
      writeFileSync(target, outputText);
    }
  }

  /** Starts the command as a user does; `file` is another script of the package. */
  start(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
    const launcher = join(this.root, 'dist/cli/launcher.cjs');
    const child = spawn(process.execPath, [launcher, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  /** Runs the command to its end. */
  run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
    return ended(this.start(args, env));
  }

  /** Ends what still runs, and removes the package. */
  remove(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    rmSync(this.root, { recursive: true });
  }
}

/** Waits for a process; `status` is null when a signal ended it. */
export function ended(child: ChildProcess): Promise<Outcome> {
  const text = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk) => {
    text.stdout += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    text.stderr += chunk;
  });
  return new Promise((done) => {
    child.once('close', (status) => done({ status, ...text }));
  });
}
