import { type Command, Option } from 'commander';
import {
  CALIBRATION_METHODS,
  type CalibrationMethod,
  type MethodOptions,
} from '../calibration/index.js';
import { defined } from '../defined.js';
import { choiceValue, integerValue, numberValue } from './values.js';

/** What {@link methodOptions} gives. */
export interface MethodFlags extends Omit<MethodOptions, 'method' | 'movingAverage'> {
  method?: CalibrationMethod | 'auto';
  movingAverage?: number;
  asymmetric?: boolean;
}

/** ONNX Runtime's averaging constant. */
const AVERAGING_CONSTANT = 0.01;

/** The flags that say how ranges are chosen: `--method` and the options of the methods. */
export function methodOptions(command: Command): Command {
  const share = (value: number) => value >= 0 && value <= 1;
  const percent = (value: number) => value >= 0 && value <= 100;
  return command
    .option(
      '--method <name>',
      `how ranges are chosen: ${CALIBRATION_METHODS.join(', ')}, or auto, which scores the first ` +
        'three on images that are held back and keeps the best (default: minmax)',
      choiceValue('--method', [...CALIBRATION_METHODS, 'auto']),
    )
    .option(
      '--num-bins <n>',
      'bins of a histogram (default: 128 for entropy, 2048 for percentile and distribution)',
      integerValue('--num-bins', 1, 1 << 20),
    )
    .option(
      '--num-quantized-bins <n>',
      'entropy: levels of the quantized distribution (default: 128)',
      integerValue('--num-quantized-bins', 1, 1 << 20),
    )
    .option(
      '--percentile <p>',
      'percentile: share of the values to keep, in percent (default: 99.999)',
      numberValue('--percentile', 'a number from 0 to 100', percent),
    )
    .addOption(
      new Option(
        '--moving-average [c]',
        'minmax: average the bounds of batches, with this averaging constant',
      )
        .argParser(numberValue('--moving-average', 'a number from 0 to 1', share))
        .preset(String(AVERAGING_CONSTANT)),
    )
    .option('--per-channel', 'minmax: the range of each channel, too, in calibration.json')
    .addOption(
      new Option(
        '--symmetric',
        'make every range symmetric, -amax to amax (default for percentile)',
      ).conflicts('asymmetric'),
    )
    .option('--asymmetric', 'keep both bounds apart (default for minmax)');
}

/** The method flags as tasks take them. */
export function methodOf(flags: MethodFlags): MethodOptions {
  const { method, numBins, numQuantizedBins, percentile, movingAverage, perChannel } = flags;
  const symmetric = flags.asymmetric === true ? false : flags.symmetric;
  return {
    ...(method === undefined || method === 'auto' ? {} : { method }),
    ...defined({ numBins, numQuantizedBins, percentile, movingAverage, perChannel, symmetric }),
  };
}
