import { defined } from '../../defined.js';
import type { InferenceSession } from '../../session/index.js';
import type { BenchMemory, BenchTensors } from './inputs.js';
import { medianOf } from './statistics.js';

/** `run` beside the native loop over the same tensors; medians in milliseconds. */
export interface Overhead {
  /** Where the tensors lie. */
  memory: BenchMemory;
  /** One iteration of the native loop, no JavaScript in between. */
  loop: number;
  /** `session.run`, from the call to the settled promise. */
  run: number;
  /** `session.runSync`. */
  runSync: number;
  /** A bare round trip to the worker and back, one after the other. */
  ping: number;
  /**
   * The same when the worker holds it for as long as the loop takes, without that time: the event loop
   * sleeps as long as it does for a run.
   */
  heldPing: number;
  /** `run` − `loop`: what the package adds. */
  runMinusLoop: number;
  /** `run` / `loop`. */
  runOverLoop: number;
  /** `runSync` / `loop`. */
  runSyncOverLoop: number;
  /** Where the time of `run` goes: to the worker, on it, and back to the promise. */
  stages: { handOver: number; worker: number; back: number };
}

/** Calls that come before those that count, so that the code is compiled. */
const COLD_CALLS = 20;
/** Calls that count, at least. */
const CALLS = 20;

const median = (times: readonly number[]): number => medianOf(Float64Array.from(times).sort());
const steady = (): number => Number(process.hrtime.bigint()) / 1e6;

async function repeat(
  seconds: number,
  signal: AbortSignal | undefined,
  call: () => Promise<number>,
): Promise<number> {
  for (let index = 0; index < COLD_CALLS; index += 1) await call();
  const times: number[] = [];
  const start = performance.now();
  while (performance.now() - start < seconds * 1000 || times.length < CALLS) {
    signal?.throwIfAborted();
    times.push(await call());
  }
  return median(times);
}

/**
 * Measures what the package adds to the native loop, by turns in one session.
 *
 * @param session The engine, with one context at least.
 * @param memory Where the tensors lie.
 * @param tensors Of the runs.
 * @param seconds Of each of the five measurements.
 * @param loop How the loop launches and waits: as the session does.
 * @param signal Ends it.
 */
export async function measureOverhead(
  session: InferenceSession,
  memory: BenchMemory,
  { feeds, fetches }: BenchTensors,
  seconds: number,
  loop: { graph: boolean; spin: boolean },
  signal?: AbortSignal,
): Promise<Overhead> {
  const native = await session.loop(feeds, {
    ...loop,
    duration: seconds,
    iterations: CALLS,
    warmUp: seconds / 4,
    // What lies on the GPU is not moved: the loop then does what `run` does.
    transfers: 'memory',
    ...defined({ fetches, signal }),
  });
  const loopMs = median([...native.host]);
  const timed = async (work: () => Promise<unknown>): Promise<number> => {
    const before = performance.now();
    await work();
    return performance.now() - before;
  };
  const ping = await repeat(seconds / 2, signal, () => timed(() => session.ping()));
  const stages = { handOver: [] as number[], worker: [] as number[], back: [] as number[] };
  const run = await repeat(seconds, signal, async () => {
    const before = steady();
    await session.run(feeds, fetches);
    const after = steady();
    const [taken, done] = session.lastTimes();
    stages.handOver.push(taken - before);
    stages.worker.push(done - taken);
    stages.back.push(after - done);
    return after - before;
  });
  const holdMicroseconds = Math.max(Math.round(loopMs * 1000), 1);
  const held = await repeat(seconds, signal, () => timed(() => session.ping({ holdMicroseconds })));
  const runSync = await repeat(seconds, signal, async () => {
    const before = performance.now();
    session.runSync(feeds, fetches);
    return performance.now() - before;
  });
  return {
    memory,
    loop: loopMs,
    run,
    runSync,
    ping,
    heldPing: held - holdMicroseconds / 1000,
    runMinusLoop: run - loopMs,
    runOverLoop: run / loopMs,
    runSyncOverLoop: runSync / loopMs,
    stages: {
      handOver: median(stages.handOver),
      worker: median(stages.worker),
      back: median(stages.back),
    },
  };
}
