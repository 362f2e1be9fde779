import { TensorRTError } from '../../errors.js';
import {
  createNode,
  createTensor,
  TensorProto_DataType as DataType,
  editableCopy,
  GraphIndex,
  graphOf,
  halfToFloat,
  type OnnxModel,
  opsetVersion,
  tensorInfo,
} from '../../onnx/index.js';
import type { NamedTensors, Tensor } from '../../tensor.js';
import type { GraphProvider, GraphRunner } from '../graph-runner.js';
import { checkMovingAverage } from '../method-options.js';
import type { TensorRange } from '../ranges.js';
import { AverageState } from './average-state.js';
import { type Batches, BatchWalk, type CollectOptions } from './batches.js';
import { type MinMaxOptions, noInput, nothingToCalibrate } from './calibrator.js';
import { type ObservedTensor, observedTensors, onnxType } from './observed-tensors.js';
import { RangeState } from './range-state.js';

/** The outputs of one tensor's reductions. */
interface Reduced {
  tensor: ObservedTensor;
  lowest: string;
  highest: string;
}

/**
 * Adds the reductions that ONNX Runtime's calibrator adds with `per_channel`: over every axis but the
 * second. A tensor of fewer axes, or of unknown ones, has one channel.
 */
function withChannelBounds(model: OnnxModel, tensors: readonly ObservedTensor[]) {
  const copy = editableCopy(model);
  const graph = graphOf(copy);
  const index = new GraphIndex(graph);
  const asInput = opsetVersion(model.proto) >= 18;
  graph.output = [];
  const axesNames = new Map<number, string>();
  const reduce = (opType: string, tensor: ObservedTensor): string => {
    const rank = tensor.shape?.length ?? 0;
    const output = index.uniqueName(`${tensor.name}_${opType}_channels`);
    const inputs = [tensor.name];
    const attributes: Record<string, number | readonly number[]> = { keepdims: 0 };
    if (rank > 1) {
      const axes = Array.from({ length: rank }, (_, axis) => axis).filter((axis) => axis !== 1);
      if (!asInput) attributes.axes = axes;
      else {
        let name = axesNames.get(rank);
        if (name === undefined) {
          name = index.uniqueName(`tensorrt_node_axes_${rank}`);
          axesNames.set(rank, name);
          const data = BigInt64Array.from(axes, BigInt);
          graph.initializer.push(createTensor(name, DataType.INT64, [axes.length], data));
        }
        inputs.push(name);
      }
    }
    graph.node.push(createNode(opType, inputs, [output], { name: output }, attributes));
    graph.output.push(tensorInfo(output, onnxType(tensor)));
    return output;
  };
  const reduced = tensors.map((tensor): Reduced => {
    return {
      tensor,
      lowest: reduce('ReduceMin', tensor),
      highest: reduce('ReduceMax', tensor),
    };
  });
  return { model: copy, reduced };
}

/**
 * MinMax for each channel (axis 1) of every tensor, as ONNX Runtime's calibrator with `per_channel`. No
 * range is derived from another, because Concat and Reshape move channels about; every node is computed
 * as it stands.
 */
export class ChannelCalibrator {
  readonly #reduced: readonly Reduced[];
  readonly #runner: GraphRunner;
  readonly #walk: BatchWalk;
  readonly #movingAverage: number | undefined;
  #state: RangeState | AverageState | undefined;
  /** Channels of each tensor; known after the first batch. */
  #widths: number[] = [];

  private constructor(
    model: OnnxModel,
    runner: GraphRunner,
    reduced: readonly Reduced[],
    { movingAverage }: MinMaxOptions,
  ) {
    this.#runner = runner;
    this.#reduced = reduced;
    this.#walk = new BatchWalk(model);
    this.#movingAverage = movingAverage;
  }

  /**
   * Prepares a model.
   *
   * @param model The model; it stays as it is.
   * @param provider What runs it.
   * @param options Moving average.
   * @throws TensorRTError `MODEL_UNSUPPORTED`; `CALIBRATION_FAILED` when no tensor of it is a float.
   */
  static async create(
    model: OnnxModel,
    provider: GraphProvider,
    options: MinMaxOptions = {},
  ): Promise<ChannelCalibrator> {
    if (options.movingAverage !== undefined) checkMovingAverage(options.movingAverage);
    const tensors = await observedTensors(model, new GraphIndex(graphOf(model)), provider);
    if (tensors.length === 0) throw nothingToCalibrate(model);
    const { model: measuring, reduced } = withChannelBounds(model, tensors);
    const runner = await provider.open(measuring, { exact: true });
    return new ChannelCalibrator(model, runner, reduced, options);
  }

