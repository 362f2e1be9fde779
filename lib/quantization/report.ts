import type { Float16Report } from './float16/report.js';
import type { QuantizationTarget } from './options.js';

/** Why a node is quantized or not. The codes are stable; the sentences are for people. */
export const REASONS = {
  WEIGHTS: 'Its input and its weights are int8.',
  RESIDUAL: 'The residual branch is int8, so that the Add fuses into the convolution before it.',
  POOL: 'Its input is int8, as its neighbours are.',
  EXCLUDED: 'Left out by an option.',
  FEW_CHANNELS:
    'Fewer than 16 channels on a side that int8 kernels would have to pad, and not the first layer.',
  LAST_GEMM: 'The classifier head stays float: at batch 1 it is a matrix times a vector.',
  SQUEEZE_EXCITE: 'Part of a squeeze-and-excite block, which is small and sensitive.',
  ATTENTION: 'Both operands are activations (attention), float by default.',
  DEPTHWISE_ON_RTX: 'TensorRT-RTX runs depthwise convolutions faster in float.',
  TRANSPOSED_ON_RTX: 'TensorRT-RTX has no int8 transposed convolution.',
  POOL_ON_RTX: 'TensorRT-RTX has no int8 pooling to gain from.',
  WEIGHTS_NOT_CONSTANT: 'Its weights are computed at run time.',
  WEIGHTS_TYPE: 'Its weights are not float32 or float16.',
  WEIGHTS_SHAPE: 'Its weights have a shape that has no output channel axis.',
  RANGE_MISSING: 'The calibration table has no range for its input.',
  NO_CONVOLUTION: 'No quantized convolution before it that it could fuse into.',
  NO_NEIGHBOUR: 'No quantized neighbour: quantizing it alone costs more than it gains.',
} as const satisfies Record<string, string>;

/** Machine-readable reason of a {@link NodeReport}. */
export type QuantizationReason = keyof typeof REASONS;

/** What became of one node that could have been quantized. */
export interface NodeReport {
  /** The node's name; its first output where it has none. */
  name: string;
  /** Operator. */
  opType: string;
  /** Whether it runs in int8. */
  quantized: boolean;
  /** Why. */
  reason: QuantizationReason;
  /** The reason as a sentence. */
  explanation: string;
}

/** One tensor that got a QuantizeLinear/DequantizeLinear pair. */
export interface QuantizedTensor {
  /** Name of the tensor. */
  name: string;
  /** The range that was used: the largest absolute value that int8 covers. */
  amax: number;
  /** Its scale, amax / 127. */
  scale: number;
}

/** What {@link quantizeModel} did, and why. */
export interface QuantizationReport {
  /** Target that the rules were chosen for. */
  target: QuantizationTarget;
  /** True when the model was quantized before: it was left as it is, and the rest is empty. */
  alreadyQuantized: boolean;
  /** Every node that could have been quantized, in graph order. */
  nodes: readonly NodeReport[];
  /** Quantized and float nodes by operator, of those in `nodes`. */
  counts: Readonly<Record<string, { quantized: number; float: number }>>;
  /** Operators that are never quantized by themselves (activations, Concat, Softmax), with counts. */
  untouched: Readonly<Record<string, number>>;
  /** Tensors with a Q/DQ pair. */
  tensors: readonly QuantizedTensor[];
  /** Tensors whose range the table lacks; only with `missingRanges: 'float'`. */
  missingRanges: readonly string[];
  /** How many nodes were computed away. */
  foldedConstants: number;
  /** How many BatchNormalization (or equivalent) nodes went into convolutions. */
  foldedBatchNormalization: number;
  /** Weights that were also graph inputs and no longer are. */
  droppedInputs: number;
  /** Version of ONNX's operator set before and after. */
  opset: { from: number; to: number };
  /** What became float16 of the rest; only with `fp16`. */
  float16?: Float16Report;
}
