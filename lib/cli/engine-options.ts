import type { Command } from 'commander';
import { defined } from '../defined.js';
import { FAMILIES, type Family } from '../runtime/index.js';
import type { EngineOptions, Provider } from '../tasks/index.js';
import { choiceValue, integerValue } from './values.js';

/** What runs an ONNX model. */
export const PROVIDERS = ['onnxruntime', 'tensorrt', 'auto'] as const;

/**
 * The flags of what runs a model: `--engine --provider --device --inf-streams --family --library-dir`, and
 * those of the engine that `--provider tensorrt` builds.
 */
export function engineOptions(command: Command): Command {
  return command
    .option('--engine <file>', 'a TensorRT engine, in place of the model')
    .option(
      '--provider <name>',
      'what runs an ONNX model: onnxruntime (CPU), tensorrt (GPU; builds an engine first) or auto',
      choiceValue('--provider', PROVIDERS),
      'onnxruntime',
    )
    .option('--device <n>', 'number of the GPU', integerValue('--device', 0, 1023), 0)
    .option(
      '--inf-streams <n>',
      'runs that may be on the GPU at once',
      integerValue('--inf-streams', 1, 64),
      2,
    )
    .option(
      '--family <name>',
      'which TensorRT runs it (default: the one that built the engine)',
      choiceValue('--family', ['auto', ...FAMILIES]),
    )
    .option('--library-dir <dir>', 'folder of the TensorRT libraries')
    .option(
      '--int8',
      'tensorrt 8.6 and 10: let it choose INT8; needs --calibration or a Q/DQ model',
    )
    .option('--fp16', 'tensorrt 8.6 and 10: let it choose half precision')
    .option('--no-tf32', 'tensorrt: keep float32 from being computed with TF32')
    .option(
      '--calibration <dir|file>',
      'tensorrt: INT8 with the ranges of a table: a calibration folder, or a table of any format',
    )
    .option('--cache-dir <dir>', 'tensorrt: folder of the engine cache')
    .option('--no-cache', 'tensorrt: build the engine anew, and keep no copy');
}

/** What {@link engineOptions} gives. */
export interface EngineFlags {
  engine?: string;
  provider: Provider;
  device: number;
  infStreams: number;
  family?: Family | 'auto';
  libraryDir?: string;
  int8?: boolean;
  fp16?: boolean;
  tf32: boolean;
  calibration?: string;
  cache: boolean;
  cacheDir?: string;
}

/** The engine flags as tasks take them. */
export function engineOf(flags: EngineFlags): EngineOptions {
  const { provider, device, infStreams, family, libraryDir } = flags;
  return {
    provider,
    deviceId: device,
    contexts: infStreams,
    ...defined({ family, libraryDir }),
    build: buildOf(flags),
  };
}

/** How the engine of an ONNX model is built. */
function buildOf({ int8, fp16, tf32, calibration, cache, cacheDir }: EngineFlags) {
  return {
    ...defined({ int8, fp16 }),
    ...(tf32 ? {} : { tf32 }),
    ...defined({ calibration }),
    ...(cache ? defined({ cache: cacheDir }) : { cache }),
  };
}
