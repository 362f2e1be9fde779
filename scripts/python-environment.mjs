// Virtual environments of Python for what is only to be had there: peers of the benchmarks, schemas.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Makes an environment below build/, once for each list of packages.
 *
 * @param {string} name Name of its folder.
 * @param {readonly string[]} packages Packages with their versions, as pip takes them.
 * @param {{ log: (line: string) => void, pipOptions?: readonly string[] }} options
 * @returns {{ python?: string, problem?: string }} The interpreter, or why there is none.
 */
export function pythonEnvironment(name, packages, { log, pipOptions = [] }) {
  const folder = join(root, 'build', name);
  const python = join(folder, 'bin', 'python');
  const stamp = join(folder, '.ready');
  const wanted = packages.join(' ');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return { python };
  mkdirSync(join(root, 'build'), { recursive: true });
  log(`Python environment ${name}: ${packages.join(', ')}`);
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...pipOptions];
  for (const [command, arguments_] of [
    ['python3', ['-m', 'venv', '--clear', folder]],
    [python, [...pip, ...packages]],
  ]) {
    const { status, error } = spawnSync(command, arguments_, { stdio: ['ignore', 2, 2] });
    if (status !== 0) {
      const why = error === undefined ? `exit status ${status}` : error.message;
      return { problem: `${command} ${arguments_.slice(0, 3).join(' ')} failed: ${why}` };
    }
  }
  writeFileSync(stamp, wanted);
  return { python };
}
