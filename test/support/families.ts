import { TensorProto_DataType as DataType, type OnnxModel } from '../../lib/onnx/index.js';
import { type BuilderOptions, GraphBuilder } from './graph-builder.js';

/** Options of the families: small, but of the true block structure. */
export interface FamilyOptions extends BuilderOptions {
  /** Keep BatchNormalization behind convolutions; the older exporter folds it. */
  batchNorm?: boolean;
  classes?: number;
}

/** Input size of every family here. */
export const FAMILY_SIZE = 64;

type Activation = 'relu' | 'silu' | 'hardswish' | undefined;

/** A {@link GraphBuilder} with the blocks that the families share. */
class FamilyBuilder extends GraphBuilder {
  readonly batchNormalization: boolean;

  constructor({ batchNorm, ...options }: FamilyOptions) {
    super(options);
    this.batchNormalization = batchNorm ?? this.naming === 'dynamo';
  }

  constant(name: string, value: number): string {
    return this.weight(name, [], [value]);
  }

  /** Convolution, normalization, activation, as in every family. */
  convBn(
    x: string,
    path: string,
    input: number,
    output: number,
    kernel: number,
    { stride = 1, group = 1, act = undefined as Activation, gain = 1 } = {},
  ): string {
    const bias = !this.batchNormalization;
    let y = this.conv(x, path, input, output, kernel, { stride, group, bias, gain });
    if (this.batchNormalization) y = this.batchNorm(y, `${path}/bn`, output);
    return this.activation(y, `${path}/act`, act);
  }

  activation(x: string, path: string, act: Activation): string {
    if (act === 'relu') return this.relu(x, path);
    if (act === 'silu') return this.op('Mul', [x, this.op('Sigmoid', [x], path)], path);
    if (act === undefined) return x;
    if (this.opset >= 14) return this.op('HardSwish', [x], path);
    return this.op('Mul', [x, this.hardSigmoid(x, path)], path);
  }

  hardSigmoid(x: string, path: string): string {
    return this.op('HardSigmoid', [x], path, { alpha: { float: 1 / 6 }, beta: { float: 0.5 } });
  }

  /** Mean over axes, which moved from an attribute to an input in 18. */
  mean(x: string, path: string, axes: readonly number[], keepdims = 1): string {
    if (this.opset < 18) return this.op('ReduceMean', [x], path, { axes, keepdims });
    const name = this.integers(`${path}_axes_${this.initializers.length}`, axes);
    return this.op('ReduceMean', [x, name], path, { keepdims });
  }

  squeezeExcite(
    x: string,
    path: string,
    channels: number,
    reduced: number,
    act: Activation,
    gate: 'hard' | 'sigmoid',
  ): string {
    let y = this.mean(x, `${path}/se`, [2, 3]);
    y = this.activation(
      this.conv(y, `${path}/se/reduce`, channels, reduced, 1),
      `${path}/se/act`,
      act,
    );
    y = this.conv(y, `${path}/se/expand`, reduced, channels, 1);
    y =
      gate === 'hard'
        ? this.hardSigmoid(y, `${path}/se/gate`)
        : this.op('Sigmoid', [y], `${path}/se/gate`);
    return this.op('Mul', [x, y], `${path}/se`);
  }

  /** Over the last dim; one operator from 17 on, arithmetic before. */
  layerNorm(x: string, path: string, width: number): string {
    const name = path.replaceAll('/', '.');
    const scale = this.weight(
      `${name}.weight`,
      [width],
      this.random.array(width, 0.2).map((v) => v + 1),
    );
    const bias = this.weight(`${name}.bias`, [width], this.random.array(width, 0.1));
    if (this.opset >= 17) {
      return this.op('LayerNormalization', [x, scale, bias], path, {
        axis: -1,
        epsilon: { float: 1e-6 },
      });
    }
    const centred = this.op('Sub', [x, this.mean(x, path, [-1])], path);
    const two = this.constant(`${name}.two`, 2);
    const variance = this.mean(this.op('Pow', [centred, two], path), `${path}/variance`, [-1]);
    const shifted = this.op('Add', [variance, this.constant(`${name}.eps`, 1e-3)], `${path}/eps`);
    const y = this.op('Div', [centred, this.op('Sqrt', [shifted], path)], path);
    return this.op('Add', [this.op('Mul', [y, scale], path), bias], path);
  }