  /**
   * Runs the model over batches. May be called again: ranges join.
   *
   * @param batches Tensors by input name.
   * @param options Abort signal, progress in `images`.
   * @throws TensorRTError `INFERENCE_FAILED`; `CALIBRATION_FAILED` when the number of channels of a
   *   tensor changes.
   */
  async collect(batches: Batches, options: CollectOptions = {}): Promise<void> {
    await this.#walk.forEach(batches, options, 'calibrate', async (feeds) => {
      this.#add(await this.#runner.run(feeds));
    });
    this.#state?.endCall();
  }

  #add(results: NamedTensors): void {
    const widths = this.#reduced.map(({ lowest }) => results[lowest]!.size);
    if (this.#state === undefined) {
      this.#widths = widths;
      const count = widths.reduce((sum, width) => sum + width, 0);
      this.#state =
        this.#movingAverage === undefined
          ? new RangeState(count)
          : new AverageState(count, this.#movingAverage);
    }
    const changed = widths.findIndex((width, place) => width !== this.#widths[place]);
    if (changed >= 0) {
      const name = JSON.stringify(this.#reduced[changed]!.tensor.name);
      throw new TensorRTError(
        'CALIBRATION_FAILED',
        `Tensor ${name} has ${widths[changed]} channels, and had ${this.#widths[changed]} before`,
        { remedy: 'Calibrate without ranges of channels.' },
      );
    }
    const all = (of: 'lowest' | 'highest') =>
      Float64Array.from(this.#reduced.flatMap((one) => numbers(results[one[of]]!)));
    const lowest = all('lowest');
    this.#state.add({ lowest, highest: all('highest'), smallest: lowest });
  }

  /**
   * The ranges of all tensors, in node order, with those of their channels.
   *
   * @param symmetric Whether every range is made symmetric: (−amax, amax), channel by channel.
   * @throws TensorRTError `CALIBRATION_FAILED` when there was no batch.
   */
  ranges(symmetric = false): [name: string, range: TensorRange][] {
    if (this.#state === undefined) throw noInput();
    const { bounds } = this.#state;
    let end = 0;
    return this.#reduced.map(({ tensor: { name, type } }, place) => {
      const start = end;
      end += this.#widths[place]!;
      // 0 + -0 is 0; see MinMaxCalibrator.
      const lowest = bounds.lowest.slice(start, end).map((bound) => 0 + bound);
      const highest = bounds.highest.slice(start, end).map((bound) => 0 + bound);
      if (symmetric) {
        lowest.forEach((bound, channel) => {
          const amax = Math.max(Math.abs(bound), Math.abs(highest[channel]!));
          lowest[channel] = -amax;
          highest[channel] = amax;
        });
      }
      return [name, channelRange(lowest, highest, type)];
    });
  }

  /** Frees the model; may be repeated. */
  release(): Promise<void> {
    return this.#runner.release();
  }

  /** {@link ChannelCalibrator.release}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}

/** The range over all channels, and those of each when there are several. */
function channelRange(
  lowest: Float64Array,
  highest: Float64Array,
  type: ObservedTensor['type'],
): TensorRange {
  const known = (bounds: Float64Array) => bounds.filter((bound) => !Number.isNaN(bound));
  const extreme = (bounds: Float64Array, choose: (...values: number[]) => number) =>
    bounds.length === 0 ? Number.NaN : bounds.reduce((a, b) => choose(a, b));
  return {
    lowest: extreme(known(lowest), Math.min),
    highest: extreme(known(highest), Math.max),
    ...(lowest.length > 1 ? { channels: { lowest, highest } } : {}),
    ...(type === 'float16' ? { dtype: type } : {}),
  };
}

function numbers(tensor: Tensor): number[] {
  if (tensor.type !== 'float16') return Array.from(tensor.data as Float32Array);
  return Array.from(tensor.data as Uint16Array, halfToFloat);
}
