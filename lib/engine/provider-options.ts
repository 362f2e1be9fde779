import { join } from 'node:path';
import { expected } from '../arguments.js';
import { nearest } from '../nearest.js';
import type { BuildOptions, OptimizationProfile } from './options.js';
import { parseShapes, type Shapes } from './trtexec-syntax.js';

/** Options as ONNX Runtime's TensorRT execution provider takes them, by its names. */
export type ProviderOptions = Readonly<Record<string, unknown>>;

/** What {@link buildOptionsFromProviderOptions} gives. */
export interface TranslatedOptions {
  /** The options of `buildEngine`. */
  options: BuildOptions;
  /** What has no meaning here, or another way to say it; one sentence each. */
  notes: string[];
}

/** Python's and JavaScript's ways to say yes and no. */
function boolean(name: string, value: unknown): boolean {
  if (value === true || value === 1 || value === '1') return true;
  if (value === false || value === 0 || value === '0') return false;
  if (typeof value === 'string' && /^(true|false)$/i.test(value)) {
    return value.toLowerCase() === 'true';
  }
  throw expected(name, 'true or false', value);
}

function integer(name: string, value: unknown): number {
  const parsed = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value;
  if (typeof parsed !== 'number' || !Number.isSafeInteger(parsed)) {
    throw expected(name, 'an integer', value);
  }
  return parsed;
}

function text(name: string, value: unknown): string {
  if (typeof value !== 'string') throw expected(name, 'a string', value);
  return value;
}

type Rule = (name: string, value: unknown, into: Draft) => void;

/** What the options say, before those that belong together are joined. */
interface Draft {
  options: { -readonly [K in keyof BuildOptions]: BuildOptions[K] };
  notes: string[];
  int8?: boolean;
  table?: string;
  tableFolder?: string;
  cacheOn?: boolean;
  cachePath?: string;
  timingOn?: boolean;
  timingPath?: string;
  sequence: { min?: Shapes; opt?: Shapes; max?: Shapes };
}

const shapes =
  (which: 'min' | 'opt' | 'max'): Rule =>
  (name, value, into) => {
    if (text(name, value) !== '') into.sequence[which] = parseShapes(name, text(name, value));
  };

const flag =
  (option: 'fp16' | 'bf16' | 'stripWeights' | 'heuristic'): Rule =>
  (name, value, into) => {
    if (boolean(name, value)) into.options[option] = true;
  };

const note =
  (why: string): Rule =>
  (name, _value, into) => {
    into.notes.push(`${name} ${why}`);
  };

const RUNTIME = 'is an option of sessions, not of builds';
const WHOLE = 'does nothing: the whole model becomes one engine';

/** Every option of the provider, and what becomes of it. */
const RULES: Readonly<Record<string, Rule>> = {
  device_id: (name, value, into) => {
    into.options.deviceId = integer(name, value);
  },
  trt_max_workspace_size: (name, value, into) => {
    const bytes = integer(name, value);
    if (bytes > 0) into.options.memPoolSize = { workspace: bytes };
  },
  trt_int8_enable: (name, value, into) => {
    into.int8 = boolean(name, value);
  },
  trt_fp16_enable: flag('fp16'),
  trt_bf16_enable: flag('bf16'),
  trt_int8_calibration_table_name: (name, value, into) => {
    if (text(name, value) !== '') into.table = text(name, value);
  },
  // The files say themselves whose they are.
  trt_int8_use_native_calibration_table: (name, value) => {
    boolean(name, value);
  },
  trt_engine_cache_enable: (name, value, into) => {
    into.cacheOn = boolean(name, value);
  },
  trt_engine_cache_path: (name, value, into) => {
    into.cachePath = text(name, value);
  },
  trt_timing_cache_enable: (name, value, into) => {
    into.timingOn = boolean(name, value);
  },
  trt_timing_cache_path: (name, value, into) => {
    into.timingPath = text(name, value);
  },
  trt_force_timing_cache: note('does nothing: a timing cache of another GPU is not used'),
  trt_builder_optimization_level: (name, value, into) => {
    into.options.builderOptimizationLevel = integer(name, value);
  },
  trt_auxiliary_streams: (name, value, into) => {
    const streams = integer(name, value);
    if (streams >= 0) into.options.maxAuxStreams = streams;
  },
  trt_tactic_sources: (name, value, into) => {
    if (text(name, value) !== '') into.options.tacticSources = text(name, value);
  },
  trt_profile_min_shapes: shapes('min'),
  trt_profile_opt_shapes: shapes('opt'),
  trt_profile_max_shapes: shapes('max'),
  trt_build_heuristics_enable: flag('heuristic'),
  trt_sparsity_enable: (name, value, into) => {
    if (boolean(name, value)) into.options.sparsity = 'enable';
  },
  trt_engine_hw_compatible: (name, value, into) => {
    if (boolean(name, value)) into.options.hardwareCompatibilityLevel = 'ampere+';
  },
  trt_weight_stripped_engine_enable: flag('stripWeights'),
  trt_detailed_build_log: note('does nothing: warnings and errors are always given'),
  trt_layer_norm_fp32_fallback: (name, value, into) => {
    if (boolean(name, value)) into.notes.push(`${name}: use layerPrecisions, '*norm*:fp32'`);
  },
  trt_cuda_graph_enable: note(`${RUNTIME}: enableGraphCapture`),
  trt_context_memory_sharing_enable: note(RUNTIME),
  has_user_compute_stream: note(RUNTIME),
  user_compute_stream: note(`${RUNTIME}: each context has its own stream`),
  trt_dla_enable: (name, value, into) => {
    if (boolean(name, value))
      into.notes.push(`${name} is not supported: the engine is for the GPU`);
  },
  trt_dla_core: note('does nothing without trt_dla_enable'),
  trt_max_partition_iterations: note(WHOLE),
  trt_min_subgraph_size: note(WHOLE),
  trt_dump_subgraphs: note(WHOLE),
  trt_force_sequential_engine_build: note(WHOLE),
  trt_op_types_to_exclude: note(WHOLE),
  trt_engine_cache_prefix: note('does nothing: cached engines are named by their key'),
  trt_engine_decryption_enable: note('is not supported: plans are plain files'),
  trt_engine_decryption_lib_path: note('is not supported: plans are plain files'),
  trt_extra_plugin_lib_paths: note('is not supported: load plugins into the process yourself'),
  trt_dump_ep_context_model: note('does nothing: use saveEngine'),
  trt_ep_context_file_path: note('does nothing: use saveEngine'),
  trt_ep_context_embed_mode: note('does nothing: use saveEngine'),
  trt_onnx_model_folder_path: note('does nothing: external data lies beside the model'),
  trt_load_user_initializer: note('does nothing: external data lies beside the model'),
  trt_onnx_bytestream: note('does nothing: give the bytes as the model'),
  trt_onnx_bytestream_size: note('does nothing: give the bytes as the model'),
  trt_external_data_bytestream: note('does nothing: give modelPath beside bytes'),
  trt_external_data_bytestream_size: note('does nothing: give modelPath beside bytes'),
  trt_preview_features: note('does nothing: contexts share profiles anyway'),
};