  gelu(x: string, path: string): string {
    if (this.opset >= 20) return this.op('Gelu', [x], path);
    const c = (what: string, value: number) =>
      this.constant(`${path.replaceAll('/', '.')}.${what}`, value);
    const y = this.op('Erf', [this.op('Div', [x, c('root', Math.SQRT2)], path)], path);
    const z = this.op('Mul', [x, this.op('Add', [y, c('one', 1)], path)], path);
    return this.op('Mul', [z, c('half', 0.5)], `${path}/half`);
  }

  /** A linear layer on [batch, tokens, width]: a product with [in, out] and a bias. */
  linear(x: string, path: string, input: number, output: number): string {
    const name = path.replaceAll('/', '.');
    const weights = this.random.array(input * output, Math.sqrt(1 / input));
    const y = this.op('MatMul', [x, this.weight(`${name}.weight`, [input, output], weights)], path);
    const bias = this.weight(`${name}.bias`, [output], this.random.array(output, 0.1));
    return this.op('Add', [bias, y], path);
  }

  head(x: string, features: number, classes: number): OnnxModel {
    this.gemm(x, 'classifier', features, classes);
    const size = FAMILY_SIZE;
    return this.finish(['batch', 3, size, size], ['batch', classes]);
  }

  globalPool(x: string): string {
    return this.op('Flatten', [this.op('GlobalAveragePool', [x], 'global_pool/pool')], 'flatten', {
      axis: 1,
    });
  }
}

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
  x = b.op('GlobalAveragePool', [x], 'global_pool/pool');
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

/** ConvNeXt: 7×7 depthwise convolution, LayerNorm, two Linears with GELU, a scale per channel. */
export function convNeXt({ classes = 10, ...options }: FamilyOptions = {}): OnnxModel {
  const b = new FamilyBuilder(options);
  const last = (x: string, path: string) => b.op('Transpose', [x], path, { perm: [0, 2, 3, 1] });
  const first = (x: string, path: string) => b.op('Transpose', [x], path, { perm: [0, 3, 1, 2] });
  const norm = (x: string, path: string, width: number) =>
    first(b.layerNorm(last(x, `${path}/in`), path, width), `${path}/out`);
  let x = b.conv('input', 'stem/stem.0', 3, 32, 4, { stride: 4, padding: 0 });
  x = norm(x, 'stem/stem.1', 32);
  let channels = 32;
  for (const [stage, width] of [32, 64].entries()) {
    if (width !== channels) {
      x = norm(x, `stages.${stage}/downsample.0`, channels);
      x = b.conv(x, `stages.${stage}/downsample.1`, channels, width, 2, { stride: 2, padding: 0 });
      channels = width;
    }
    for (let block = 0; block < 2; block += 1) {
      const path = `stages.${stage}/blocks.${block}`;
      let y = b.conv(x, `${path}/conv_dw`, width, width, 7, { group: width });
      y = b.layerNorm(last(y, path), `${path}/norm`, width);
      y = b.gelu(b.linear(y, `${path}/mlp/fc1`, width, 4 * width), `${path}/mlp/act`);
      y = first(b.linear(y, `${path}/mlp/fc2`, 4 * width, width), `${path}/back`);
      const gamma = b.weight(`${path}.gamma`, [1, width, 1, 1], b.random.array(width, 0.5));
      x = b.op('Add', [b.op('Mul', [y, gamma], path), x], path);
    }
  }
  x = b.op('GlobalAveragePool', [x], 'head/global_pool');
  x = b.op('Flatten', [norm(x, 'head/norm', channels)], 'head/flatten', { axis: 1 });
  return b.head(x, channels, classes);
}

