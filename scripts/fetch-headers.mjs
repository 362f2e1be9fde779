// Fetches the TensorRT headers that the native modules are compiled against, into .sdk/headers/<family>.
// They are Apache-2.0 and come inside a crate, so cargo fetches and verifies them; nothing of the crate
// is built. TensorRT 8 has no such source: its owner gives TENSORRT8_INCLUDE_DIR.
import { cp, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { lastLine, runCommand } from './run-command.mjs';
import { exists, familyOfHeaders, findHeaders, headersFolder, ROOT } from './sdk-paths.mjs';

// The two versions of the crate cannot stand in one manifest, because both claim the same library.
const SOURCES = [
  { version: '0.5.0', folders: { tensorrt10: 'TRT-Enterprise-10.16' } },
  {
    version: '0.9.1+rtx1.7',
    folders: { tensorrt11: 'TRT-Enterprise-11.4', tensorrt_rtx: 'TRT-RTX-1.7' },
  },
];

/** Puts `source` where `target` is, whole or not at all. */
async function install(source, target) {
  const temporary = `${target}.${process.pid}.tmp`;
  await rm(temporary, { recursive: true, force: true });
  await mkdir(dirname(target), { recursive: true });
  await cp(source, temporary, { recursive: true });
  await rm(target, { recursive: true, force: true });
  await rename(temporary, target);
}

/**
 * rustup's `cargo` looks for its toolchains in the home folder of whoever calls it. Where that is another
 * one than cargo was installed in, they lie beside the `.cargo` folder that the command is in.
 */
async function cargoEnvironment() {
  if (process.env.RUSTUP_HOME !== undefined || (await exists(join(homedir(), '.rustup')))) {
    return process.env;
  }
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const toolchains = join(folder, '..', '..', '.rustup');
    if ((await exists(join(folder, 'cargo'))) && (await exists(toolchains))) {
      return { ...process.env, RUSTUP_HOME: resolve(toolchains) };
    }
  }
  return process.env;
}

async function vendor(version, folder) {
  await mkdir(join(folder, 'src'), { recursive: true });
  await writeFile(join(folder, 'src', 'lib.rs'), '');
  await writeFile(
    join(folder, 'Cargo.toml'),
    `[package]\nname = "headers"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\ntrtx-sys = "=${version}"\n[workspace]\n`,
  );
  const result = await runCommand('cargo', ['vendor', '--quiet', 'vendor'], {
    cwd: folder,
    env: await cargoEnvironment(),
  });
  return { ...result, headers: join(folder, 'vendor', 'trtx-sys', 'TensorRT-Headers') };
}

/**
 * Makes headers available for TensorRT 10, 11 and RTX where neither the user, the system nor an
 * earlier run has them.
 *
 * @param {{ log?: (line: string) => void, env?: NodeJS.ProcessEnv }} options
 * @returns {Promise<{ available: string[], fetched: string[], missing: { family: string, reason: string }[] }>}
 *   A family that cannot be had is no failure: `missing` says which and why.
 */
export async function fetchHeaders({ log = () => {}, env = process.env } = {}) {
  const fetched = [];
  const missing = [];
  let have = await findHeaders(env);
  for (const { version, folders } of SOURCES) {
    const wanted = Object.keys(folders).filter((family) => !have.has(family));
    if (wanted.length === 0) continue;
    log(`Fetching the headers of ${wanted.join(', ')} with cargo`);
    await mkdir(join(ROOT, '.sdk'), { recursive: true });
    const temporary = await mkdtemp(join(ROOT, '.sdk', 'fetch-'));
    try {
      const { status, output, missing: noCargo, headers } = await vendor(version, temporary);
      for (const family of wanted) {
        if (status !== 0) {
          const reason = noCargo ? 'cargo is not on the path' : `cargo failed: ${lastLine(output)}`;
          missing.push({ family, reason });
          continue;
        }
        const source = join(headers, folders[family]);
        if ((await familyOfHeaders(source)) !== family) {
          missing.push({ family, reason: `the crate has no headers in ${folders[family]}` });
          continue;
        }
        await install(source, headersFolder(family));
        fetched.push(family);
      }
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }
  have = await findHeaders(env);
  return { available: [...have.keys()], fetched, missing };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const result = await fetchHeaders({ log: (line) => console.error(line) });
  console.error(`Headers: ${result.available.join(', ') || 'none'}`);
  for (const { family, reason } of result.missing) {
    console.error(
      `No headers for ${family}: ${reason}. Set TENSORRT_INCLUDE_DIR, or install cargo.`,
    );
  }
  process.exitCode = result.missing.length === 0 ? 0 : 1;
}
