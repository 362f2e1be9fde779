import { describe, expect, it } from 'vitest';
import { buildOptionsFromProviderOptions } from '../../lib/engine/index.js';
import { openFakes } from './fake-builds.js';
import { convModel } from './models.js';

const { ten } = await openFakes();

describe("the TensorRT provider's options", () => {
  it("are a notebook's dictionary", () => {
    expect(
      buildOptionsFromProviderOptions({
        device_id: 0,
        trt_max_workspace_size: 4294967296,
        trt_int8_enable: true,
        trt_fp16_enable: 'True',
        trt_int8_calibration_table_name: 'calibration.flatbuffers',
        trt_int8_use_native_calibration_table: false,
        trt_engine_cache_enable: 1,
        trt_engine_cache_path: 'engines',
      }),
    ).toEqual({
      options: {
        deviceId: 0,
        memPoolSize: { workspace: 2 ** 32 },
        int8: true,
        fp16: true,
        calibration: 'engines/calibration.flatbuffers',
        cache: 'engines',
      },
      notes: [],
    });
  });

  it('mean what they mean there, one by one', () => {
    const { options, notes } = buildOptionsFromProviderOptions({
      trt_bf16_enable: '1',
      trt_fp16_enable: '0',
      trt_builder_optimization_level: '4',
      trt_auxiliary_streams: 2,
      trt_tactic_sources: '-CUDNN,+CUBLAS',
      trt_timing_cache_enable: 'true',
      trt_timing_cache_path: '/tmp/timings',
      trt_profile_min_shapes: 'input:1x3x32x32,mask:1x2',
      trt_profile_opt_shapes: 'input:4x3x32x32,mask:4x2',
      trt_profile_max_shapes: 'input:8x3x32x32,mask:8x2',
      trt_sparsity_enable: true,
      trt_engine_hw_compatible: true,
      trt_weight_stripped_engine_enable: true,
      trt_build_heuristics_enable: true,
      trt_engine_cache_enable: false,
      trt_engine_cache_path: null,
    });
    expect(options).toEqual({
      bf16: true,
      builderOptimizationLevel: 4,
      maxAuxStreams: 2,
      tacticSources: '-CUDNN,+CUBLAS',
      timingCacheFile: '/tmp/timings/timing.cache',
      profiles: [
        {
          input: { min: [1, 3, 32, 32], opt: [4, 3, 32, 32], max: [8, 3, 32, 32] },
          mask: { min: [1, 2], opt: [4, 2], max: [8, 2] },
        },
      ],
      sparsity: 'enable',
      hardwareCompatibilityLevel: 'ampere+',
      stripWeights: true,
      heuristic: true,
      cache: false,
    });
    expect(notes).toEqual([]);
  });

  it('that do nothing here are noted', () => {
    const { options, notes } = buildOptionsFromProviderOptions({
      trt_cuda_graph_enable: true,
      trt_dump_subgraphs: false,
      trt_layer_norm_fp32_fallback: true,
      trt_int8_calibration_table_name: 'x.cache',
      trt_max_workspace_size: 0,
      trt_auxiliary_streams: -1,
    });
    expect(options).toEqual({});
    expect(notes).toEqual([
      'trt_cuda_graph_enable is an option of sessions, not of builds: enableGraphCapture',
      'trt_dump_subgraphs does nothing: the whole model becomes one engine',
      "trt_layer_norm_fp32_fallback: use layerPrecisions, '*norm*:fp32'",
      'trt_int8_calibration_table_name does nothing without trt_int8_enable',
    ]);
  });

  it.each([
    [{ trt_fp16_enabled: true }, 'such as trt_fp16_enable for providerOptions'],
    [{ toString: 1 }, 'Expected options of the TensorRT provider for providerOptions'],
    [{ trt_fp16_enable: 'yes' }, 'Expected true or false for trt_fp16_enable'],
    [{ device_id: 'one' }, 'Expected an integer for device_id'],
    [{ trt_engine_cache_path: 3 }, 'Expected a string for trt_engine_cache_path'],
    [{ trt_profile_min_shapes: 'input' }, 'for trt_profile_min_shapes'],
    [
      { trt_profile_min_shapes: 'x:1' },
      'trt_profile_opt_shapes and trt_profile_max_shapes beside it',
    ],
    [
      {
        trt_profile_min_shapes: 'x:1',
        trt_profile_opt_shapes: 'y:1',
        trt_profile_max_shapes: 'x:1',
      },
      'Expected shapes of x in all three',
    ],
  ])('%j is refused', (options, message) => {
    expect(() => buildOptionsFromProviderOptions(options)).toThrow(message);
  });

  it('are taken by buildEngine, under what is given beside them', async () => {
    const { told, result } = await ten.build(convModel(), {
      providerOptions: { trt_fp16_enable: true, trt_cuda_graph_enable: true, device_id: 0 },
      bf16: true,
    });
    expect(told.flags).toEqual(['fp16', 'bf16', 'tf32']);
    expect(result.warnings[0]!.text).toContain('trt_cuda_graph_enable');
    await expect(ten.build(convModel(), { providerOptions: 3 as never })).rejects.toThrow(
      'Expected an object of options by name for providerOptions',
    );
  });
});
