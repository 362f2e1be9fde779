import { type ExecFileException, execFile } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import ts from 'typescript';

/**
 * The package as a process of its own can load it: lib/ in JavaScript, laid out like an installed
 * package. Child processes and workers cannot load TypeScript.
 */
export function compileLib(): string {
  const root = mkdtempSync(join(tmpdir(), 'trtn-lib-'));
  for (const name of ['build', '.sdk', 'node_modules', 'package.json']) {
    symlinkSync(resolve(name), join(root, name));
  }
  const compilerOptions: ts.CompilerOptions = {
    module: ts.ModuleKind.ESNext,
    target: ts.ScriptTarget.ES2022,
  };
  for (const file of readdirSync('lib', { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue;
    const target = join(root, 'dist', file.replace(/\.ts$/, '.js'));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(
      target,
      ts.transpileModule(readFileSync(join('lib', file), 'utf8'), { compilerOptions }).outputText,
    );
  }
  return root;
}

/** What a child process came to. */
export interface ChildResult {
  status: number | string;
  stdout: string;
  stderr: string;
}

/** Runs a module's text with Node as a process of its own. */
export function runModule(
  root: string,
  source: string,
  { args = [] as string[], env = {} as NodeJS.ProcessEnv, timeoutMs = 100_000 } = {},
): Promise<ChildResult> {
  const file = join(root, `child-${Math.random().toString(36).slice(2)}.mjs`);
  writeFileSync(file, source);
  return new Promise((done) => {
    execFile(
      process.execPath,
      [...args, file],
      { env: { ...process.env, ...env }, timeout: timeoutMs },
      (error: ExecFileException | null, stdout, stderr) => {
        const status = error === null ? 0 : (error.signal ?? error.code ?? -1);
        done({ status, stdout, stderr });
      },
    );
  });
}
