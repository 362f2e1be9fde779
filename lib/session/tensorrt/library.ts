import { open } from 'node:fs/promises';
import { defined } from '../../defined.js';
import { type PlanHeader, readPlanHeader } from '../../engine/index.js';
import { planOfManifest } from '../../engine/plan-file.js';
import { TensorRTError } from '../../errors.js';
import {
  chooseRuntime,
  type Family,
  familyTitle,
  type LibraryOptions,
  type RuntimeLibrary,
} from '../../runtime/index.js';
import { type EngineSource, sourceOf } from './options.js';

/** How much of a plan its header takes. */
const HEADER_BYTES = 32;

/** What an engine is, as far as its first bytes tell, and what messages call it. */
export interface PlanFacts {
  label: string;
  header?: PlanHeader;
}

async function firstBytes(path: string): Promise<Uint8Array | undefined> {
  try {
    const handle = await open(path);
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch {
    // Whoever reads all of it says why it cannot be read.
    return undefined;
  }
}

/**
 * A plan by path that has a manifest, read and held against it; anything else as it is.
 *
 * @param engine What a session is made from.
 * @throws TensorRTError `FILE_NOT_FOUND`, `ENGINE_INVALID`.
 */
export async function checkedSource(engine: EngineSource): Promise<EngineSource> {
  if (typeof engine !== 'string') return engine;
  const checked = await planOfManifest(engine);
  return checked === undefined ? engine : { plan: checked.plan, planPath: engine };
}

/** Looks at the beginning of a plan. */
export async function planFacts(engine: EngineSource): Promise<PlanFacts> {
  const { planPath, planBytes } = sourceOf(engine);
  const bytes = planBytes ?? (planPath === undefined ? undefined : await firstBytes(planPath));
  const header = bytes === undefined ? undefined : readPlanHeader(bytes);
  return {
    label: planPath ?? 'the plan',
    ...defined({ header }),
  };
}

const FAMILY_OF_MAJOR: Readonly<Record<string, Family>> = {
  8: 'tensorrt8',
  10: 'tensorrt10',
  11: 'tensorrt11',
};

function familyOfPlan({ header }: PlanFacts): Family | undefined {
  if (header?.kind === 'tensorrt-rtx') return 'tensorrt_rtx';
  return FAMILY_OF_MAJOR[header?.version?.split('.')[0] ?? ''];
}

function builderOf({ header }: PlanFacts): string {
  const name = header?.kind === 'tensorrt-rtx' ? 'TensorRT-RTX' : 'TensorRT';
  return header?.version === undefined ? `another ${name}` : `${name} ${header.version}`;
}

function incompatible(plan: PlanFacts, { family, version }: RuntimeLibrary, cause?: unknown) {
  const name = family === 'tensorrt_rtx' ? 'TensorRT-RTX' : 'TensorRT';
  const { detail } = (cause ?? {}) as { detail?: readonly string[] };
  return new TensorRTError(
    'ENGINE_INCOMPATIBLE',
    `${plan.label} was built by ${builderOf(plan)}, and ${name} ${version} is to run it`,
    {
      remedy: `Build the engine again with ${name} ${version}, or install ${builderOf(plan)}.`,
      ...defined({ detail, cause }),
    },
  );
}

/**
 * The library that runs a plan: where several are installed, one of the family that built it.
 *
 * @param plan What {@link planFacts} found.
 * @param options Which libraries there are to choose from.
 * @throws TensorRTError `ENGINE_INCOMPATIBLE` that names both versions when there is a library, and of
 *   another family; `LIBRARY_NOT_FOUND`, `LIBRARY_INCOMPATIBLE`, `MODULE_MISSING`.
 */
export async function runtimeFor(
  plan: PlanFacts,
  options: LibraryOptions,
): Promise<RuntimeLibrary> {
  const family = familyOfPlan(plan);
  if (family === undefined) return chooseRuntime(options);
  if (options.family !== undefined && options.family !== 'auto') {
    const named = await chooseRuntime(options);
    if (named.family === family) return named;
    throw incompatible(plan, named);
  }
  try {
    return await chooseRuntime(options, [family]);
  } catch (error) {
    const isMissing = error instanceof TensorRTError && error.code === 'LIBRARY_NOT_FOUND';
    const other = isMissing ? await chooseRuntime(options).catch(() => undefined) : undefined;
    if (other !== undefined) throw incompatible(plan, other, error);
    if (!isMissing) throw error;
    throw new TensorRTError('LIBRARY_NOT_FOUND', error.message, {
      remedy: `${plan.label} was built by ${builderOf(plan)}: install ${familyTitle(family)}, or set TENSORRT_LIB_DIR to the folder of its libraries.`,
      cause: error,
    });
  }
}

/** What the library logs for a plan of another version, or of another kind of GPU. */
const OTHER_VERSION = /not compatible with this version|Version tag does not match/i;
const OTHER_GPU = /incompatible device|different (GPU|compute|device)|compute capability/i;

/**
 * The error for a plan that the library refused: in particular when another version, or another kind of
 * GPU, built it.
 *
 * @param error What opening it came to.
 * @param plan What {@link planFacts} found.
 * @param library What was to run it.
 */
export function refusalOf(
  error: TensorRTError,
  plan: PlanFacts,
  library: RuntimeLibrary,
): TensorRTError {
  if (error.code !== 'ENGINE_INVALID') return error;
  const words = [error.message, ...error.detail].join('\n');
  const { version } = plan.header ?? {};
  if (OTHER_VERSION.test(words) && version !== library.version) {
    return incompatible(plan, library, error);
  }
  if (!OTHER_GPU.test(words)) return error;
  return new TensorRTError(
    'ENGINE_INCOMPATIBLE',
    `${plan.label} was built for another kind of GPU than this machine has`,
    { remedy: 'Build the engine again on this machine.', detail: error.detail, cause: error },
  );
}
