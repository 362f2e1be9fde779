// Everything that a clone needs before it can run: npm packages, TensorRT headers, TensorRT-RTX libraries,
// native modules, compiled TypeScript. Each step does nothing when its result is there already.
// Node's own modules only, because it runs before `npm ci` has; the other scripts are imported after.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

function installPackages(log) {
  const stamp = join(root, 'node_modules', '.tensorrt-node-setup');
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  log('npm packages: npm ci');
  // No package that we use needs its install script, and onnxruntime-node's would download CUDA libraries.
  const arguments_ = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const { status, error } = spawnSync('npm', arguments_, { cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) {
    throw new Error(
      `npm ci failed${error === undefined ? ` with exit status ${status}` : `: ${error.message}`}`,
    );
  }
  writeFileSync(stamp, wanted);
}

function compileTypeScript(log) {
  log('TypeScript: tsc');
  const { status } = spawnSync('npx', ['--no-install', 'tsc', '-p', 'tsconfig.build.json'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) throw new Error('tsc failed');
}

/**
 * Sets the clone up.
 *
 * @param {{ requireEverything?: boolean, log?: (line: string) => void }} options `requireEverything`: throw
 *   when headers, libraries or modules cannot be had; otherwise they are reported and left out.
 * @returns {Promise<{ problems: string[] }>} One line for each thing that could not be had.
 */
export async function setUp({
  requireEverything = false,
  log = (line) => console.error(`setup  ${line}`),
} = {}) {
  mkdirSync(join(root, 'build'), { recursive: true });
  installPackages(log);
  const problems = [];
  const { fetchHeaders } = await import('./fetch-headers.mjs');
  const { fetchRtx } = await import('./fetch-rtx.mjs');
  const { buildNative } = await import('./build-native.mjs');
  const headers = await fetchHeaders({ log });
  for (const { family, reason } of headers.missing)
    problems.push(`headers of ${family}: ${reason}`);
  const rtx = await fetchRtx({ log });
  if (rtx.reason !== undefined) problems.push(`TensorRT-RTX libraries: ${rtx.reason}`);
  const native = await buildNative({ log });
  if (native.problem !== undefined) problems.push(native.problem);
  compileTypeScript(log);
  for (const problem of problems) log(`left out: ${problem}`);
  if (requireEverything && problems.length > 0) {
    throw new Error(`The set-up is not complete: ${problems.join('; ')}`);
  }
  return { problems };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    const { problems } = await setUp();
    if (problems.length === 0) console.error('setup  complete');
  } catch (error) {
    console.error(`setup  ${error.message}`);
    process.exitCode = 1;
  }
}
