import type { OnnxModel } from '../../lib/onnx/index.js';
import { type BuilderOptions, GraphBuilder } from './graph-builder.js';

export interface ResNetOptions extends BuilderOptions {
  /** Channels are multiplied by this; 1 is the real network (11 million weights). */
  width?: number;
  classes?: number;
  /** Keep BatchNormalization behind each convolution, as a training checkpoint is exported. */
  batchNorm?: boolean;
}

/**
 * ResNet18-D as timm builds `resnet18d`: deep stem, average pool before the 1×1 of a downsample.
 * Random weights of sane scale from a seed.
 */
export function resnet18d({
  width = 1,
  classes = 19,
  batchNorm = false,
  seed = 18,
  ...options
}: ResNetOptions = {}): OnnxModel {
  const b = new GraphBuilder({ seed, ...options });
  const w = (channels: number) => Math.max(8, Math.round((channels * width) / 8) * 8);
  const conv = (
    x: string,
    path: string,
    input: number,
    output: number,
    kernel: number,
    stride = 1,
    gain = 1,
  ) => {
    const y = b.conv(x, path, input, output, kernel, { stride, gain, bias: !batchNorm });
    return batchNorm ? b.batchNorm(y, `${path}_bn`, output) : y;
  };
  let x = b.relu(conv('input', 'conv1/conv1.0', 3, w(32), 3, 2), 'conv1/conv1.2');
  x = b.relu(conv(x, 'conv1/conv1.3', w(32), w(32), 3), 'conv1/conv1.5');
  x = b.relu(conv(x, 'conv1/conv1.6', w(32), w(64), 3), 'act1');
  x = b.op('MaxPool', [x], 'maxpool', {
    ceil_mode: 0,
    kernel_shape: [3, 3],
    pads: [1, 1, 1, 1],
    strides: [2, 2],
  });
  let input = w(64);
  for (const [stage, [channels, stageStride]] of (
    [
      [64, 1],
      [128, 2],
      [256, 2],
      [512, 2],
    ] as const
  ).entries()) {
    for (let block = 0; block < 2; block += 1) {
      const stride = block === 0 ? stageStride : 1;
      const output = w(channels);
      const path = `layer${stage + 1}/layer${stage + 1}.${block}`;
      let y = b.relu(conv(x, `${path}/conv1`, input, output, 3, stride), `${path}/act1`);
      y = conv(y, `${path}/conv2`, output, output, 3, 1, 0.5);
      let shortcut = x;
      if (stride !== 1 || input !== output) {
        shortcut = b.op('AveragePool', [x], `${path}/downsample/downsample.0`, {
          ceil_mode: 1,
          count_include_pad: 0,
          kernel_shape: [2, 2],
          pads: [0, 0, 0, 0],
          strides: [2, 2],
        });
        shortcut = conv(shortcut, `${path}/downsample/downsample.1`, input, output, 1, 1, 0.7);
      }
      x = b.relu(b.op('Add', [y, shortcut], path), `${path}/act2`);
      input = output;
    }
  }
  x = b.op('GlobalAveragePool', [x], 'global_pool/pool');
  x = b.op('Flatten', [x], 'global_pool/flatten', { axis: 1 });
  b.gemm(x, 'fc', input, classes);
  return b.finish(['batch', 3, 'height', 'width'], ['batch', classes]);
}
