import { dirname } from 'node:path';
import { checkCall, expected, integer } from '../arguments.js';
import { defined } from '../defined.js';
import { TensorRTError } from '../errors.js';
import {
  allTensors,
  encodeModel,
  type FoundTensor,
  isExternal,
  loadModel,
  type OnnxModel,
} from '../onnx/index.js';
import type { LongCallOptions } from '../progress.js';
import {
  chooseLibrary,
  type Family,
  type NativeBuildOptions,
  type NetworkDescription,
  requireFamily,
  type TensorDescription,
  type UsableLibrary,
} from '../runtime/index.js';
import {
  type BuildOutput,
  buildThroughCache,
  type CachedBuild,
  type CacheReport,
} from './cache/cached-build.js';
import {
  BuildCalibrator,
  type CalibrationReport,
  checkCalibrator,
  restoreCache,
} from './calibrator/index.js';
import { type BuildWarning, failureOf, warningsOf } from './failures.js';
import {
  calibrateFloatModel,
  calibrationRequest,
  continued,
  rangesFor,
} from './image-calibration.js';
import {
  checkImageInput,
  type ImageInputInfo,
  imageProfiles,
  withImageInput,
} from './image-input.js';
import { type EngineLayer, parseLayerReport } from './layers.js';
import { runNativeCall } from './native-call.js';
import { flagsOf, nativeOptions } from './native-options.js';
import type { BuildOptions, DescribeOptions, OptimizationProfile } from './options.js';
import { checkPrecision, precisionOf, wantsImplicitPrecision } from './precision.js';
import { buildOptionsFromProviderOptions, type TranslatedOptions } from './provider-options.js';
import {
  coverageOf,
  coverageWarnings,
  incomplete,
  type RangeCoverage,
  tableRanges,
} from './ranges.js';
import { withAxesAttributes } from './reduction-axes.js';
import { checkRequirements } from './requirements.js';
import { runWithTimings, type TimedRun } from './timing-cache.js';

/** What {@link buildEngine} gives. */
export interface BuildResult {
  /** The serialized engine. */
  plan: Uint8Array<ArrayBuffer>;
  /** Inputs of the engine; -1 where an extent is dynamic. */
  inputs: TensorDescription[];
  /** Outputs of the engine. */
  outputs: TensorDescription[];
  /** The network as parsed, before TensorRT fused its layers. */
  network: NetworkDescription;
  /** The engine's layers; empty unless `profilingVerbosity` is `detailed`. */
  layers: EngineLayer[];
  /** What TensorRT warned about, each once. */
  warnings: BuildWarning[];
  /** The profiles it was built with. */
  profiles: readonly OptimizationProfile[];
  /** The compute capabilities it was built for, when they were given. */
  computeCapabilities?: readonly number[];
  /** The library that built it. */
  library: { family: Family; version: string };
  /** SHA-256 of the .onnx file, in hex. */
  modelSha256: string;
  /** What TensorRT's calibrator did, when the build had one. */
  calibration?: CalibrationReport;
  /** What the engine does to images of bytes, when it was built with `imageInput`. */
  imageInput?: ImageInputInfo;
  /** Which tensors got a range from the calibration table; absent without a table. */
  ranges?: RangeCoverage;
  /** Path of the model, when it was given by path. */
  modelPath?: string;
  /** How long parsing and building took, in milliseconds; for a cached engine, when it was built. */
  elapsedMs: number;
  /** When it was built, ISO 8601. */
  created: string;
  /** What the engine cache did. */
  cache: CacheReport;
  /** Path of the plan in the engine cache; absent when it is not there. */
  planPath?: string;
}

/** A network as TensorRT's ONNX parser made it. */
export interface ParsedNetwork extends NetworkDescription {
  /** What TensorRT warned about, each once. */
  warnings: BuildWarning[];
  /** The library that parsed it. */
  library: { family: Family; version: string };
}

interface Prepared {
  label: string;
  loaded: OnnxModel;
  native: NativeBuildOptions;
  library: UsableLibrary;
}

function isExternalTensor({ tensor }: FoundTensor): boolean {
  return isExternal(tensor);
}

/**
 * Reads the model here first: TensorRT's parser takes an empty file or a text for a model, and names
 * missing weight files only in its log.
 */
