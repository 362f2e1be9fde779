import { availableParallelism } from 'node:os';

/** Threads of libuv's pool when nothing sets their number. */
const DEFAULT_POOL_SIZE = 4;

/**
 * Threads of libuv's pool, on which image decoding and file access run: `UV_THREADPOOL_SIZE`, or 4.
 * The variable counts only when it is set before Node starts using the pool.
 *
 * @param env Environment; the process's own by default.
 */
export function threadPoolSize(env: NodeJS.ProcessEnv = process.env): number {
  const size = Number.parseInt(env.UV_THREADPOOL_SIZE ?? '', 10);
  return Number.isNaN(size) ? DEFAULT_POOL_SIZE : Math.min(1024, Math.max(1, size));
}

/**
 * One sentence when libuv's pool is smaller than this machine's number of processors, so that images
 * are decoded on fewer than all of them; undefined when it is not.
 *
 * @param env Environment; the process's own by default.
 * @param processors Number of processors; this machine's by default.
 */
export function threadPoolWarning(
  env: NodeJS.ProcessEnv = process.env,
  processors: number = availableParallelism(),
): string | undefined {
  const size = threadPoolSize(env);
  if (size >= processors) return undefined;
  return (
    `libuv's thread pool has ${size} threads on ${processors} processors, so images are decoded on ` +
    `${size} of them: start Node with UV_THREADPOOL_SIZE=${processors}.`
  );
}