function profileOf({ min, opt, max }: Draft['sequence']): OptimizationProfile | undefined {
  if (min === undefined && opt === undefined && max === undefined) return undefined;
  if (min === undefined || opt === undefined || max === undefined) {
    throw expected(
      'trt_profile_min_shapes',
      'trt_profile_opt_shapes and trt_profile_max_shapes beside it, all three',
      undefined,
    );
  }
  const names = new Set([...min.keys(), ...opt.keys(), ...max.keys()]);
  return Object.fromEntries(
    [...names].map((name) => {
      const [low, best, high] = [min.get(name), opt.get(name), max.get(name)];
      if (low === undefined || best === undefined || high === undefined) {
        throw expected('trt_profile_opt_shapes', `shapes of ${name} in all three`, name, 'range');
      }
      return [name, { min: low, opt: best, max: high }];
    }),
  );
}

/**
 * The options of a build from those of ONNX Runtime's TensorRT execution provider, so that a
 * notebook's dictionary can be used as it is. Python's `True`, `"1"` and `"True"` are understood.
 *
 * @param provider The dictionary.
 * @returns Options of `buildEngine`, and what of the dictionary does nothing here.
 * @throws TypeError or RangeError for a name that the provider does not have, with the nearest that it
 *   has, and for a wrong value.
 */
export function buildOptionsFromProviderOptions(provider: ProviderOptions): TranslatedOptions {
  if (typeof provider !== 'object' || provider === null || Array.isArray(provider)) {
    throw expected('providerOptions', 'an object of options by name', provider);
  }
  const draft: Draft = { options: {}, notes: [], sequence: {} };
  for (const [name, value] of Object.entries(provider)) {
    const rule = Object.hasOwn(RULES, name) ? RULES[name] : undefined;
    if (rule === undefined) {
      const close = nearest(name, Object.keys(RULES));
      const hint = close === undefined ? '' : `, such as ${close}`;
      throw expected('providerOptions', `options of the TensorRT provider${hint}`, name, 'range');
    }
    // Python's None leaves an option alone.
    if (value !== null && value !== undefined) rule(name, value, draft);
  }
  const { options, notes, table, cacheOn, cachePath, timingOn, timingPath } = draft;
  if (cacheOn !== undefined) options.cache = cacheOn ? (cachePath ?? true) : false;
  if (draft.int8 === true) {
    options.int8 = true;
    // The provider looks for the table in its cache folder.
    if (table !== undefined) options.calibration = join(cachePath ?? '', table);
  } else if (table !== undefined) {
    notes.push('trt_int8_calibration_table_name does nothing without trt_int8_enable');
  }
  if (timingOn === true) {
    options.timingCacheFile = join(timingPath ?? cachePath ?? '', 'timing.cache');
  }
  const profile = profileOf(draft.sequence);
  if (profile !== undefined) options.profiles = [profile];
  return { options, notes };
}
