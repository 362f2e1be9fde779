import type { Command } from 'commander';
import { FAMILIES, type Family } from '../runtime/index.js';
import type { EngineOptions, Provider } from '../tasks/index.js';
import { choiceValue, integerValue } from './values.js';

/** What runs an ONNX model. */
export const PROVIDERS = ['onnxruntime', 'tensorrt', 'auto'] as const;

/** The flags of what runs a model: `--engine --provider --device --inf-streams --family --library-dir`. */
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
    .option('--library-dir <dir>', 'folder of the TensorRT libraries');
}

/** What {@link engineOptions} gives. */
export interface EngineFlags {
  engine?: string;
  provider: Provider;
  device: number;
  infStreams: number;
  family?: Family | 'auto';
  libraryDir?: string;
}

/** The engine flags as tasks take them. */
export function engineOf(flags: EngineFlags): EngineOptions {
  const { provider, device, infStreams, family, libraryDir } = flags;
  return {
    provider,
    deviceId: device,
    contexts: infStreams,
    ...(family === undefined ? {} : { family }),
    ...(libraryDir === undefined ? {} : { libraryDir }),
  };
}
