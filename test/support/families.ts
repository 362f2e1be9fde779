import { TensorProto_DataType as DataType, type OnnxModel } from '../../lib/onnx/index.js';
import { FamilyBuilder, type FamilyOptions } from './family-builder.js';
import { convNeXt, visionTransformer } from './transformers.js';

export { FAMILY_SIZE, type FamilyOptions } from './family-builder.js';

/** MobileNetV3: depthwise convolutions, squeeze-and-excite with a hard gate, HardSwish. */
export function mobileNetV3({ classes = 10, ...options }: FamilyOptions = {}): OnnxModel {
  const b = new FamilyBuilder(options);
  let x = b.convBn('input', 'conv_stem', 3, 16, 3, { stride: 2, act: 'hardswish' });
  let channels = 16;
  const blocks = [
    { expand: 16, out: 16, kernel: 3, stride: 2, se: 8, act: 'relu' },
    { expand: 72, out: 24, kernel: 3, stride: 2, se: 0, act: 'relu' },
    { expand: 88, out: 24, kernel: 3, stride: 1, se: 0, act: 'relu' },
    { expand: 96, out: 40, kernel: 5, stride: 2, se: 24, act: 'hardswish' },
    { expand: 240, out: 40, kernel: 5, stride: 1, se: 64, act: 'hardswish' },
  ] as const;
  for (const [i, { expand, out, kernel, stride, se, act }] of blocks.entries()) {
    const path = `blocks.${i}`;
    let y = x;
    if (expand !== channels) y = b.convBn(y, `${path}/conv_pw`, channels, expand, 1, { act });
    y = b.convBn(y, `${path}/conv_dw`, expand, expand, kernel, { stride, group: expand, act });
    if (se > 0) y = b.squeezeExcite(y, path, expand, se, 'relu', 'hard');
    y = b.convBn(y, `${path}/conv_pwl`, expand, out, 1);
    x = stride === 1 && channels === out ? b.op('Add', [y, x], path) : y;
    channels = out;
  }
  x = b.convBn(x, 'conv_last', channels, 240, 1, { act: 'hardswish' });
  x =
    options.pool === 'mean'
      ? b.mean(x, 'global_pool', [-1, -2])
      : b.op('GlobalAveragePool', [x], 'global_pool/pool');
  x = b.activation(b.conv(x, 'conv_head', 240, 128, 1), 'act2', 'hardswish');
  return b.head(b.op('Flatten', [x], 'flatten', { axis: 1 }), 128, classes);
}

/** EfficientNet: inverted bottlenecks with SiLU and squeeze-and-excite. */
export function efficientNet({ classes = 10, ...options }: FamilyOptions = {}): OnnxModel {
  const b = new FamilyBuilder(options);
  const act = 'silu';
  let x = b.convBn('input', 'conv_stem', 3, 32, 3, { stride: 2, act });
  let channels = 32;
  const blocks = [
    { ratio: 1, out: 16, kernel: 3, stride: 1 },
    { ratio: 6, out: 24, kernel: 3, stride: 2 },
    { ratio: 6, out: 24, kernel: 3, stride: 1 },
    { ratio: 6, out: 40, kernel: 5, stride: 2 },
    { ratio: 6, out: 40, kernel: 5, stride: 1 },
  ];
  for (const [i, { ratio, out, kernel, stride }] of blocks.entries()) {
    const path = `blocks.${i}`;
    const expand = channels * ratio;
    let y = ratio === 1 ? x : b.convBn(x, `${path}/conv_pw`, channels, expand, 1, { act });
    y = b.convBn(y, `${path}/conv_dw`, expand, expand, kernel, { stride, group: expand, act });
    y = b.squeezeExcite(y, path, expand, channels >> 2, act, 'sigmoid');
    y = b.convBn(y, `${path}/conv_pwl`, expand, out, 1);
    x = stride === 1 && channels === out ? b.op('Add', [y, x], path) : y;
    channels = out;
  }
  x = b.convBn(x, 'conv_head', channels, 160, 1, { act });
  return b.head(b.globalPool(x), 160, classes);
}

/** RegNet: grouped 3×3 convolutions in bottlenecks; `se` makes RegNetY of RegNetX. */
export function regNet({
  classes = 10,
  se = false,
  ...options
}: FamilyOptions & { se?: boolean } = {}): OnnxModel {
  const b = new FamilyBuilder(options);
  let x = b.convBn('input', 'stem', 3, 32, 3, { stride: 2, act: 'relu' });
  let channels = 32;
  for (const [stage, width] of [24, 56, 152].entries()) {
    for (let block = 0; block < 2; block += 1) {
      const path = `s${stage + 1}/b${block + 1}`;
      const stride = block === 0 ? 2 : 1;
      let y = b.convBn(x, `${path}/conv1`, channels, width, 1, { act: 'relu' });
      y = b.convBn(y, `${path}/conv2`, width, width, 3, { stride, group: width / 8, act: 'relu' });
      if (se) y = b.squeezeExcite(y, path, width, channels >> 2, 'relu', 'sigmoid');
      y = b.convBn(y, `${path}/conv3`, width, width, 1, { gain: 0.5 });
      const shortcut =
        block === 0
          ? b.convBn(x, `${path}/downsample`, channels, width, 1, { stride, gain: 0.7 })
          : x;
      x = b.relu(b.op('Add', [y, shortcut], path), `${path}/act3`);
      channels = width;
    }
  }
  return b.head(b.globalPool(x), channels, classes);
}

/** DenseNet: every layer reads the Concat of all before it; normalization comes before it. */
export function denseNet({ classes = 10, ...options }: FamilyOptions = {}): OnnxModel {
  const b = new FamilyBuilder(options);
  const growth = 16;
  let x = b.convBn('input', 'conv0', 3, 32, 7, { stride: 2, act: 'relu' });
  x = b.op('MaxPool', [x], 'pool0', { kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [2, 2] });
  let channels = 32;
  const normAct = (y: string, path: string, width: number) =>
    b.relu(b.batchNorm(y, `${path}/norm`, width), `${path}/relu`);
  for (let block = 1; block <= 2; block += 1) {
    const features = [x];
    for (let layer = 1; layer <= 3; layer += 1) {
      const path = `denseblock${block}/denselayer${layer}`;
      let y = b.op('Concat', [...features], path, { axis: 1 });
      y = normAct(y, `${path}/1`, channels);
      y = b.convBn(y, `${path}/conv1`, channels, 4 * growth, 1, { act: 'relu' });
      features.push(b.conv(y, `${path}/conv2`, 4 * growth, growth, 3, { bias: false }));
      channels += growth;
    }
    x = b.op('Concat', features, `denseblock${block}`, { axis: 1 });
    x = normAct(x, `transition${block}`, channels);
    if (block === 2) break;
    x = b.conv(x, `transition${block}/conv`, channels, channels / 2, 1, { bias: false });
    x = b.op('AveragePool', [x], `transition${block}/pool`, {
      kernel_shape: [2, 2],
      strides: [2, 2],
    });
    channels /= 2;
  }
  return b.head(b.globalPool(x), channels, classes);
}

/** All families by name. */
export const FAMILIES = {
  MobileNetV3: mobileNetV3,
  EfficientNet: efficientNet,
  RegNetX: (options: FamilyOptions = {}) => regNet(options),
  RegNetY: (options: FamilyOptions = {}) => regNet({ ...options, se: true }),
  DenseNet: denseNet,
  ConvNeXt: convNeXt,
  ViT: visionTransformer,
} as const;

/** Element type of the input of a half-precision family. */
export const HALF = DataType.FLOAT16;
