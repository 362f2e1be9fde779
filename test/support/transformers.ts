import type { OnnxModel } from '../../lib/onnx/index.js';
import { dotted, FAMILY_SIZE, FamilyBuilder, type FamilyOptions } from './family-builder.js';

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

/** Queries, keys and values of [batch, tokens, 3 · width], each [batch, heads, tokens, width of one]. */
function apart(
  b: FamilyBuilder,
  y: string,
  path: string,
  tokens: number,
  heads: number,
  width: number,
): string[] {
  const one = width / heads;
  const shape = b.integers(`${path}.attn.heads`, [0, tokens, 3, heads, one]);
  const split = b.op('Reshape', [y, shape], `${path}/attn/heads`);
  const turned = b.op('Transpose', [split], `${path}/attn/apart`, { perm: [2, 0, 3, 1, 4] });
  const integers = (what: string, values: number[]) => b.integers(`${path}.attn.${what}`, values);
  const piece = (part: string, i: number) => {
    const dims = integers(`piece${i}`, [-1, heads, tokens, one]);
    return b.op('Reshape', [part, dims], `${path}/attn/piece${i}`);
  };
  if (b.style.attention === 'split') {
    const sizes = integers('sizes', [1, 1, 1]);
    b.op('Split', [turned, sizes], `${path}/attn/split`, { axis: 0 }, 3);
    const axes = integers('axes', [0]);
    return b.lastOutputs.map((part, i) => b.op('Squeeze', [part, axes], `${path}/attn/part${i}`));
  }
  return [0, 1, 2].map((i) => {
    if (b.style.attention !== 'slice') {
      const index = integers(`${i}`, [i]);
      return piece(b.op('Gather', [turned, index], `${path}/attn/part${i}`, { axis: 0 }), i);
    }
    const [from, to, axis] = [
      integers(`f${i}`, [i]),
      integers(`t${i}`, [i + 1]),
      integers(`a${i}`, [0]),
    ];
    const part = b.op('Slice', [turned, from, to, axis], `${path}/attn/slice${i}`);
    return b.op('Squeeze', [part, axis], `${path}/attn/part${i}`);
  });
}

/** ViT: patches, a class token, attention and MLP blocks. */
export function visionTransformer({ classes = 10, ...options }: FamilyOptions = {}): OnnxModel {
  const b = new FamilyBuilder(options);
  const [width, heads, patch] = [64, 4, 8];
  const tokens = (FAMILY_SIZE / patch) ** 2 + 1;
  const shape = (path: string, values: readonly number[]) =>
    b.integers(`${dotted(path)}.shape`, values);
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
    const [q, k, v] = apart(b, y, path, tokens, heads, width);
    const scaled = b.op(
      'Mul',
      [q!, b.constant(`${path}.scale`, (width / heads) ** -0.5)],
      `${path}/q`,
    );
    const turned = b.op('Transpose', [k!], `${path}/k`, { perm: [0, 1, 3, 2] });
    const scores = b.op('MatMul', [scaled, turned], `${path}/attn/scores`);
    const attention = b.op('Softmax', [scores], `${path}/attn`, { axis: -1 });
    let z = b.op('MatMul', [attention, v!], `${path}/attn/values`);
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
