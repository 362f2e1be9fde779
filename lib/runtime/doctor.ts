import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { defined } from '../defined.js';
import { type DeviceInfo, FAMILIES } from './binding.js';
import { type FoundLibrary, findLibraries } from './discovery.js';
import { type LibraryFolder, type LibrarySearchOptions, libraryFolders } from './folders.js';
import {
  type ModuleName,
  type ModuleStatus,
  moduleRemedy,
  moduleStatus,
  queryDriver,
} from './modules.js';
import { threadPoolSize, threadPoolWarning } from './thread-pool.js';
import { cudaVersionText } from './versions.js';

/** Compute capability below which no TensorRT of this package runs. */
const MINIMUM_COMPUTE_CAPABILITY = 7.0;

/** Something that is missing, and what it takes away. */
export interface Lack {
  /** What is missing. */
  lacks: string;
  /** What does not work without it. */
  rulesOut: string;
  /** What to do about it. */
  remedy: string;
}

/** A GPU with the judgement on it. */
export interface ExaminedDevice extends DeviceInfo {
  /** Whether the compute capability is at least 7.0. */
  supported: boolean;
}

/** What this machine has, and what it lacks. JSON-serialisable. */
export interface DoctorReport {
  /** Node.js and the machine. */
  node: { version: string; platform: string; arch: string };
  /** libuv's thread pool, and a sentence when it is small for this machine. */
  threadPool: { size: number; warning?: string };
  /** The NVIDIA driver: the CUDA version that it speaks, or why there is none. */
  driver: { cudaVersion?: string; problem?: string };
  /** GPUs. */
  devices: ExaminedDevice[];
  /** Native modules of this package. */
  modules: ModuleStatus[];
  /** TensorRT installations. */
  libraries: FoundLibrary[];
  /** Where TensorRT was looked for. */
  searched: LibraryFolder[];
  /** The optional peer dependency onnxruntime-node. */
  onnxruntime: { version?: string; problem?: string };
  /** What is missing and what that rules out; empty when nothing is. */
  lacks: Lack[];
}

/** Version of the installed onnxruntime-node, found without loading it. */
function onnxruntimeStatus(): DoctorReport['onnxruntime'] {
  const require = createRequire(import.meta.url);
  let folder: string;
  try {
    folder = dirname(require.resolve('onnxruntime-node'));
  } catch {
    return { problem: 'not installed' };
  }
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) {
    folder = dirname(folder);
  }
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return { version };
}

function moduleLacks(modules: readonly ModuleStatus[]): Lack[] {
  return (
    modules
      .filter(({ problem }) => problem !== undefined)
      // Nobody but an owner of 8.6 can build its module, so its absence is nothing to report.
      .filter(({ name }) => name !== 'tensorrt8')
      .map(({ name, problem }) => ({
        lacks: `native module ${name}.node (${problem})`,
        rulesOut:
          name === 'base'
            ? 'everything that uses TensorRT or asks for GPUs; images are converted by slower code'
            : `building engines with ${name}`,
        remedy: moduleRemedy(name),
      }))
  );
}

function libraryLacks(report: Omit<DoctorReport, 'lacks'>): Lack[] {
  const usable = new Set(
    report.libraries.filter(({ problem }) => problem === undefined).map(({ family }) => family),
  );
  const lacks: Lack[] = [];
  if (!usable.has('tensorrt_rtx')) {
    lacks.push({
      lacks: 'TensorRT-RTX libraries',
      rulesOut: 'building engines ahead of time on a machine without a GPU',
      remedy: 'Run `node scripts/fetch-rtx.mjs`, or pip install tensorrt-rtx-cu12-libs.',
    });
  }
  if (!usable.has('tensorrt8') && !usable.has('tensorrt10') && !usable.has('tensorrt11')) {
    lacks.push({
      lacks: 'TensorRT 8.6, 10 or 11 libraries',
      rulesOut:
        'TensorRT’s INT8 calibrators, and engines for GPUs that TensorRT-RTX does not drive',
      remedy: 'Install TensorRT (libnvinfer, libnvonnxparsers), or set TENSORRT_LIB_DIR.',
    });
  }
  return lacks;
}

function deviceLacks(report: Omit<DoctorReport, 'lacks'>): Lack[] {
  if (report.devices.some(({ supported }) => supported)) return [];
  const old = report.devices.map(({ name, computeCapability }) => `${name} ${computeCapability}`);
  return [
    {
      lacks:
        old.length === 0
          ? `NVIDIA GPU (${report.driver.problem ?? 'the driver lists none'})`
          : `GPU of compute capability 7.0 or higher (found ${old.join(', ')})`,
      rulesOut: 'running engines, and building with TensorRT 8.6, 10 and 11',
      remedy:
        'Use a machine with such a GPU and its driver; calibration, Q/DQ export, evaluation on ' +
        'ONNX Runtime and TensorRT-RTX builds for other machines work here.',
    },
  ];
}

/**
 * Examines this machine: driver, GPUs, TensorRT libraries, native modules, ONNX Runtime, and what each
 * lack rules out.
 *
 * @param options See {@link LibrarySearchOptions}.
 */
export async function doctor(options: LibrarySearchOptions = {}): Promise<DoctorReport> {
  const names: readonly ModuleName[] = ['base', ...FAMILIES];
  const modules = names.map(moduleStatus);
  const hasBase = modules[0]!.problem === undefined;
  const { libraries, folders } = hasBase
    ? await findLibraries(options)
    : { libraries: [], folders: await libraryFolders(options) };
  const { driverVersion, devices, problem } = queryDriver();
  const warning = threadPoolWarning();
  const report = {
    node: { version: process.version, platform: process.platform, arch: process.arch },
    threadPool: { size: threadPoolSize(), ...defined({ warning }) },
    driver: {
      ...(driverVersion === undefined ? {} : { cudaVersion: cudaVersionText(driverVersion) }),
      ...defined({ problem }),
    },
    devices: devices.map((device) => ({
      ...device,
      supported: Number(device.computeCapability) >= MINIMUM_COMPUTE_CAPABILITY,
    })),
    modules,
    libraries,
    searched: folders,
    onnxruntime: onnxruntimeStatus(),
  };
  const lacks = [...moduleLacks(modules), ...libraryLacks(report), ...deviceLacks(report)];
  if (report.onnxruntime.problem !== undefined) {
    lacks.push({
      lacks: 'onnxruntime-node',
      rulesOut: 'calibration on the CPU, evaluation and classification without a GPU',
      remedy: 'Run `npm install onnxruntime-node --onnxruntime-node-install=skip`.',
    });
  }
  return { ...report, lacks };
}
