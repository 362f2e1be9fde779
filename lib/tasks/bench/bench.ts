import { defined } from '../../defined.js';
import { queryDriver } from '../../runtime/index.js';
import {
  InferenceSession,
  type InferenceSessionOptions,
  type LayerTimes,
  type LoopTimes,
  type Outputs,
  type SessionMemory,
  type ValueMetadata,
} from '../../session/index.js';
import { type BenchEngine, benchEngine } from './engine.js';
import { type EventLoopDelay, watchEventLoop } from './event-loop.js';
import { type BenchMemory, type BenchTensors, benchTensors, inputShapes } from './inputs.js';
import { type BenchOptions, type BenchSwitches, benchSwitches } from './options.js';
import { measureOverhead, type Overhead } from './overhead.js';
import { type BenchWarning, benchWarnings, summarize, type TimeSummary } from './statistics.js';

/** Times of a run by stage, in milliseconds. */
export interface BenchTimes {
  /** Upload, computation and download, on the GPU. */
  latency: TimeSummary;
  /** Launching, on the CPU. */
  enqueue: TimeSummary;
  /** Upload of the inputs, on the GPU. */
  h2d: TimeSummary;
  /** Computation, on the GPU. */
  compute: TimeSummary;
  /** Download of the outputs, on the GPU. */
  d2h: TimeSummary;
  /** The whole iteration as the CPU sees it. */
  host: TimeSummary;
}

/** The machine and the software of a bench. */
export interface BenchSystem {
  /** TensorRT, as the library says. */
  tensorrt: string;
  /** CUDA version of the driver, such as 12040. */
  driver?: number;
  /** The GPU. */
  gpu?: { name: string; computeCapability: string };
  /** Node.js. */
  node: string;
}

/** Result of {@link bench}. */
export interface BenchResult {
  /** What was run. */
  engine: Omit<BenchEngine, 'source'> & {
    inputs: readonly ValueMetadata[];
    outputs: readonly ValueMetadata[];
    /** Shapes of the inputs of every run. */
    shapes: Readonly<Record<string, readonly number[]>>;
  };
  /** Every switch, with its default where it was not given. */
  switches: BenchSwitches;
  /** Machine and versions. */
  system: BenchSystem;
  /** Whether every run was a CUDA graph, and if not though it should, why. */
  cudaGraph: { enabled: boolean; problem?: string };
  /** Iterations that count, all streams together. */
  iterations: number;
  /** Iterations a second over all streams, as trtexec's qps. */
  throughput: number;
  /** From the first iteration's start to the last one's end, in milliseconds. */
  hostWallMs: number;
  /** Sum of all computations, in milliseconds. */
  gpuComputeMs: number;
  /** The native loop, stage by stage. */
  times: BenchTimes;
  /** trtexec's warnings. */
  warnings: BenchWarning[];
  /** `run` and `runSync` beside the native loop, for each kind of memory; empty when not asked for. */
  overhead: Overhead[];
  /** How late the event loop was: with nothing to do, while the native loop ran, and during `run`. */
  eventLoopDelay: { idle: EventLoopDelay; loop: EventLoopDelay; run?: EventLoopDelay };
  /** Memory of the session. */
  memory: SessionMemory;
  /** The loops themselves, one a stream. */
  loops: LoopTimes[];
  /** Times of every layer, when asked for. */
  layers?: LayerTimes[];
  /** The inspector's JSON document, when asked for. */
  layerInfo?: string;
  /** The outputs of one run, when asked for. */
  outputs?: Outputs;
}

/** Seconds of idling, to know how late the event loop is by itself. */
const IDLE_SECONDS = 0.5;
/** Seconds of each measurement of the overhead, at most. */
const OVERHEAD_SECONDS = 1;

function systemOf(session: InferenceSession): BenchSystem {
  const { driverVersion, devices } = queryDriver();
  const device = devices[session.deviceId];
  return {
    tensorrt: session.libraryVersion,
    ...defined({ driver: driverVersion }),
    ...(device === undefined
      ? {}
      : { gpu: { name: device.name, computeCapability: device.computeCapability } }),
    node: process.version,
  };
}

function joined(
  loops: readonly LoopTimes[],
  stage: 'host' | 'enqueue' | 'upload' | 'compute' | 'download',
) {
  return loops.flatMap((loop) => [...loop[stage]]);
}

function timesOf(loops: readonly LoopTimes[], percentiles: readonly number[]): BenchTimes {
  const [h2d, compute, d2h] = (['upload', 'compute', 'download'] as const).map((stage) =>
    joined(loops, stage),
  ) as [number[], number[], number[]];
  const of = (times: ArrayLike<number>) => summarize(times, percentiles);
  return {
    latency: of(h2d.map((upload, index) => upload + compute[index]! + d2h[index]!)),
    enqueue: of(joined(loops, 'enqueue')),
    h2d: of(h2d),
    compute: of(compute),
    d2h: of(d2h),
    host: of(joined(loops, 'host')),
  };
}