async function prepare(
  model: string | Uint8Array,
  options: DescribeOptions,
  preferred?: readonly Family[],
): Promise<Prepared> {
  if (typeof model !== 'string' && !(model instanceof Uint8Array)) {
    throw expected('model', 'a path or a Uint8Array', model);
  }
  if (options.modelPath !== undefined && typeof options.modelPath !== 'string') {
    throw expected('modelPath', 'a path', options.modelPath);
  }
  const { signal, modelPath } = options;
  signal?.throwIfAborted();
  const loaded = await loadModel(model, {
    externalData: false,
    ...(typeof model !== 'string' && modelPath !== undefined ? { folder: dirname(modelPath) } : {}),
  });
  const label = typeof model === 'string' ? model : 'the model';
  if (loaded.folder === undefined && [...allTensors(loaded.proto)].some(isExternalTensor)) {
    // TensorRT would look for the weights in the process's working folder.
    throw new TensorRTError(
      'MODEL_EXTERNAL_DATA',
      'The model was given as bytes, its weights lie in files',
      {
        remedy: 'Give modelPath, the path of the model that the bytes came from.',
      },
    );
  }
  signal?.throwIfAborted();
  const library = await chooseLibrary(options, preferred);
  signal?.throwIfAborted();
  const path = typeof model === 'string' ? model : modelPath;
  const readable = library.family === 'tensorrt8' ? withAxesAttributes(loaded) : undefined;
  return {
    label,
    loaded: readable ?? loaded,
    library,
    native: {
      inferLibrary: library.inferLibrary,
      parserLibrary: library.parserLibrary,
      ...defined({ modelPath: path }),
      ...(typeof model === 'string' ? {} : { modelBytes: model }),
      ...(readable && { modelBytes: encodeModel(readable) }),
    },
  };
}

/** The caller's options, over those that it gives under the provider's names. */
function withProviderOptions(given: BuildOptions): TranslatedOptions {
  if (given.providerOptions === undefined) return { options: given, notes: [] };
  const { options, notes } = buildOptionsFromProviderOptions(given.providerOptions);
  return { options: { ...options, ...given }, notes };
}

function unusedWarnings(names: readonly string[]): string[] {
  return names.map((name) => `No layer is named ${JSON.stringify(name)}: its type has no effect`);
}

/** Families to choose among under `auto`, first choice first, where the options say more than the GPU. */
function preferredFamilies(options: BuildOptions): readonly Family[] | undefined {
  if (options.computeCapabilities !== undefined) return ['tensorrt_rtx'];
  if (wantsImplicitPrecision(options)) {
    return ['tensorrt10', 'tensorrt8', 'tensorrt11', 'tensorrt_rtx'];
  }
  return undefined;
}

/**
 * A build that is ready to run, with all that decides its plan; nothing is built yet.
 *
 * @throws As {@link buildEngine}, for options, model and library.
 */
export async function prepareBuild(
  model: string | Uint8Array,
  given: BuildOptions,
): Promise<CachedBuild> {
  checkCall(given);
  const { options, notes } = withProviderOptions(given);
  const imageOptions =
    options.imageInput === undefined ? undefined : checkImageInput(options.imageInput);
  nativeOptions(options);
  const moreFlags = flagsOf(options);
  checkPrecision(options);
  const { timingCacheFile, deviceId = 0 } = options;
  integer('deviceId', deviceId, 0, 1023);
  if (timingCacheFile !== undefined && (typeof timingCacheFile !== 'string' || !timingCacheFile)) {
    throw expected('timingCacheFile', 'a path', timingCacheFile);
  }
  const calibration =
    options.calibrator === undefined ? undefined : checkCalibrator(options.calibrator);
  const { label, loaded, native, library } = await prepare(
    model,
    options,
    preferredFamilies(options),
  );
  checkRequirements(options, library);
  const precision = precisionOf(options, library, loaded);
  const table =
    options.calibration === undefined ? undefined : await tableRanges(options.calibration, loaded);
  const image = imageOptions && withImageInput(loaded, imageOptions);
  const { tf32 } = precision;
  const flags = [...precision.flags, ...moreFlags];
  const profiles = image
    ? imageProfiles(options.profiles ?? [], image.info.input)
    : (options.profiles ?? []);
  const request: NativeBuildOptions = {
    ...native,
    ...nativeOptions({ ...options, profiles }),
    ...(image ? { modelBytes: image.bytes, floatTensors: image.between } : {}),
    ...(flags.length === 0 ? {} : { flags }),
    ...(tf32 ? {} : { tf32 }),
    ...(table === undefined ? {} : { ranges: rangesFor(table, image) }),
    ...(options.strict === true ? { strictRanges: true } : {}),
  };
  const calibrator =
    calibration && (await BuildCalibrator.create(calibration, library, loaded.sha256));
  // Neither decides the plan, so that neither is part of the cache's key.
  const onDevice = (one: NativeBuildOptions) =>
    options.deviceId === undefined ? one : { ...one, deviceId };
  const build = async (call: LongCallOptions): Promise<BuildOutput> => {
    const binding = requireFamily(library.family);
    const timed: TimedRun = (full, run) => runWithTimings(timingCacheFile, binding, full, run);
    const before =
      image === undefined || calibrator === undefined
        ? undefined
        : await calibrateFloatModel(
            { calibrator, label, binding, timed },
            onDevice(calibrationRequest(native, options, precision, image.info.input)),
            call,
          );
    const ranges = before?.ranges ?? table;
    const { outcome, warnings } = await timed(
      { ...onDevice(request), ...(ranges && { ranges: rangesFor(ranges, image) }) },
      (full) =>
        calibrator === undefined || before !== undefined
          ? runNativeCall(continued(call, before?.elapsedMs ?? 0), ({ onPhase }) =>
              binding.build(full, onPhase),
            )
          : calibrator.run(binding, full, call),
    );
    const coverage = outcome.ranges && ranges && coverageOf(outcome.ranges, ranges);
    const failure = failureOf(label, outcome);
    if (failure?.code === 'TABLE_INCOMPLETE' && coverage) throw incomplete(coverage);
    if (failure !== undefined) throw failure;
    if (outcome.plan === undefined) throw new TensorRTError('BUILD_FAILED', 'No plan came back');
    call.signal?.throwIfAborted();
    const own = [
      ...notes,
      ...precision.warnings,
      ...(ranges?.warnings ?? []),
      ...(before?.warnings ?? []),
      ...warnings,
      ...unusedWarnings(outcome.unusedLayerTypes ?? []),
      ...(coverage ? coverageWarnings(coverage) : []),
    ];
    return {
      plan: outcome.plan,
      inputs: outcome.network.inputs,
      outputs: outcome.network.outputs,
      network: outcome.network,
      layers: parseLayerReport(outcome.layerReport),
      warnings: [...own.map((text) => ({ text })), ...warningsOf(outcome.log)],
      profiles,
      ...(options.computeCapabilities === undefined
        ? {}
        : { computeCapabilities: [...options.computeCapabilities] }),
      library: { family: library.family, version: library.version },
      modelSha256: loaded.sha256,
      ...(image === undefined ? {} : { imageInput: image.info }),
      ...defined({ calibration: before?.report ?? (await calibrator?.finish(outcome)) }),
      ...defined({ ranges: coverage }),
      ...(typeof model === 'string' ? { modelPath: model } : {}),
      elapsedMs: outcome.elapsedMs + (before?.elapsedMs ?? 0),
      created: new Date().toISOString(),
    };
  };
  return {
    cache: options.cache,
    recipe: options.recipe,
    model: loaded,
    library,
    native: image ? { ...request, imageInput: image.info } : { ...request },
    deviceId,
    ...(calibrator === undefined ? {} : { calibrator: { id: calibrator.id } }),
    ...(typeof model === 'string' ? { modelPath: model } : {}),
    call: options,
    build,
  };
}

