import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { expected, integer } from '../arguments.js';
import { isUrl } from '../dataset/index.js';
import { threadPoolSize } from '../runtime/index.js';
import { DecoderPool } from './decoder-pool.js';

/** Fewer cores than these are nearly used by one process, as measured with 512-pixel JPEGs. */
const LEAST_CORES = 8;
/** Fewer images than these are read while processes start. */
const LEAST_IMAGES = 512;
/** Threads of one process that the lock of libvips still lets work side by side. */
const THREADS = 4;
/** Beyond these, the thread that asks is the limit. */
const MOST_BY_DEFAULT = 8;
/** What may be asked for. */
const MOST = 64;

const VARIABLE = 'TENSORRT_NODE_DECODE_PROCESSES';

/** How long processes wait for the next call: a calibration may go through its images twice. */
const IDLE_MS = 3000;

/**
 * How many processes decode images when nobody says: one for four cores where one process would leave
 * cores without work, and there are images enough.
 *
 * @param cores Cores that may be used.
 * @param images Images given as paths.
 */
export function automaticProcesses(cores: number, images: number): number {
  if (cores < LEAST_CORES || images < LEAST_IMAGES) return 0;
  return Math.min(MOST_BY_DEFAULT, Math.floor(cores / THREADS));
}

/**
 * How many processes were asked for: by the option, else by `TENSORRT_NODE_DECODE_PROCESSES`.
 *
 * @param processes The option.
 * @param env Environment; the process's own by default.
 * @returns `undefined` when nobody asked.
 * @throws TypeError, RangeError that names the option or the variable.
 */
export function requestedProcesses(
  processes: number | undefined,
  env: NodeJS.ProcessEnv = process.env,
): number | undefined {
  if (processes !== undefined) return integer('processes', processes, 0, MOST);
  const text = env[VARIABLE]?.trim() ?? '';
  if (text === '') return undefined;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value <= MOST) return value;
  throw expected(VARIABLE, `an integer from 0 to ${MOST}`, text, 'range');
}

/** A user that made libuv's pool smaller than the machine meant that. */
function usableCores(env: NodeJS.ProcessEnv = process.env): number {
  const cores = availableParallelism();
  return env.UV_THREADPOOL_SIZE === undefined ? cores : Math.min(cores, threadPoolSize(env));
}

/** Not there when a test runs the source, which Node 20 cannot. */
const ENTRY = fileURLToPath(new URL('./decoder-process.js', import.meta.url));

interface Shared {
  pool: DecoderPool;
  users: number;
  idle?: NodeJS.Timeout;
}

/** Pools in use, or kept for a moment, by their number of processes. */
const pools = new Map<number, Shared>();

/** Decoder processes on loan. */
export interface Borrowed {
  pool: DecoderPool;
  /** Gives them back. */
  release(): void;
}

/**
 * Lends processes that decode, when that pays or was asked for.
 *
 * @param sources Paths and addresses; the latter are not read in processes.
 * @param processes How many, when that was asked for: see {@link requestedProcesses}.
 * @param entry What they run.
 * @returns `undefined` when images are to be read in this process.
 */
export function borrowDecoders(
  sources: readonly string[],
  processes: number | undefined,
  entry = ENTRY,
): Borrowed | undefined {
  const cores = usableCores();
  const paths = () => sources.reduce((sum, source) => sum + (isUrl(source) ? 0 : 1), 0);
  const count = processes ?? automaticProcesses(cores, paths());
  if (count === 0) return undefined;
  if (!existsSync(entry)) return undefined;

  let shared = pools.get(count);
  if (shared?.users === 0 && shared.pool.pids.length < count) {
    end(count, shared);
    shared = undefined;
  }
  shared ??= { pool: new DecoderPool(entry, count, Math.ceil(cores / count)), users: 0 };
  pools.set(count, shared);
  return lend(count, shared);
}

function lend(count: number, shared: Shared): Borrowed {
  clearTimeout(shared.idle);
  shared.users++;
  const release = () => {
    if (--shared.users > 0) return;
    shared.idle = setTimeout(() => end(count, shared), IDLE_MS).unref();
  };
  return { pool: shared.pool, release };
}

function end(count: number, shared: Shared): void {
  clearTimeout(shared.idle);
  shared.pool.close();
  pools.delete(count);
}
