import type { BuildOptions } from './options.js';
import { choosesPrecision } from './precision.js';
import { type Target, unsupported } from './unsupported.js';

/** Options that make layers of the network another type than the model says. */
const LAYER_TYPES = ['layerPrecisions', 'layerOutputTypes', 'precisionConstraints'] as const;

function checkTyped(options: BuildOptions, target: Target): void {
  for (const name of LAYER_TYPES) {
    const value = options[name];
    if (value === undefined || value === 'none') continue;
    throw unsupported(
      target,
      name,
      'its layers have the types of the model',
      'Choose them in the model: `quantize --exclude` leaves layers float.',
    );
  }
}

function checkRtx(options: BuildOptions, target: Target): void {
  if (options.timingCacheFile !== undefined) {
    throw unsupported(
      target,
      'timing cache',
      'it times nothing while it builds',
      'Leave timingCacheFile out.',
    );
  }
  const level = options.hardwareCompatibilityLevel;
  if (level !== undefined && level !== 'none') {
    throw unsupported(
      target,
      'hardware compatibility levels',
      'its engines are built for several compute capabilities',
      'Give computeCapabilities, such as 80,86,89,120.',
    );
  }
}

function checkEight(options: BuildOptions, target: Target): void {
  if (options.stripWeights === true) {
    const remedy = 'Use refit, or TensorRT 10.';
    throw unsupported(
      target,
      'stripWeights',
      'plans without weights came with TensorRT 10',
      remedy,
    );
  }
  if (options.hardwareCompatibilityLevel === 'sameComputeCapability') {
    throw unsupported(
      target,
      'hardware compatibility level sameComputeCapability',
      'it came with TensorRT 10',
      'Use ampere+, or none.',
    );
  }
}

/**
 * Refuses what the library does not have, before it is asked to parse anything.
 *
 * @param options The caller's.
 * @param target The library that builds.
 * @throws TensorRTError `OPTION_UNSUPPORTED` that names the version and the replacement.
 */
export function checkRequirements(options: BuildOptions, target: Target): void {
  if (!choosesPrecision(target.family)) checkTyped(options, target);
  if (target.family === 'tensorrt_rtx') checkRtx(options, target);
  if (target.family === 'tensorrt8') checkEight(options, target);
  if (target.family !== 'tensorrt8' && options.heuristic === true) {
    throw unsupported(
      target,
      'heuristic',
      'it went with TensorRT 8.6',
      'Use a lower builderOptimizationLevel.',
    );
  }
  if (options.sparsity === 'force') {
    throw unsupported(
      target,
      "sparsity of 'force'",
      'TensorRT does not prune, and this package leaves weights as they are',
      'Prune the model in the 2:4 pattern, and use enable.',
    );
  }
}
