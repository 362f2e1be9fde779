// Builds the native modules: base.node always, and one module for each family of TensorRT headers that
// is there. Does nothing when nothing has changed since the last build.
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { runCommand } from './run-command.mjs';
import { exists, FAMILIES, findHeaders, ROOT } from './sdk-paths.mjs';

const OUTPUT = join(ROOT, 'build', 'Release');
const STAMP = join(ROOT, 'build', 'native-stamp.txt');

async function sources(folder) {
  const files = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) files.push(...(await sources(path)));
    else files.push(path);
  }
  return files.sort();
}

/** A digest of all that decides what the modules are. */
async function fingerprint(headers) {
  const hash = createHash('sha256');
  const own = [join(ROOT, 'CMakeLists.txt'), ...(await sources(join(ROOT, 'native')))];
  for (const file of own) hash.update(relative(ROOT, file)).update(await readFile(file));
  for (const [family, folder] of headers) {
    hash.update(`${family} ${folder}`).update(await readFile(join(folder, 'NvInferVersion.h')));
  }
  hash.update(`${process.arch} ${process.versions.modules}`);
  return hash.digest('hex');
}

async function missingTools() {
  const missing = [];
  if ((await runCommand('cmake', ['--version'])).status !== 0) missing.push('CMake');
  const compiler = process.env.CXX ?? 'c++';
  if ((await runCommand(compiler, ['--version'])).status !== 0) {
    missing.push(`a C++17 compiler (${compiler})`);
  }
  return missing;
}

function cmakeJs() {
  try {
    return createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js');
  } catch {
    return undefined;
  }
}

/**
 * Builds what can be built.
 *
 * @param {{ log?: (line: string) => void }} options
 * @returns {Promise<{ modules: string[], missingFamilies: string[], built: boolean, problem?: string }>}
 *   `modules`: names of the modules that are there afterwards; `missingFamilies`: those without headers;
 *   `built`: false when nothing had changed; `problem`: one line, when the build could not be done.
 */
export async function buildNative({ log = () => {} } = {}) {
  const headers = await findHeaders();
  const names = ['base', ...headers.keys()];
  const missingFamilies = FAMILIES.filter((family) => !headers.has(family));
  const present = async () => {
    const found = [];
    for (const name of ['base', ...FAMILIES]) {
      if (await exists(join(OUTPUT, `${name}.node`))) found.push(name);
    }
    return found;
  };
  const stamp = await fingerprint(headers);
  const last = (await exists(STAMP)) ? await readFile(STAMP, 'utf8') : '';
  if (last === stamp) {
    const there = await present();
    if (names.every((name) => there.includes(name))) {
      return { modules: there, missingFamilies, built: false };
    }
  }

  const missing = await missingTools();
  if (missing.length > 0) {
    const problem = `The native modules need ${missing.join(' and ')}; what needs no module works without.`;
    return { modules: await present(), missingFamilies, built: false, problem };
  }
  const tool = cmakeJs();
  if (tool === undefined) {
    const problem = 'cmake-js is not installed: run `npm ci` first.';
    return { modules: await present(), missingFamilies, built: false, problem };
  }

  log(`Building ${names.map((name) => `${name}.node`).join(', ')}`);
  await rm(STAMP, { force: true });
  // Modules of families whose headers have gone would be stale from the next change on.
  for (const family of missingFamilies) await rm(join(OUTPUT, `${family}.node`), { force: true });
  const definitions = FAMILIES.map(
    (family) => `--CDTRTN_HEADERS_${family}=${headers.get(family) ?? 'OFF'}`,
  );
  const jobs = String(Math.max(1, Math.min(8, availableParallelism())));
  const flags = ['--config', 'Release', '--parallel', jobs, ...definitions];
  const cmake = (step) => runCommand(process.execPath, [tool, step, ...flags], { cwd: ROOT });
  // `build` alone keeps the definitions of the first configuration, headers that were missing then included.
  let { status, output } = await cmake('configure');
  if (status === 0) ({ status, output } = await cmake('build'));
  if (status !== 0) {
    log(output);
    const problem = `The native build failed with exit status ${status}.`;
    return { modules: await present(), missingFamilies, built: false, problem };
  }
  await mkdir(join(ROOT, 'build'), { recursive: true });
  await writeFile(STAMP, stamp);
  return { modules: await present(), missingFamilies, built: true };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const result = await buildNative({ log: (line) => console.error(line) });
  if (result.problem !== undefined) {
    console.error(result.problem);
    process.exitCode = 1;
  } else {
    console.error(`${result.built ? 'Built' : 'Up to date'}: ${result.modules.join(', ')}`);
    const wanted = result.missingFamilies.filter((family) => family !== 'tensorrt8');
    if (wanted.length > 0) {
      console.error(
        `No headers for ${wanted.join(', ')}: run \`node scripts/fetch-headers.mjs\` or set TENSORRT_INCLUDE_DIR.`,
      );
    }
  }
}
