import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { type BuildFlags, buildFlags, buildOptionsOf } from '../../lib/cli/build-flags.js';

function optionsOf(...argv: string[]) {
  const command = buildFlags(new Command('build')).exitOverride();
  command.configureOutput({ writeErr: () => {} });
  command.parse(argv, { from: 'user' });
  return buildOptionsOf(command.opts<BuildFlags>());
}

describe("the build flags, trtexec's by meaning", () => {
  it('say nothing by default', () => expect(optionsOf()).toEqual({ family: 'auto' }));

  it('become options one by one', () => {
    expect(
      optionsOf(
        ...['--int8', '--fp16', '--bf16', '--no-tf32', '--best', '--strict', '--refit'],
        ...['--calibration', 'folder', '--strip-weights', '--version-compatible'],
        ...['--exclude-lean-runtime', '--direct-io', '--image-input', '--device', '1'],
        ...['--layer-precisions', 'a:fp16', '--layer-output-types=a:fp32'],
        ...['--precision-constraints', 'obey', '--input-io-formats=fp16:chw'],
        ...['--output-io-formats=fp32:chw', '--tactic-sources=-CUDNN,+CUBLAS'],
        ...['--timing-cache-file', 'timing.cache', '--hardware-compatibility-level=ampere+'],
        ...['--sparsity=enable', '--max-aux-streams=2', '--avg-timing=4'],
        ...['--mem-pool-size=workspace:1G', '--builder-optimization-level=4', '--no-cache'],
      ),
    ).toEqual({
      family: 'auto',
      int8: true,
      fp16: true,
      bf16: true,
      tf32: false,
      best: true,
      strict: true,
      refit: true,
      calibration: 'folder',
      stripWeights: true,
      versionCompatible: true,
      excludeLeanRuntime: true,
      directIO: true,
      imageInput: true,
      deviceId: 1,
      layerPrecisions: 'a:fp16',
      layerOutputTypes: 'a:fp32',
      precisionConstraints: 'obey',
      inputIOFormats: 'fp16:chw',
      outputIOFormats: 'fp32:chw',
      tacticSources: '-CUDNN,+CUBLAS',
      timingCacheFile: 'timing.cache',
      hardwareCompatibilityLevel: 'ampere+',
      sparsity: 'enable',
      maxAuxStreams: 2,
      avgTiming: 4,
      memPoolSize: { workspace: 2 ** 30 },
      builderOptimizationLevel: 4,
      cache: false,
    });
  });

  it('give a table by either name', () => {
    expect(optionsOf('--calib=native.cache').calibration).toBe('native.cache');
    expect(() => optionsOf('--calib=a', '--calibration=b')).toThrow('cannot be used with');
  });
});

describe('profiles', () => {
  const shape = (n: number) => ({ min: [n, 3], opt: [n, 3], max: [n, 3] });

  it('are one without --profile', () => {
    expect(optionsOf('--shapes=x:2x3').profiles).toEqual([{ x: shape(2) }]);
    expect(optionsOf('--min-shapes=x:1x3', '--max-shapes=x:4x3').profiles).toEqual([
      { x: { min: [1, 3], opt: [4, 3], max: [4, 3] } },
    ]);
  });

  it('are those of the --profile before the shapes', () => {
    expect(
      optionsOf(
        ...['--profile=0', '--shapes=x:1x3', '--profile=1', '--min-shapes=x:2x3'],
        ...['--opt-shapes=x:4x3', '--max-shapes=x:8x3'],
      ).profiles,
    ).toEqual([{ x: shape(1) }, { x: { min: [2, 3], opt: [4, 3], max: [8, 3] } }]);
  });

  it('must follow on one another, and have their shapes once', () => {
    expect(() => optionsOf('--profile=1', '--shapes=x:1x3')).toThrow(
      'There is no optimization profile 0, but one after it',
    );
    expect(() => optionsOf('--shapes=x:1x3', '--opt-shapes=x:1x3')).toThrow(
      '--shapes gives all of --min-shapes, --opt-shapes and --max-shapes',
    );
    expect(() => optionsOf('--profile=one')).toThrow('for --profile but received "one"');
  });
});