/** ViT: patches, a class token, attention and MLP blocks. */
export function visionTransformer({ classes = 10, ...options }: FamilyOptions = {}): OnnxModel {
  const b = new FamilyBuilder(options);
  const [width, heads, patch] = [64, 4, 8];
  const tokens = (FAMILY_SIZE / patch) ** 2 + 1;
  const shape = (path: string, values: readonly number[]) =>
    b.integers(`${path.replaceAll('/', '.')}.shape`, values);
  const reshape = (x: string, path: string, values: readonly number[]) =>
    b.op('Reshape', [x, shape(path, values)], path);
  let x = b.conv('input', 'patch_embed/proj', 3, width, patch, { stride: patch, padding: 0 });
  x = reshape(x, 'patch_embed', [0, width, -1]);
  x = b.op('Transpose', [x], 'patch_embed', { perm: [0, 2, 1] });
  // The class token once for each image: zeros of the batch's size plus the token.
  const zeros = b.op('Mul', [b.mean(x, 'cls', [1]), b.constant('cls.zero', 0)], 'cls');
  const token = b.weight('cls_token', [1, 1, width], b.random.array(width, 0.5));
  x = b.op('Concat', [b.op('Add', [zeros, token], 'cls'), x], 'cls', { axis: 1 });
  const positions = b.weight('pos_embed', [1, tokens, width], b.random.array(tokens * width, 0.3));
  x = b.op('Add', [x, positions], 'pos');
  for (let block = 0; block < 3; block += 1) {
    const path = `blocks.${block}`;
    const y = b.linear(
      b.layerNorm(x, `${path}/norm1`, width),
      `${path}/attn/qkv`,
      width,
      3 * width,
    );
    const split = reshape(y, `${path}/attn/heads`, [0, tokens, 3, heads, width / heads]);
    const apart = b.op('Transpose', [split], `${path}/attn/apart`, { perm: [2, 0, 3, 1, 4] });
    const part = (i: number) => {
      const index = b.integers(`${path}.attn.${i}`, [i]);
      const piece = b.op('Gather', [apart, index], `${path}/attn/part${i}`, { axis: 0 });
      return reshape(piece, `${path}/attn/piece${i}`, [-1, heads, tokens, width / heads]);
    };
    const [q, k, v] = [part(0), part(1), part(2)];
    const scaled = b.op(
      'Mul',
      [q, b.constant(`${path}.scale`, (width / heads) ** -0.5)],
      `${path}/q`,
    );
    const turned = b.op('Transpose', [k], `${path}/k`, { perm: [0, 1, 3, 2] });
    const scores = b.op('MatMul', [scaled, turned], `${path}/attn/scores`);
    const attention = b.op('Softmax', [scores], `${path}/attn`, { axis: -1 });
    let z = b.op('MatMul', [attention, v], `${path}/attn/values`);
    z = b.op('Transpose', [z], `${path}/attn/merge`, { perm: [0, 2, 1, 3] });
    z = b.linear(
      reshape(z, `${path}/attn/merged`, [0, tokens, width]),
      `${path}/attn/proj`,
      width,
      width,
    );
    x = b.op('Add', [x, z], `${path}/add1`);
    z = b.linear(b.layerNorm(x, `${path}/norm2`, width), `${path}/mlp/fc1`, width, 4 * width);
    z = b.linear(b.gelu(z, `${path}/mlp/act`), `${path}/mlp/fc2`, 4 * width, width);
    x = b.op('Add', [x, z], `${path}/add2`);
  }
  const zero = b.integers('first', [0]);
  x = b.op('Gather', [b.layerNorm(x, 'norm', width), zero], 'token', { axis: 1 });
  return b.head(reshape(x, 'pooled', [-1, width]), width, classes);
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
