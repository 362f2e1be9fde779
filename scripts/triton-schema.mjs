// Triton's own schema, for the test of `export triton`. PyPI's tritonclient carries it.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { pythonEnvironment } from './python-environment.mjs';

const PACKAGES = ['tritonclient==2.73.0', 'protobuf==7.36.2'];

/**
 * Parses configurations with Triton's schema.
 *
 * @param {readonly string[]} files Paths of config.pbtxt files.
 * @returns {{ configs?: unknown[], problem?: string }} The messages as protobuf's JSON, or why a file
 *   is none, or why there is no schema.
 */
export function parseTritonConfigs(files, log = console.error) {
  // The client's other dependencies are of no use here.
  const { python, problem } = pythonEnvironment('triton-python', PACKAGES, {
    log,
    pipOptions: ['--no-deps'],
  });
  if (python === undefined) {
    return { problem: `Triton's schema (PyPI's tritonclient) cannot be had: ${problem}` };
  }
  const script = fileURLToPath(new URL('peers/check_triton_config.py', import.meta.url));
  const { status, stdout, stderr } = spawnSync(python, [script, ...files], { encoding: 'utf8' });
  if (status !== 0) return { problem: stderr.trim().split('\n').at(-1) };
  return { configs: JSON.parse(stdout) };
}
