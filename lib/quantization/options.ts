import { expected, oneOf } from '../arguments.js';
import { checkExclusions } from './exclusions.js';
import { type Float16Options, type ResolvedFloat16, resolveFloat16 } from './float16/options.js';

/** What will run the quantized model; each has its own rules for what is worth quantizing. */
export const QUANTIZATION_TARGETS = ['tensorrt', 'tensorrt-rtx', 'onnxruntime'] as const;

/** What will run the quantized model. */
export type QuantizationTarget = (typeof QUANTIZATION_TARGETS)[number];

/** Options of {@link quantizeModel}. */
export interface QuantizeOptions {
  /** `tensorrt` (10 and 11, the default), `tensorrt-rtx`, or `onnxruntime`. */
  target?: QuantizationTarget;
  /** Nodes to leave float: names (of a node, or of its output), or patterns for them. */
  exclude?: readonly (string | RegExp)[];
  /** Operators to leave float, as ONNX spells them: `Gemm`, `Add`. */
  excludeTypes?: readonly string[];
  /**
   * Whether the classifier head (the last Gemm or MatMul) is quantized too. Default false: at batch
   * 1 it is a matrix times a vector, bound by memory, and its result is the logits.
   */
  lastGemm?: boolean;
  /**
   * What happens when the table lacks a range: `error` (default), or `float`, which leaves the nodes
   * that need it float and says so in the report.
   */
  missingRanges?: 'error' | 'float';
  /** Whether BatchNormalization is folded into the convolution before it. Default true. */
  foldBatchNormalization?: boolean;
  /**
   * Whether the rest of the model becomes half precision, as strongly typed runtimes (TensorRT 11,
   * TensorRT-RTX) need it in the model; or how: see {@link Float16Options}. Default false.
   */
  fp16?: boolean | Omit<Float16Options, 'foldBatchNormalization'>;
}

/** Options with every default filled in. */
export interface ResolvedOptions extends Required<Omit<QuantizeOptions, 'fp16'>> {
  fp16: ResolvedFloat16 | undefined;
}

/** Checks the options and fills in defaults. */
export function resolveOptions(options: QuantizeOptions): ResolvedOptions {
  return {
    target: oneOf('target', options.target ?? 'tensorrt', QUANTIZATION_TARGETS),
    ...checkExclusions(options),
    lastGemm: options.lastGemm ?? false,
    missingRanges: oneOf('missingRanges', options.missingRanges ?? 'error', ['error', 'float']),
    foldBatchNormalization: options.foldBatchNormalization ?? true,
    fp16: float16(options.fp16),
  };
}

function float16(value: QuantizeOptions['fp16']): ResolvedFloat16 | undefined {
  if (value === undefined || value === false) return undefined;
  if (value === true) return resolveFloat16({}, 'fp16.');
  if (typeof value !== 'object' || value === null) {
    throw expected('fp16', 'true, false or an object of options', value);
  }
  return resolveFloat16(value, 'fp16.');
}
