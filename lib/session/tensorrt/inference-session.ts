import { integer } from '../../arguments.js';
import { TensorRTError } from '../../errors.js';
import { requireFamily } from '../../runtime/index.js';
import type { Tensor, TensorType } from '../../tensor.js';
import type { ModelSession, RunOptions, ValueMetadata } from '../model-session.js';
import { type Arranged, arrange } from './arrange.js';
import type { NativeEngineInfo, NativeSession, NativeShapes, SessionBinding } from './binding.js';
import { type ProfileShapes, profilesOf, type SessionMemory } from './description.js';
import { errorOf, thrownBy } from './failures.js';
import { checkedSource, planFacts, refusalOf, runtimeFor } from './library.js';
import { type LayerTimes, type LoopOptions, type LoopTimes, nativeLoopOptions } from './loop.js';
import { DeviceTensor, PinnedTensor } from './memory.js';
import {
  type EngineSource,
  type InferenceSessionOptions,
  nativeOptions,
  type PingOptions,
  pingMicroseconds,
  wakeAhead,
} from './options.js';
import { PendingWork } from './pending.js';
import { metadataOf, type RunPlan, RunPlans } from './plans.js';
import type { Feeds, Fetches, Outputs } from './types.js';

function released(): TensorRTError {
  return new TensorRTError('SESSION_RELEASED', 'The session was released before this run', {
    remedy: 'Open a new session, or release this one after its last run.',
  });
}

/**
 * A TensorRT engine, ready to run on a GPU. Runs wait in one queue, first in, first out, and are done by
 * native threads, one a context: the event loop stays free.
 *
 * Arrays that a run reads or writes must be left alone, and not be transferred or resized, until the
 * run has settled; after an abort until the session's next `release` at the latest.
 */
export class InferenceSession implements ModelSession {
  /** @inheritdoc */
  readonly inputs: readonly ValueMetadata[];
  /** @inheritdoc */
  readonly outputs: readonly ValueMetadata[];
  /** @inheritdoc */
  readonly provider = 'tensorrt';
  /** Runs to keep in flight: one for each context, and one that waits for them. */
  readonly concurrency: number;
  /** Names of the inputs, in order. */
  readonly inputNames: readonly string[];
  /** Names of the outputs, in order. */
  readonly outputNames: readonly string[];
  /** Number of the GPU. */
  readonly deviceId: number;
  /** Version of the TensorRT library, for example `8.6.1`. */
  readonly libraryVersion: string;
  /** What each optimization profile takes; empty when no shape is dynamic. */
  readonly profiles: readonly ProfileShapes[];
  readonly #binding: SessionBinding;
  readonly #native: NativeSession;
  readonly #pending: PendingWork;
  readonly #plans: RunPlans;
  readonly #graph: boolean;
  #preparing = 0;
  #released: Promise<void> | undefined;
  #idle: (() => void) | undefined;

  private constructor(
    binding: SessionBinding,
    native: NativeSession,
    engine: NativeEngineInfo,
    options: InferenceSessionOptions,
  ) {
    this.#binding = binding;
    this.#native = native;
    this.#pending = new PendingWork(native, options.spinWait ?? false, wakeAhead(options));
    this.inputs = engine.inputs.map(metadataOf);
    this.outputs = engine.outputs.map(metadataOf);
    this.inputNames = this.inputs.map(({ name }) => name);
    this.outputNames = this.outputs.map(({ name }) => name);
    this.concurrency = (options.contexts ?? 1) + 1;
    this.deviceId = options.deviceId ?? 0;
    this.libraryVersion = engine.libraryVersion;
    this.profiles = profilesOf(engine);
    this.#graph = options.enableGraphCapture ?? true;
    this.#plans = new RunPlans(this.inputs, this.outputs);
    if (engine.shapes !== undefined) this.#plans.add(engine.shapes);
  }

  /**
   * Loads an engine: reads and deserialises the plan, allocates its contexts and runs each once, so that
   * the graphs are captured. All of it off the event loop. A plan given by path is held against the
   * manifest beside it, if it has one: TensorRT itself loads a plan with a changed byte in its weights.
   *
   * @param engine Path of a plan, its bytes, or what `buildEngine` returned. Run only plans of your
   *   own: a plan is code.
   * @param options GPU, contexts, graphs, waiting; which TensorRT library.
   * @throws TypeError, RangeError for wrong options.
   * @throws TensorRTError `FILE_NOT_FOUND`, `MODEL_UNSUPPORTED`; `ENGINE_INVALID` for what is no plan, or
   *   not the one of its manifest;
   *   `ENGINE_INCOMPATIBLE` for a plan of another TensorRT or GPU, naming both versions;
   *   `PROFILE_INVALID`, `DEVICE_NOT_FOUND`, `OUT_OF_MEMORY`, `LIBRARY_NOT_FOUND`,
   *   `LIBRARY_INCOMPATIBLE`, `MODULE_MISSING`.
   */
  static async create(
    engine: EngineSource,
    options: InferenceSessionOptions = {},
  ): Promise<InferenceSession> {
    nativeOptions(engine, options);
    const source = await checkedSource(engine);
    const checked = nativeOptions(source, options);
    const plan = await planFacts(source);
    const library = await runtimeFor(plan, options);
    const binding = requireFamily(library.family) as unknown as SessionBinding;
    const { inferLibrary } = library;
    const outcome = await binding.openSession({ ...checked, inferLibrary });
    if (outcome.failure !== undefined) {
      throw refusalOf(errorOf(outcome.failure), plan, library);
    }
    return new InferenceSession(binding, outcome.session!, outcome.engine!, options);
  }