/** The kinds of memory whose `run` is measured: that of callers, unless nothing is to move. */
function kindsOf({ overhead, noDataTransfers }: BenchSwitches): BenchMemory[] {
  if (!overhead) return [];
  return noDataTransfers ? ['device'] : ['memory', 'pinned'];
}

/** Everything that is measured of an open session. */
async function measure(
  session: InferenceSession,
  engine: BenchEngine,
  switches: BenchSwitches,
  { signal, onProgress }: BenchOptions,
): Promise<BenchResult> {
  const begin = performance.now();
  const tell = (phase: string) => {
    signal?.throwIfAborted();
    onProgress?.({ phase, done: 0, elapsedMs: performance.now() - begin });
  };
  const call = defined({ signal });
  const { percentiles, infStreams, useCudaGraph: graph, useSpinWait: spin } = switches;
  const shapes = inputShapes(session, switches.shapes);
  const tensors = (memory: BenchMemory, outputs?: Outputs): Promise<BenchTensors> =>
    benchTensors(session, shapes, switches.loadInputs ?? {}, memory, outputs);
  const { feeds } = await tensors('memory');

  tell('idle');
  const idle = await watchEventLoop(
    () => new Promise<void>((resolve) => setTimeout(resolve, IDLE_SECONDS * 1000)),
  );
  tell('warm up');
  const outputs = await session.run(feeds, undefined, call);
  tell('bench');
  const watched = await watchEventLoop(() =>
    Promise.all(
      Array.from({ length: infStreams }, () =>
        session.loop(feeds, {
          transfers: switches.noDataTransfers ? 'none' : 'pinned',
          graph,
          spin,
          events: true,
          iterations: switches.iterations,
          duration: switches.duration,
          warmUp: switches.warmUp / 1000,
          ...call,
        }),
      ),
    ),
  );
  const loops = watched.result;
  const times = timesOf(loops, percentiles);
  const iterations = times.compute.count;
  const hostWallMs =
    Math.max(...loops.map(({ endMs }) => endMs)) - Math.min(...loops.map(({ beginMs }) => beginMs));

  const overhead: Overhead[] = [];
  let run: EventLoopDelay | undefined;
  for (const memory of kindsOf(switches)) {
    tell(`run ${memory}`);
    const made = await tensors(memory, outputs);
    try {
      const seconds = Math.min(switches.duration, OVERHEAD_SECONDS);
      overhead.push(await measureOverhead(session, memory, made, seconds, { graph, spin }, signal));
      const runs = await watchEventLoop(async () => {
        const until = performance.now() + seconds * 1000;
        do await session.run(made.feeds, made.fetches, call);
        while (performance.now() < until);
      });
      run ??= runs.delay;
    } finally {
      made.dispose();
    }
  }
  tell('layers');
  const layers = switches.profile
    ? await session.profileLayers(feeds, switches.iterations, call)
    : undefined;
  const { source: _, ...known } = engine;
  return {
    engine: { ...known, inputs: session.inputs, outputs: session.outputs, shapes },
    switches,
    system: systemOf(session),
    cudaGraph: session.graphCapture(),
    iterations,
    throughput: (iterations / hostWallMs) * 1000,
    hostWallMs,
    gpuComputeMs: times.compute.mean * iterations,
    times,
    warnings: benchWarnings(times),
    overhead,
    eventLoopDelay: {
      idle: idle.delay,
      loop: watched.delay,
      ...defined({ run }),
    },
    memory: session.memory(),
    loops,
    ...defined({ layers }),
    ...(switches.layerInfo ? { layerInfo: session.layerInformation() } : {}),
    ...(switches.outputs ? { outputs: await session.run(feeds, undefined, call) } : {}),
  };
}

/** How sessions of a bench are opened. */
export function sessionOptionsOf(
  { family, libraryDir }: BenchOptions,
  switches: BenchSwitches,
): InferenceSessionOptions {
  return {
    deviceId: switches.deviceId,
    contexts: switches.infStreams,
    enableGraphCapture: switches.useCudaGraph,
    spinWait: switches.useSpinWait,
    ...defined({ family, libraryDir }),
  };
}

/** {@link bench} of an engine that is there. */
export async function benchOpened(
  engine: BenchEngine,
  options: BenchOptions,
): Promise<BenchResult> {
  const switches = benchSwitches(options);
  options.signal?.throwIfAborted();
  const session = await InferenceSession.create(engine.source, sessionOptionsOf(options, switches));
  try {
    return await measure(session, engine, switches, options);
  } finally {
    await session.release();
  }
}

/**
 * Measures an engine as trtexec does, in a native loop, and what `session.run` adds to that, in one run.
 *
 * @param model Path of an engine, or of an ONNX model (or a folder that holds one), which is built
 *   through the engine cache.
 * @param options trtexec's switches, library, GPU, how to build; signal and progress.
 * @throws TypeError, RangeError for wrong options; TensorRTError as `buildEngine` and
 *   `InferenceSession.create`, `FILE_NOT_FOUND` for files of inputs.
 */
export async function bench(model: string, options: BenchOptions = {}): Promise<BenchResult> {
  benchSwitches(options);
  return benchOpened(await benchEngine(model, options), options);
}
