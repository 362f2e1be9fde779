// The Python side of the benchmarks: a virtual environment of its own, with pinned packages.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pythonEnvironment } from '../python-environment.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The same ONNX Runtime as the development dependency onnxruntime-node, so that kernels are equal. */
const PACKAGES = ['onnxruntime==1.30.0', 'onnx==1.23.2', 'numpy==2.4.6', 'pillow==13.0.0'];

/**
 * Makes the environment, once.
 *
 * @returns {{ python?: string, problem?: string }} The interpreter, or why there is none.
 */
export function preparePython(log) {
  return pythonEnvironment('bench-python', PACKAGES, { log });
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
