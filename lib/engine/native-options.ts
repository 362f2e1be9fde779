import { expected, integer, oneOf } from '../arguments.js';
import type { NativeBuildOptions, NativeInputRange } from '../runtime/index.js';
import { ioTypes, layerTypes, tacticSources } from './network-types.js';
import type { BuildOptions } from './options.js';
import { MEMORY_POOLS } from './trtexec-syntax.js';

function shape(option: string, value: unknown): number[] {
  if (!Array.isArray(value)) throw expected(option, 'an array of extents', value);
  if (value.length > 8) throw expected(option, 'at most 8 dimensions', value.length, 'range');
  return value.map((extent) => integer(option, extent, 0, 2 ** 31 - 1));
}

function inputRanges(option: string, profile: unknown): NativeInputRange[] {
  if (typeof profile !== 'object' || profile === null || Array.isArray(profile)) {
    throw expected(option, 'an object of { min, opt, max } by input name', profile);
  }
  return Object.entries(profile).map(([name, range]) => {
    const where = `${option}[${JSON.stringify(name)}]`;
    if (typeof range !== 'object' || range === null) {
      throw expected(where, 'an object { min, opt, max }', range);
    }
    return {
      name,
      min: shape(`${where}.min`, range.min),
      opt: shape(`${where}.opt`, range.opt),
      max: shape(`${where}.max`, range.max),
    };
  });
}

function memoryPools(sizes: unknown): { name: string; bytes: number }[] {
  if (typeof sizes !== 'object' || sizes === null || Array.isArray(sizes)) {
    throw expected('memPoolSize', 'an object of bytes by pool', sizes);
  }
  return Object.entries(sizes).map(([name, bytes]) => ({
    name: oneOf('memPoolSize', name, MEMORY_POOLS),
    bytes: integer(`memPoolSize.${name}`, bytes, 0),
  }));
}

function capabilities(values: unknown): number[] {
  if (!Array.isArray(values) || values.length === 0) {
    throw expected('computeCapabilities', 'a list such as [80, 89, 120]', values);
  }
  // Which of them TensorRT knows is for the library to say: later versions know more.
  const list = values.map((value) => integer('computeCapabilities', value, 10, 999));
  const repeated = list.find((value, index) => list.indexOf(value) !== index);
  if (repeated !== undefined) {
    throw expected('computeCapabilities', 'each value once', repeated, 'range');
  }
  return list;
}

type Checked = Omit<NativeBuildOptions, 'inferLibrary' | 'parserLibrary'>;

/** What `check` makes of an option under its native name; nothing when it is not given. */
function given<K extends keyof Checked, T>(
  native: K,
  value: T | undefined,
  check: (value: T) => Checked[K],
): Pick<Checked, K> | object {
  return value === undefined ? {} : { [native]: check(value) };
}

/** Builder flags by the option that sets them. */
const FLAGS = {
  versionCompatible: 'version_compatible',
  excludeLeanRuntime: 'exclude_lean_runtime',
  stripWeights: 'strip_plan',
  refit: 'refit',
  directIO: 'direct_io',
  heuristic: 'enable_tactic_heuristic',
} as const;

/**
 * The builder flags that options other than those of precision set.
 *
 * @param options The caller's.
 * @throws TypeError or RangeError.
 */
export function flagsOf(options: BuildOptions): string[] {
  const flags: string[] = [];
  for (const [name, flag] of Object.entries(FLAGS) as [keyof typeof FLAGS, string][]) {
    const value = options[name];
    if (value !== undefined && typeof value !== 'boolean') {
      throw expected(name, 'true or false', value);
    }
    if (value === true) flags.push(flag);
  }
  if (options.excludeLeanRuntime === true && options.versionCompatible !== true) {
    throw expected('excludeLeanRuntime', 'versionCompatible beside it', true, 'range');
  }
  const sparsity = oneOf('sparsity', options.sparsity ?? 'disable', ['disable', 'enable', 'force']);
  if (sparsity === 'enable') flags.push('sparse_weights');
  const typed = options.layerPrecisions !== undefined || options.layerOutputTypes !== undefined;
  const constraints = options.precisionConstraints ?? (typed ? 'prefer' : 'none');
  const chosen = oneOf('precisionConstraints', constraints, ['none', 'prefer', 'obey']);
  if (chosen !== 'none') flags.push(`${chosen}_precision_constraints`);
  return flags;
}

/**
 * Checks the options of a build and puts them the way the native module takes them.
 *
 * @param options The caller's.
 * @throws TypeError or RangeError that names the option, what was expected and what came.
 */
export function nativeOptions(options: BuildOptions): Checked {
  const { profiles, hardwareCompatibilityLevel: level } = options;
  if (profiles !== undefined && !Array.isArray(profiles)) {
    throw expected('profiles', 'an array of optimization profiles', profiles);
  }
  const count = (name: 'maxAuxStreams' | 'avgTiming', min: number) => (value: unknown) =>
    integer(name, value, min, 1000);
  return {
    profiles: (profiles ?? []).map((profile, index) => ({
      inputs: inputRanges(`profiles[${index}]`, profile),
    })),
    ...given('computeCapabilities', options.computeCapabilities, capabilities),
    ...given('memoryPools', options.memPoolSize, memoryPools),
    ...given('optimizationLevel', options.builderOptimizationLevel, (value) =>
      integer('builderOptimizationLevel', value, 0, 5),
    ),
    ...given('layerPrecisions', options.layerPrecisions, (value) =>
      layerTypes('layerPrecisions', value, false),
    ),
    ...given('layerOutputTypes', options.layerOutputTypes, (value) =>
      layerTypes('layerOutputTypes', value, true),
    ),
    ...given('inputTypes', options.inputIOFormats, (value) => ioTypes('inputIOFormats', value)),
    ...given('outputTypes', options.outputIOFormats, (value) => ioTypes('outputIOFormats', value)),
    ...given('tacticSources', options.tacticSources, (value) =>
      tacticSources('tacticSources', value),
    ),
    ...given('hardwareCompatibility', level, (value) =>
      oneOf('hardwareCompatibilityLevel', value, ['none', 'ampere+', 'sameComputeCapability']),
    ),
    ...given('maxAuxStreams', options.maxAuxStreams, count('maxAuxStreams', 0)),
    ...given('timingIterations', options.avgTiming, count('avgTiming', 1)),
    profilingVerbosity: oneOf('profilingVerbosity', options.profilingVerbosity ?? 'detailed', [
      'none',
      'layer_names_only',
      'detailed',
    ]),
  };
}
