import { join } from 'node:path';
import type {
  GraphProvider,
  GraphRunner,
  InnerTensor,
  OpenGraphOptions,
} from '../../calibration/index.js';
import { defined } from '../../defined.js';
import { buildEngine, type OptimizationProfile } from '../../engine/index.js';
import {
  TensorProto_DataType as DataType,
  dataTypeName,
  declaredValue,
  elementTypes,
  encodeModel,
  GraphIndex,
  type GraphProto,
  graphOf,
  type OnnxModel,
  tensorRanks,
  topologicalSort,
} from '../../onnx/index.js';
import type { LongCallOptions } from '../../progress.js';
import { chooseLibrary, type LibraryOptions } from '../../runtime/index.js';
import type { NamedTensors } from '../../tensor.js';
import { InferenceSession } from './inference-session.js';
import { profileFor } from './shape-range.js';

/** Options of {@link tensorrtProvider}. */
export interface TensorRTProviderOptions extends LibraryOptions, LongCallOptions {
  /** Number of the GPU, 0 by default. */
  deviceId?: number;
  /** Runs that may be on the GPU at once; 2 by default. */
  contexts?: number;
  /** The engine cache, as `buildEngine` takes it. */
  cache?: boolean | string;
  /**
   * The shapes that will come, when they are known; asked for once. Otherwise an engine is built for the
   * first ones, and again, for more than was seen, when others come.
   */
  profile?: () => Promise<OptimizationProfile | undefined>;
}

/** Contexts that overlap transfers and computation. */
const CONTEXTS = 2;

/** Names of the inputs with an extent that is known only at run time. */
function dynamicInputs(graph: GraphProto): ReadonlyMap<string, readonly (number | string)[]> {
  const inputs = new GraphIndex(graph).inputs.map(declaredValue);
  return new Map(
    inputs
      .filter(({ shape }) => shape?.some((dim) => typeof dim === 'string') ?? true)
      .map(({ name, shape }) => [name, shape ?? []]),
  );
}

function isHalf(graph: GraphProto): boolean {
  return graph.initializer.some(({ dataType }) => dataType === DataType.FLOAT16);
}

/** An engine of a graph, built when the first shapes are known. */
class TensorRTGraph implements GraphRunner {
  readonly #model: OnnxModel;
  readonly #options: TensorRTProviderOptions;
  readonly #dynamic: ReadonlyMap<string, readonly (number | string)[]>;
  #profile: OptimizationProfile | undefined;
  #session: Promise<InferenceSession> | undefined;
  #released: Promise<void> | undefined;

  constructor(model: OnnxModel, options: TensorRTProviderOptions) {
    this.#model = model;
    this.#options = options;
    this.#dynamic = dynamicInputs(graphOf(model));
  }

  async run(feeds: NamedTensors): Promise<NamedTensors> {
    this.#session = this.#sessionFor(feeds, this.#session);
    const session = await this.#session;
    return session.run(feeds);
  }

  release(): Promise<void> {
    this.#released ??= (this.#session ?? Promise.resolve(undefined)).then(
      (session) => session?.release(),
      () => {},
    );
    return this.#released;
  }

  /** One after the other, so that two kinds of shapes at once make one engine for both. */
  async #sessionFor(
    feeds: NamedTensors,
    before: Promise<InferenceSession> | undefined,
  ): Promise<InferenceSession> {
    const open = await before;
    if (open === undefined && this.#dynamic.size > 0) {
      this.#profile = await this.#options.profile?.();
    }
    const profile = profileFor(feeds, this.#dynamic, this.#profile);
    if (open !== undefined && profile === this.#profile) return open;
    this.#profile = profile;
    // Waits for the runs under way.
    await open?.release();
    return this.#build(profile);
  }

  async #build(profile: OptimizationProfile | undefined): Promise<InferenceSession> {
    const { signal, onProgress, deviceId, contexts, cache, family, libraryDir } = this.#options;
    const library = {
      ...defined({ family, libraryDir }),
    };
    const model = this.#model;
    const { plan } = await buildEngine(encodeModel(model), {
      ...library,
      // Ranges are to be those of the model, not those of a 10-bit mantissa.
      tf32: false,
      profilingVerbosity: 'none',
      ...(await this.#precision(library)),
      ...(model.folder === undefined ? {} : { modelPath: join(model.folder, 'model.onnx') }),
      ...(profile === undefined ? {} : { profiles: [profile] }),
      ...defined({ deviceId, cache, signal, onProgress }),
    });
    return InferenceSession.create(plan, {
      ...library,
      contexts: contexts ?? CONTEXTS,
      ...defined({ deviceId }),
    });
  }

  /** A model of half precision needs a flag where networks are not typed. */
  async #precision(library: LibraryOptions): Promise<{ fp16?: boolean }> {
    if (!isHalf(graphOf(this.#model))) return {};
    const { family } = await chooseLibrary(library);
    return family === 'tensorrt8' || family === 'tensorrt10' ? { fp16: true } : {};
  }
}

class TensorRTProvider implements GraphProvider {
  readonly name = 'tensorrt';
  readonly #options: TensorRTProviderOptions;

  constructor(options: TensorRTProviderOptions) {
    this.#options = options;
  }

  async versions(): Promise<Record<string, string>> {
    const { family, version } = await chooseLibrary(this.#options);
    return { [family === 'tensorrt_rtx' ? 'tensorrt-rtx' : 'tensorrt']: version };
  }

  /** From the graph alone: TensorRT's parser does not keep the names of all tensors. */
  async describe(
    model: OnnxModel,
    names: readonly string[],
  ): Promise<ReadonlyMap<string, InnerTensor>> {
    const graph = graphOf(model);
    const sorted = { ...graph, node: topologicalSort(graph) };
    const types = elementTypes(sorted);
    const ranks = tensorRanks(sorted, new GraphIndex(sorted));
    const found = new Map<string, InnerTensor>();
    for (const name of names) {
      const type = types.get(name);
      if (type === undefined) continue;
      const rank = ranks.get(name);
      found.set(name, {
        type: dataTypeName(type),
        ...(rank === undefined ? {} : { shape: new Array<string>(rank).fill('') }),
      });
    }
    return found;
  }

  async open(model: OnnxModel, _options: OpenGraphOptions): Promise<GraphRunner> {
    return new TensorRTGraph(model, this.#options);
  }
}

/**
 * Runs calibration graphs on the GPU: as engines of float32 without TF32, with dynamic shapes, built when
 * the first batch comes and kept in the engine cache. For `calibrate` and the calibrators, with any
 * TensorRT: no calibrator of its own is needed.
 *
 * Ranges are those of ONNX Runtime within rounding (the order of sums differs). TensorRT fuses what it
 * can, so for models of half precision some roundings are left out, and what it makes of NaN is its own.
 *
 * @param options GPU, library, engine cache, shapes that will come; abort signal and progress of builds.
 */
export function tensorrtProvider(options: TensorRTProviderOptions = {}): GraphProvider {
  return new TensorRTProvider(options);
}
