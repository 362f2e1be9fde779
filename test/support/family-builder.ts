import type { OnnxModel } from '../../lib/onnx/index.js';
import { type BuilderOptions, GraphBuilder } from './graph-builder.js';

/** Options of the families: small, but of the true block structure. */
export interface FamilyOptions extends BuilderOptions {
  /** Keep BatchNormalization behind convolutions; the older exporter folds it. */
  batchNorm?: boolean;
  classes?: number;
  /** How a linear layer is written; a product with a transposed weight by default. */
  linear?: 'matmul' | 'gemm' | 'transposed' | 'chained' | 'stacked';
  /** How HardSwish is written; by default an operator where the operator set has it. */
  hardSwish?: 'sigmoid' | 'clip';
  /** Whether global pools are ReduceMean, as the newer exporter writes them. */
  pool?: 'mean';
  /** How ViT takes queries, keys and values apart. */
  attention?: 'gather' | 'split' | 'slice';
  /** Whether LayerNorm and GELU are written out where the operator set has operators for them. */
  written?: boolean;
}

/** Input size of every family here. */
export const FAMILY_SIZE = 64;

/** Activation of a block. */
export type Activation = 'relu' | 'silu' | 'hardswish' | undefined;

/** A path as the name of a parameter. */
export function dotted(path: string): string {
  return path.replaceAll('/', '.');
}

/** A {@link GraphBuilder} with the blocks that the families share. */
export class FamilyBuilder extends GraphBuilder {
  readonly batchNormalization: boolean;
  readonly style: FamilyOptions;

  constructor({ batchNorm, ...options }: FamilyOptions) {
    super(options);
    this.style = options;
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
    if (this.style.hardSwish === 'clip') {
      const c = (what: string, value: number) => this.constant(`${dotted(path)}.${what}`, value);
      const y = this.op('Add', [x, c('three', 3)], `${path}/shift`);
      const z = this.op('Clip', [y, c('low', 0), c('high', 6)], path);
      return this.op('Div', [this.op('Mul', [x, z], path), c('six', 6)], path);
    }
    const written = this.style.hardSwish === 'sigmoid' || this.opset < 14;
    if (!written) return this.op('HardSwish', [x], path);
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
    const name = dotted(path);
    const scale = this.weight(
      `${name}.weight`,
      [width],
      this.random.array(width, 0.2).map((v) => v + 1),
    );
    const bias = this.weight(`${name}.bias`, [width], this.random.array(width, 0.1));
    if (this.opset >= 17 && !this.style.written) {
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
    if (this.opset >= 20 && !this.style.written) return this.op('Gelu', [x], path);
    const c = (what: string, value: number) => this.constant(`${dotted(path)}.${what}`, value);
    const y = this.op('Erf', [this.op('Div', [x, c('root', Math.SQRT2)], path)], path);
    const z = this.op('Mul', [x, this.op('Add', [y, c('one', 1)], path)], path);
    return this.op('Mul', [z, c('half', 0.5)], `${path}/half`);
  }

  /** A linear layer on [batch, tokens…, width]. */
  linear(x: string, path: string, input: number, output: number): string {
    const name = dotted(path);
    const values = this.random.array(input * output, Math.sqrt(1 / input));
    const bias = () => this.weight(`${name}.bias`, [output], this.random.array(output, 0.1));
    if (this.style.linear === 'gemm') return this.#gemmLinear(x, path, values, input, output);
    let weight: string;
    if (this.style.linear === 'transposed' || this.style.linear === 'chained') {
      // As PyTorch keeps it, [out, in], and turned in the graph.
      const dims = this.style.linear === 'chained' ? [input * output] : [output, input];
      weight = this.weight(`${name}.weight`, dims, values);
      if (this.style.linear === 'chained') {
        const shape = this.integers(`${name}.shape`, [output, -1]);
        weight = this.op('Reshape', [weight, shape], `${path}/view`);
      }
      weight = this.op('Transpose', [weight], `${path}/t`, { perm: [1, 0] });
    } else {
      const stack = this.style.linear === 'stacked' ? [1] : [];
      weight = this.weight(`${name}.weight`, [...stack, input, output], values);
    }
    return this.op('Add', [bias(), this.op('MatMul', [x, weight], path)], path);
  }

  /** Flattened, multiplied, and put back, as exporters do it for two dims. */
  #gemmLinear(x: string, path: string, values: Float32Array, input: number, output: number) {
    const name = dotted(path);
    const flat = this.integers(`${name}.flat`, [-1, input]);
    const weight = this.weight(`${name}.weight`, [output, input], values);
    const bias = this.weight(`${name}.bias`, [output], this.random.array(output, 0.1));
    const rows = this.op('Reshape', [x, flat], `${path}/flat`);
    const y = this.op('Gemm', [rows, weight, bias], path, { transB: 1 });
    const shape = this.op('Shape', [x], `${path}/shape`);
    const last = this.integers(`${name}.last`, [-1]);
    const front = [this.integers(`${name}.zero`, [0]), last];
    const lead = this.op('Slice', [shape, ...front], `${path}/lead`);
    const back = [lead, this.integers(`${name}.width`, [output])];
    return this.op('Reshape', [y, this.op('Concat', back, path, { axis: 0 })], `${path}/back`);
  }

  head(x: string, features: number, classes: number): OnnxModel {
    this.gemm(x, 'classifier', features, classes);
    const size = FAMILY_SIZE;
    return this.finish(['batch', 3, size, size], ['batch', classes]);
  }

  globalPool(x: string): string {
    if (this.style.pool === 'mean') return this.mean(x, 'global_pool', [-1, -2], 0);
    return this.op('Flatten', [this.op('GlobalAveragePool', [x], 'global_pool/pool')], 'flatten', {
      axis: 1,
    });
  }
}
