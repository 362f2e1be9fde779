// Where the parts live that are fetched and never committed. Node's own modules only: this runs before
// `npm ci`.
import { access, readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package's folder. */
export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** Families of TensorRT headers, each of which gets a module of its own. */
export const FAMILIES = ['tensorrt8', 'tensorrt10', 'tensorrt11', 'tensorrt_rtx'];

/** Fetched headers of a family. */
export const headersFolder = (family) => join(ROOT, '.sdk', 'headers', family);

/** Fetched libraries of a family. */
export const librariesFolder = (family) => join(ROOT, '.sdk', 'lib', family);

/** Whether `path` can be read. */
export async function exists(path) {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

/** The family of the headers in a folder, or undefined when there are none that this package knows. */
export async function familyOfHeaders(folder) {
  let text;
  try {
    text = await readFile(join(folder, 'NvInferVersion.h'), 'utf8');
    await access(join(folder, 'NvOnnxParser.h'));
  } catch {
    return undefined;
  }
  // 8.6 and the first 10.x define NV_TENSORRT_MAJOR as a number, later ones through these names.
  const rtx = /#define TRT_MAJOR_RTX (\d+)/.exec(text);
  if (rtx !== null) return Number(rtx[1]) === 1 ? 'tensorrt_rtx' : undefined;
  const major = /#define (?:TRT_MAJOR_ENTERPRISE|NV_TENSORRT_MAJOR) (\d+)/.exec(text)?.[1];
  const minor = /#define (?:TRT_MINOR_ENTERPRISE|NV_TENSORRT_MINOR) (\d+)/.exec(text)?.[1];
  if (major === '8') return minor === '6' ? 'tensorrt8' : undefined;
  if (major === '10' || major === '11') return `tensorrt${major}`;
  return undefined;
}

const SYSTEM_FOLDERS = [
  '/usr/include/x86_64-linux-gnu',
  '/usr/include',
  '/usr/local/tensorrt/include',
];

/**
 * The folder of headers for each family that has one: the user's own first (TENSORRT_INCLUDE_DIR,
 * TENSORRT8_INCLUDE_DIR), then the fetched ones, then the system's.
 *
 * @returns {Promise<Map<string, string>>}
 */
export async function findHeaders(env = process.env) {
  const found = new Map();
  const add = async (folder) => {
    const family = await familyOfHeaders(folder);
    if (family !== undefined && !found.has(family)) found.set(family, resolve(folder));
    return family;
  };
  for (const name of ['TENSORRT_INCLUDE_DIR', 'TENSORRT8_INCLUDE_DIR']) {
    const folder = env[name];
    if (!folder) continue;
    if ((await add(folder)) === undefined) {
      throw new Error(`${name} is ${folder}, where no TensorRT 8.6, 10, 11 or RTX headers are`);
    }
  }
  for (const folder of SYSTEM_FOLDERS) await add(folder);
  for (const family of FAMILIES) await add(headersFolder(family));
  return found;
}
