// Fetches the TensorRT-RTX libraries (89 MB) into .sdk/lib/tensorrt_rtx. They are NVIDIA's, come with
// NVIDIA's licence, and are never part of this package; pip fetches and verifies them.
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { lastLine, runCommand } from './run-command.mjs';
import { exists, librariesFolder, ROOT } from './sdk-paths.mjs';

const WHEEL = 'tensorrt-rtx-cu12-libs==1.7.1.116';
const LIBRARIES = ['libtensorrt_rtx.so.1', 'libtensorrt_onnxparser_rtx.so.1'];

async function download(folder) {
  const args = ['download', '--quiet', '--disable-pip-version-check', '--no-deps'];
  args.push('--only-binary=:all:', '--dest', folder, WHEEL);
  const attempts = [
    ['python3', ['-m', 'pip', ...args]],
    ['pip3', args],
    ['pip', args],
  ];
  let reason = 'pip is not on the path';
  for (const [command, commandArgs] of attempts) {
    const { status, output, missing } = await runCommand(command, commandArgs);
    if (status === 0) return undefined;
    if (!missing && !/No module named pip/.test(output)) reason = `pip failed: ${lastLine(output)}`;
  }
  return reason;
}

/** The two libraries out of a wheel, which is a zip archive. */
async function unpack(wheel, folder) {
  const { status, output } = await runCommand('python3', ['-m', 'zipfile', '-e', wheel, folder]);
  if (status === 0) return undefined;
  const unzip = await runCommand('unzip', ['-q', '-o', wheel, '-d', folder]);
  return unzip.status === 0 ? undefined : `the wheel does not unpack: ${lastLine(output)}`;
}

async function findFile(folder, name) {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      const found = await findFile(path, name);
      if (found !== undefined) return found;
    } else if (entry.name === name) {
      return path;
    }
  }
  return undefined;
}

/**
 * Makes the TensorRT-RTX libraries available.
 *
 * @param {{ log?: (line: string) => void }} options
 * @returns {Promise<{ folder?: string, fetched: boolean, reason?: string }>} `reason`, one line, when
 *   they cannot be had, which is no failure of the set-up.
 */
export async function fetchRtx({ log = () => {} } = {}) {
  const target = librariesFolder('tensorrt_rtx');
  const present = await Promise.all(LIBRARIES.map((name) => exists(join(target, name))));
  if (present.every(Boolean)) return { folder: target, fetched: false };
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return { fetched: false, reason: `NVIDIA has none for ${process.platform}-${process.arch}` };
  }
  log('Fetching the TensorRT-RTX libraries with pip (89 MB)');
  await mkdir(join(ROOT, '.sdk', 'lib'), { recursive: true });
  const temporary = await mkdtemp(join(ROOT, '.sdk', 'fetch-'));
  try {
    let reason = await download(temporary);
    if (reason !== undefined) return { fetched: false, reason };
    const wheel = (await readdir(temporary)).find((name) => name.endsWith('.whl'));
    const unpacked = join(temporary, 'wheel');
    reason = await unpack(join(temporary, wheel), unpacked);
    if (reason !== undefined) return { fetched: false, reason };
    const complete = join(temporary, 'lib');
    await mkdir(complete);
    for (const name of LIBRARIES) {
      const file = await findFile(unpacked, name);
      if (file === undefined) return { fetched: false, reason: `the wheel has no ${name}` };
      await rename(file, join(complete, name));
    }
    await rm(target, { recursive: true, force: true });
    await rename(complete, target);
    return { folder: target, fetched: true };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const result = await fetchRtx({ log: (line) => console.error(line) });
  if (result.reason !== undefined) {
    console.error(`No TensorRT-RTX libraries: ${result.reason}.`);
    process.exitCode = 1;
  } else {
    console.error(`TensorRT-RTX libraries: ${result.folder}`);
  }
}