  /**
   * Runs the engine once. The promise settles when the outputs are in place.
   *
   * @param feeds A tensor for every input, in the memory of the CPU, pinned, or of the GPU.
   * @param fetches Names of the outputs that are wanted, or tensors to write them into; all by default.
   * @param options With a signal, a queued run is taken out of the queue; one under way rejects at once
   *   and its result is dropped, though its arrays are in use until it is over.
   * @returns The outputs by name.
   * @throws TypeError, RangeError for tensors that do not fit.
   * @throws TensorRTError `INFERENCE_FAILED`, `OUT_OF_MEMORY`, `PROFILE_INVALID`,
   *   `MODEL_UNSUPPORTED`, `QUEUE_FULL`, `SESSION_RELEASED`.
   */
  run(
    feeds: Feeds,
    fetches?: readonly string[],
    options?: RunOptions,
  ): Promise<Record<string, Tensor>>;
  run(feeds: Feeds, fetches?: Fetches, options?: RunOptions): Promise<Outputs>;
  run(feeds: Feeds, fetches?: Fetches, options?: RunOptions): Promise<Outputs> {
    try {
      if (this.#released !== undefined) throw released();
      const plan = this.#plans.find(feeds);
      if (plan !== undefined) return this.#submit(plan, feeds, fetches, options);
    } catch (error) {
      return Promise.reject(thrownBy(error));
    }
    return this.#prepare(feeds, options, (plan) => this.#submit(plan, feeds, fetches, options));
  }

  /**
   * Runs the engine once on the calling thread, which waits: lower latency than `run`, and nothing else
   * happens in JavaScript meanwhile.
   *
   * @param feeds As for `run`.
   * @param fetches As for `run`.
   * @returns The outputs by name.
   * @throws As `run`.
   */
  runSync(feeds: Feeds, fetches?: readonly string[]): Record<string, Tensor>;
  runSync(feeds: Feeds, fetches?: Fetches): Outputs;
  runSync(feeds: Feeds, fetches?: Fetches): Outputs {
    if (this.#released !== undefined) throw released();
    try {
      const plan =
        this.#plans.find(feeds) ??
        this.#plans.add(this.#native.prepareSync(this.#plans.shapesOf(feeds)));
      const { inputs, outputs, results } = arrange(this.inputNames, plan, feeds, fetches);
      this.#native.runSync(plan.id, inputs, outputs);
      return results;
    } catch (error) {
      throw thrownBy(error);
    }
  }

  /**
   * Goes to a worker and back without any work on the GPU: what a promise from another thread costs at
   * least on this machine. One pinged again and again never sleeps deeply; with `holdMicroseconds` it
   * waits as for a run of that length, and the time beyond is what waking it costs.
   *
   * @param options How long the worker keeps it.
   * @throws RangeError for a wrong time; TensorRTError `SESSION_RELEASED`, `QUEUE_FULL`.
   */
  async ping(options: PingOptions = {}): Promise<void> {
    if (this.#released !== undefined) throw released();
    const hold = pingMicroseconds(options);
    return this.#pending.start<undefined>((id) => this.#native.ping(id, hold));
  }

  /**
   * Runs over and over in native code, with no JavaScript in between: what the machine can do.
   *
   * @param feeds As for `run`.
   * @param options Transfers, graphs, how long.
   * @returns Times of every iteration.
   * @throws As `run`.
   */
  loop(feeds: Feeds, options: LoopOptions = {}): Promise<LoopTimes> {
    return this.#measure(feeds, options, (id, plan, { inputs, outputs }) =>
      this.#native.loop(id, plan, inputs, outputs, nativeLoopOptions(options)),
    );
  }

  /**
   * Runs without CUDA graphs and measures every layer. TensorRT waits between layers for that, so their
   * sum is more than a run takes.
   *
   * @param feeds As for `run`.
   * @param iterations How many runs.
   * @param options With a signal, is given up as a run is.
   * @returns The layers in the order in which they run.
   * @throws As `run`; RangeError for a wrong number.
   */
  profileLayers(feeds: Feeds, iterations = 10, options: RunOptions = {}): Promise<LayerTimes[]> {
    return this.#measure(feeds, options, (id, plan, { inputs, outputs }) =>
      this.#native.profile(id, plan, inputs, outputs, integer('iterations', iterations, 1)),
    );
  }

  /**
   * What TensorRT's inspector says of the engine's layers: names alone unless the engine was built with
   * `profilingVerbosity: 'detailed'`.
   *
   * @returns The inspector's JSON document.
   * @throws TensorRTError `SESSION_RELEASED`, `INFERENCE_FAILED`.
   */
  layerInformation(): string {
    return this.#ask(() => this.#native.layerInformation());
  }

  /**
   * When a worker took the work that was done last, and when it was done with it.
   *
   * @returns Milliseconds of the machine's steady clock, as `process.hrtime` counts.
   * @internal For benchmarks.
   */
  lastTimes(): [taken: number, done: number] {
    return this.#ask(() => this.#native.lastTimes());
  }

  /**
   * A tensor in page-locked memory, which a run transfers without a copy on the CPU. Its elements are
   * zero. Dispose it when it is no longer needed: page-locked memory is scarce.
   *
   * @param type Element type.
   * @param dims Extent of each dimension.
   * @throws TensorRTError `OUT_OF_MEMORY`, `INFERENCE_FAILED`.
   */
  createPinnedTensor<T extends TensorType>(type: T, dims: readonly number[]): PinnedTensor<T> {
    return PinnedTensor.allocate(this.#binding, this.deviceId, type, dims);
  }

  /**
   * A tensor in the memory of the GPU, for chaining engines without copies. Its elements are undefined.
   * Dispose it when it is no longer needed.
   *
   * @param type Element type.
   * @param dims Extent of each dimension.
   * @throws TensorRTError `OUT_OF_MEMORY`, `INFERENCE_FAILED`.
   */
  createDeviceTensor<T extends TensorType>(type: T, dims: readonly number[]): DeviceTensor<T> {
    return DeviceTensor.allocate(this.#binding, this.deviceId, type, dims);
  }

  /**
   * The memory that the session holds.
   *
   * @throws TensorRTError `SESSION_RELEASED`, `INFERENCE_FAILED`.
   */
  memory(): SessionMemory {
    const { graphProblem: _, ...memory } = this.#ask(() => this.#native.memory());
    return memory;
  }

  /**
   * Whether runs are launched as CUDA graphs, and if not although they should be, why. Known after the
   * first run of each kind of shapes.
   *
   * @throws TensorRTError `SESSION_RELEASED`, `INFERENCE_FAILED`.
   */
  graphCapture(): { enabled: boolean; problem?: string } {
    const { graphProblem } = this.#ask(() => this.#native.memory());
    if (graphProblem === '') return { enabled: this.#graph };
    return { enabled: false, problem: graphProblem };
  }

  /** Waits for runs in flight, then frees everything. Any later run is refused; may be repeated. */
  release(): Promise<void> {
    this.#released ??= this.#close();
    return this.#released;
  }

  /** {@link InferenceSession.release}. */
  dispose(): Promise<void> {
    return this.release();
  }

  /** {@link InferenceSession.release}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  async #close(): Promise<void> {
    // Those whose shapes are being prepared have not handed in their run yet.
    if (this.#preparing > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    await this.#pending.empty();
    await this.#native.close();
  }

  #ask<T>(call: () => T): T {
    if (this.#released !== undefined) throw released();
    try {
      return call();
    } catch (error) {
      throw thrownBy(error);
    }
  }

  /** Work of many runs over the same tensors. */
  #measure<T>(
    feeds: Feeds,
    options: RunOptions & { fetches?: Fetches },
    start: (id: number, plan: number, work: Arranged) => void,
  ): Promise<T> {
    const submit = (plan: RunPlan): Promise<T> => {
      const { signal, fetches } = options;
      const work = arrange(this.inputNames, plan, feeds, fetches);
      return this.#pending.start<T>((id) => start(id, plan.id, work), { hold: work, signal });
    };
    try {
      if (this.#released !== undefined) throw released();
      const plan = this.#plans.find(feeds);
      return plan === undefined ? this.#prepare(feeds, options, submit) : submit(plan);
    } catch (error) {
      return Promise.reject(thrownBy(error));
    }
  }

  /** Lets a worker find out about shapes that are new, then goes on. */
  async #prepare<T>(
    feeds: Feeds,
    { signal }: RunOptions = {},
    next: (plan: RunPlan) => Promise<T>,
  ): Promise<T> {
    this.#preparing += 1;
    let result: Promise<T>;
    try {
      const shapes = await this.#pending.start<NativeShapes>(
        (id) => this.#native.prepare(id, this.#plans.shapesOf(feeds)),
        { signal },
      );
      result = next(this.#plans.add(shapes));
    } catch (error) {
      throw thrownBy(error);
    } finally {
      this.#preparing -= 1;
      if (this.#preparing === 0) this.#idle?.();
    }
    return result;
  }

  #submit(
    plan: RunPlan,
    feeds: Feeds,
    fetches: Fetches | undefined,
    options: RunOptions | undefined,
  ): Promise<Outputs> {
    const work = arrange(this.inputNames, plan, feeds, fetches);
    return this.#pending.run<Outputs>(
      (id) => this.#native.run(id, plan.id, work.inputs, work.outputs),
      { hold: [work, feeds], result: work.results, signal: options?.signal },
    );
  }
}
