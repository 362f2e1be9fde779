// Runs a program of the machine for the set-up scripts. Node's own modules only.
import { spawn } from 'node:child_process';

/** Characters of output that are kept: enough for a compiler's first errors. */
const KEPT = 40_000;

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} options
 * @returns {Promise<{ status: number, output: string, missing: boolean }>} `missing` when there is no
 *   such program; `output` holds the end of what it printed.
 */
export function runCommand(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (chunk) => {
      output = (output + chunk).slice(-KEPT);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) =>
      resolve({ status: -1, output: error.message, missing: error.code === 'ENOENT' }),
    );
    child.on('close', (status) => resolve({ status: status ?? -1, output, missing: false }));
  });
}

/** The last line that says something. */
export function lastLine(output) {
  return output.trim().split('\n').at(-1)?.trim() ?? '';
}