/**
 * Builds a TensorRT engine from an ONNX model, on a thread of its own: the event loop stays free.
 *
 * Without a GPU, TensorRT-RTX builds for the compute capabilities given. Precision is the model's own:
 * Q/DQ operators make int8, float16 weights make float16. TensorRT 8.6 and 10 choose others too when
 * they may (`int8`, `fp16`, `bf16`, `best`).
 * The plan of an equal build comes from the engine cache, see `cache` in {@link BuildOptions}.
 *
 * @param model Path of an .onnx file, or its bytes.
 * @param options See {@link BuildOptions}.
 * @throws TypeError or RangeError for a wrong option; TensorRTError `MODEL_NOT_FOUND`,
 *   `MODEL_INVALID`, `MODEL_EXTERNAL_DATA`, `MODEL_TOO_LARGE`, `MODEL_UNSUPPORTED` for the model;
 *   `PROFILE_INVALID` for a profile that does not fit it; `TARGET_UNSUPPORTED` for a compute
 *   capability that the library refuses; `OPTION_UNSUPPORTED` for an option that it does not have;
 *   `MODEL_QUANTIZED`, `RANGES_MISSING`, `TABLE_MISMATCH`, `TABLE_INVALID`, `TABLE_INCOMPLETE` for
 *   INT8 and its table; `DEVICE_NOT_FOUND` when a GPU is needed and there is none;
 *   `LIBRARY_NOT_FOUND`, `LIBRARY_INCOMPATIBLE`, `MODULE_MISSING`; `BUILD_FAILED` with the library's
 *   words for all else; `signal.reason` when aborted.
 */
export async function buildEngine(
  model: string | Uint8Array,
  options: BuildOptions = {},
): Promise<BuildResult> {
  const result = await buildThroughCache(await prepareBuild(model, options));
  const { calibration, modelSha256, cache } = result;
  if (options.calibrator === undefined || calibration === undefined || !cache.hit) return result;
  const checked = checkCalibrator(options.calibrator);
  return { ...result, calibration: await restoreCache(checked, calibration, modelSha256) };
}

/**
 * Parses an ONNX model with TensorRT and says what network it makes. Works without a GPU with
 * TensorRT-RTX.
 *
 * @param model Path of an .onnx file, or its bytes.
 * @param options See {@link DescribeOptions}.
 * @throws As {@link buildEngine}, for the model and the library.
 */
export async function describeNetwork(
  model: string | Uint8Array,
  options: DescribeOptions = {},
): Promise<ParsedNetwork> {
  const { label, native, library } = await prepare(model, options);
  const binding = requireFamily(library.family);
  const outcome = await runNativeCall(options, () => binding.describe(native));
  const failure = failureOf(label, outcome);
  if (failure !== undefined) throw failure;
  return {
    ...outcome.network,
    warnings: warningsOf(outcome.log),
    library: { family: library.family, version: library.version },
  };
}
