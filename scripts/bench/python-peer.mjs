// The Python side of the benchmarks: a virtual environment of its own, with pinned packages.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The same ONNX Runtime as the development dependency onnxruntime-node, so that kernels are equal. */
const PACKAGES = ['onnxruntime==1.30.0', 'onnx==1.23.2', 'numpy==2.4.6', 'pillow==13.0.0'];

/**
 * Makes the environment, once.
 *
 * @returns {{ python?: string, problem?: string }} The interpreter, or why there is none.
 */
export function preparePython(log) {
  const folder = join(root, 'build', 'bench-python');
  const python = join(folder, 'bin', 'python');
  const stamp = join(folder, '.ready');
  if (existsSync(stamp)) return { python };
  mkdirSync(join(root, 'build'), { recursive: true });
  log(`Python environment for the peer: ${PACKAGES.join(', ')}`);
  for (const [command, arguments_] of [
    ['python3', ['-m', 'venv', '--clear', folder]],
    [python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...PACKAGES]],
  ]) {
    const { status, error } = spawnSync(command, arguments_, { stdio: ['ignore', 2, 2] });
    if (status !== 0) {
      const why = error === undefined ? `exit status ${status}` : error.message;
      return { problem: `${command} ${arguments_[1]} failed: ${why}` };
    }
  }
  writeFileSync(stamp, '');
  return { python };
}

/**
 * Runs a script of scripts/peers.
 *
 * @returns {string} What it printed to stdout.
 */
export function runPeer(python, script, arguments_) {
  const file = join(root, 'scripts', 'peers', script);
  const result = spawnSync(python, [file, ...arguments_], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 2],
  });
  if (result.status !== 0) throw new Error(`${script} failed with exit status ${result.status}`);
  return result.stdout;
}
