import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { messageOf, TensorRTError } from '../errors.js';
import type { BaseBinding, DriverInfo, Family, FamilyBinding } from './binding.js';

/** This package's folder: two levels above this file, in the sources as in `dist`. */
export const PACKAGE_ROOT: string = fileURLToPath(new URL('../../', import.meta.url));

/** Where native modules are looked for: built here first, then shipped with a release. */
export const MODULE_FOLDERS: readonly string[] = [
  join(PACKAGE_ROOT, 'build', 'Release'),
  join(PACKAGE_ROOT, 'prebuilds', `${process.platform}-${process.arch}`),
];

/** Name of a native module. */
export type ModuleName = 'base' | Family;

/** Whether a native module is there, and why not. */
export interface ModuleStatus {
  /** Name. */
  name: ModuleName;
  /** File that was found; absent when there is none. */
  path?: string;
  /** Why it does not load; absent when it does. */
  problem?: string;
}

const require = createRequire(import.meta.url);
const loaded = new Map<ModuleName, unknown>();

function pathOf(name: ModuleName): string | undefined {
  return MODULE_FOLDERS.map((folder) => join(folder, `${name}.node`)).find(existsSync);
}

/** What base.node exports; one of an older build lacks some. */
const BASE_FUNCTIONS = [
  ...(['interleavedToPlanar', 'packImages', 'resample', 'countBins', 'countLater'] as const),
  ...(['scanBounds', 'queryDriver', 'libraryVersion'] as const),
];

function load(name: ModuleName): { binding?: unknown; status: ModuleStatus } {
  const path = pathOf(name);
  if (path === undefined) {
    const problem = `${name}.node is in none of ${MODULE_FOLDERS.join(', ')}`;
    return { status: { name, problem } };
  }
  try {
    const binding = loaded.get(name) ?? require(path);
    const lacking = name === 'base' ? BASE_FUNCTIONS.find((one) => !(one in binding)) : undefined;
    if (lacking !== undefined) {
      const problem = `${path} was built for another version of this package: it lacks ${lacking}`;
      return { status: { name, path, problem } };
    }
    loaded.set(name, binding);
    return { binding, status: { name, path } };
  } catch (error) {
    return { status: { name, path, problem: `${path} does not load: ${messageOf(error)}` } };
  }
}

/** Whether a native module is there and loads. */
export function moduleStatus(name: ModuleName): ModuleStatus {
  return load(name).status;
}

/** What to do about a missing module. */
export function moduleRemedy(name: ModuleName): string {
  const headers =
    name === 'base'
      ? ''
      : name === 'tensorrt8'
        ? ' with TENSORRT8_INCLUDE_DIR set to the folder of the TensorRT 8.6 headers'
        : ' (it fetches the headers with cargo, or takes them from TENSORRT_INCLUDE_DIR)';
  return `Run \`npm run build\` in ${PACKAGE_ROOT}${headers}; it needs CMake and a C++17 compiler.`;
}

function missing(status: ModuleStatus): TensorRTError {
  return new TensorRTError(
    'MODULE_MISSING',
    `The native module ${status.name}.node is missing: ${status.problem}`,
    { remedy: moduleRemedy(status.name) },
  );
}

/** Modules that are told when the process ends. */
const inUse = new Set<FamilyBinding>();

let base: BaseBinding | undefined;

/** base.node, or undefined when it is not built. */
export function baseBinding(): BaseBinding | undefined {
  if (base !== undefined) return base;
  const native = load('base').binding as Omit<BaseBinding, 'devices' | 'driverVersion'> | undefined;
  if (native === undefined) return undefined;
  base = {
    interleavedToPlanar: native.interleavedToPlanar,
    packImages: native.packImages,
    resample: native.resample,
    countBins: native.countBins,
    countLater: native.countLater,
    scanBounds: native.scanBounds,
    queryDriver: native.queryDriver,
    libraryVersion: native.libraryVersion,
    devices: () => native.queryDriver().devices,
    driverVersion: () => native.queryDriver().driverVersion,
  };
  return base;
}

/**
 * base.node.
 *
 * @throws TensorRTError `MODULE_MISSING`.
 */
export function requireBase(): BaseBinding {
  const binding = baseBinding();
  if (binding === undefined) throw missing(load('base').status);
  return binding;
}

/**
 * The module of a family.
 *
 * @throws TensorRTError `MODULE_MISSING`.
 */
export function requireFamily(family: Family): FamilyBinding {
  const { binding, status } = load(family);
  if (binding === undefined) throw missing(status);
  const native = binding as FamilyBinding;
  // A build that still runs while the process ends would run on in libraries that are being torn down.
  // A worker's end is not the process's: its builds are cancelled by the addon itself.
  if (isMainThread && inUse.size === 0) {
    process.on('exit', () => {
      for (const one of inUse) one.announceExit();
    });
  }
  inUse.add(native);
  return native;
}

/** The driver and its GPUs; without base.node, why nothing is known. */
export function queryDriver(): DriverInfo {
  const binding = baseBinding();
  if (binding !== undefined) return binding.queryDriver();
  return { devices: [], problem: load('base').status.problem ?? 'base.node is missing' };
}
