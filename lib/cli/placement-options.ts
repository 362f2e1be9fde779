import type { Command } from 'commander';
import { defined } from '../defined.js';
import {
  QUANTIZATION_TARGETS,
  type QuantizationTarget,
  type QuantizeOptions,
} from '../quantization/index.js';
import { choiceValue, listValue } from './values.js';

/** What {@link placementOptions} gives. */
export interface PlacementFlags {
  target: QuantizationTarget;
  exclude?: string[];
  excludeTypes?: string[];
  lastGemm?: boolean;
  missingRanges: 'error' | 'float';
}

/** The flags that say where a model is quantized: `--target --exclude --exclude-types --last-gemm --missing-ranges`. */
export function placementOptions(command: Command): Command {
  return command
    .option(
      '--target <name>',
      `what will run the model: ${QUANTIZATION_TARGETS.join(', ')}`,
      choiceValue('--target', QUANTIZATION_TARGETS),
      'tensorrt',
    )
    .option(
      '--exclude <names>',
      'nodes to leave float, by name, comma-separated; may be repeated',
      listValue('--exclude', 'names of nodes', (item) => item),
    )
    .option(
      '--exclude-types <operators>',
      'operators to leave float, such as Gemm,Add',
      listValue('--exclude-types', 'names of operators', (item) => item),
    )
    .option('--last-gemm', 'quantize the classifier head too')
    .option(
      '--missing-ranges <error|float>',
      'what a tensor without a range does: stop, or leave its nodes float',
      choiceValue('--missing-ranges', ['error', 'float']),
      'error',
    );
}

/** The placement flags as the library takes them, all but the names in `exclude`. */
export function placementOf({
  target,
  missingRanges,
  excludeTypes,
  lastGemm,
}: PlacementFlags): Pick<
  QuantizeOptions,
  'target' | 'missingRanges' | 'excludeTypes' | 'lastGemm'
> {
  return { target, missingRanges, ...defined({ excludeTypes, lastGemm }) };
}
