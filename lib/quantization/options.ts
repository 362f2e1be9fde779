import { expected, oneOf } from '../arguments.js';

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
}

/** Options with every default filled in. */
export type ResolvedOptions = Required<QuantizeOptions>;

function list(
  option: string,
  value: unknown,
  what: string,
  test: (item: unknown) => boolean,
): void {
  if (!Array.isArray(value)) throw expected(option, `an array of ${what}`, value);
  for (const item of value) if (!test(item)) throw expected(option, what, item);
}

/** Checks the options and fills in defaults. */
export function resolveOptions(options: QuantizeOptions): ResolvedOptions {
  const exclude = options.exclude ?? [];
  const excludeTypes = options.excludeTypes ?? [];
  const isText = (item: unknown) => typeof item === 'string';
  list(
    'exclude',
    exclude,
    'names or regular expressions',
    (item) => isText(item) || item instanceof RegExp,
  );
  list('excludeTypes', excludeTypes, 'operator names', isText);
  return {
    target: oneOf('target', options.target ?? 'tensorrt', QUANTIZATION_TARGETS),
    exclude,
    excludeTypes,
    lastGemm: options.lastGemm ?? false,
    missingRanges: oneOf('missingRanges', options.missingRanges ?? 'error', ['error', 'float']),
    foldBatchNormalization: options.foldBatchNormalization ?? true,
  };
}
