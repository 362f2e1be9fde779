/** Why a node stays float32. The codes are stable; the sentences are for people. */
export const FLOAT16_REASONS = {
  EXCLUDED: 'Left out by an option.',
  OPERATOR: 'ONNX has no float16 form of this operator in this operator set.',
  PRECISION: 'It sums, squares or exponentiates, which loses too much in float16.',
  RANGE:
    'A constant operand, or a value that the calibration saw, is outside of what float16 holds.',
  INTEGER: 'It makes floats of integers (positions, shapes), which float16 counts to 2,048 only.',
  SUBGRAPH: 'Its body (If, Loop, Scan) is left as it is.',
  UNKNOWN: 'The operator, or the type of what it reads, is not known.',
  NEIGHBOUR: 'What it reads is float32: a conversion here would gain nothing.',
} as const satisfies Record<string, string>;

/** Machine-readable reason of a {@link Float16Node}. */
export type Float16Reason = keyof typeof FLOAT16_REASONS;

/** A node that stays float32. */
export interface Float16Node {
  /** The node's name; its first output where it has none. */
  name: string;
  /** Operator. */
  opType: string;
  /** Why. */
  reason: Float16Reason;
  /** The reason as a sentence. */
  explanation: string;
}

/** A weight whose values do not all fit float16. */
export interface Float16Weight {
  /** Name of the initialiser. */
  name: string;
  /** Finite elements beyond ±65,504, which became ±65,504. */
  clamped: number;
  /** Elements other than zero that became zero: below 2^-25. */
  zeroed: number;
  /** Elements below 2^-14 that are kept with fewer digits (subnormal numbers). */
  subnormal: number;
}

/** What {@link convertToFloat16} did, and why. */
export interface Float16Report {
  /** True when the model's weights are half precision already: nothing was changed. */
  alreadyHalf: boolean;
  /** Type of the model's float inputs and outputs. */
  io: 'float32' | 'float16';
  /** How many nodes compute in float16. */
  half: number;
  /** Nodes that stay float32, in graph order. */
  kept: readonly Float16Node[];
  /** Weights that became float16. */
  weights: number;
  /** Weights with values that float16 cannot hold, or only with fewer digits. */
  inexact: readonly Float16Weight[];
  /** Cast nodes that were inserted. */
  casts: number;
  /** Cast nodes of the model that had nothing left to do. */
  droppedCasts: number;
}
