import { expected } from '../../arguments.js';
import { checkExclusions, type ExclusionOptions } from '../exclusions.js';

/** Options of {@link convertToFloat16}. */
export interface Float16Options {
  /**
   * Whether the model's inputs and outputs stay float32, with Casts behind and before them. Default
   * true, so that callers need not change.
   */
  keepIo?: boolean;
  /** Nodes to leave float32: names (of a node, or of its output), or patterns for them. */
  exclude?: readonly (string | RegExp)[];
  /** Operators to leave float32, as ONNX spells them: `Softmax`. */
  excludeTypes?: readonly string[];
  /** Whether BatchNormalization is folded into the convolution before it. Default true. */
  foldBatchNormalization?: boolean;
}

/** Options with every default filled in. */
export type ResolvedFloat16 = Required<Float16Options>;

/** Checks the options and fills in defaults; `prefix` names them in messages. */
export function resolveFloat16(options: Float16Options, prefix = ''): ResolvedFloat16 {
  const lists: ExclusionOptions = checkExclusions(options, prefix);
  const flag = (name: 'keepIo' | 'foldBatchNormalization') => {
    const value = options[name] ?? true;
    if (typeof value !== 'boolean') throw expected(`${prefix}${name}`, 'true or false', value);
    return value;
  };
  return {
    ...lists,
    keepIo: flag('keepIo'),
    foldBatchNormalization: flag('foldBatchNormalization'),
  };
}
