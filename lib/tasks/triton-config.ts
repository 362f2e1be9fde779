import { expected, integer } from '../arguments.js';
import { defined } from '../defined.js';
import { TensorRTError } from '../errors.js';
import type { PbMessage } from './pbtxt.js';

/** Name of the plan's file in a model repository. */
export const TRITON_PLAN = 'model.plan';
/** Name of the labels' file in a model repository. */
export const TRITON_LABELS = 'labels.txt';

/** An input or output of an engine. */
export interface EngineValue {
  /** Name. */
  name: string;
  /** Element type in onnxruntime's spelling. */
  type: string;
  /** Extents; -1 where dynamic. */
  shape: readonly number[];
}

/** The shapes that one optimization profile takes, by input. */
export type EngineProfile = Readonly<
  Record<string, { min: readonly number[]; opt: readonly number[]; max: readonly number[] }>
>;

/** What a server must know of an engine. */
export interface EngineInterface {
  /** Inputs. */
  inputs: readonly EngineValue[];
  /** Outputs. */
  outputs: readonly EngineValue[];
  /** Optimization profiles; empty when no shape is dynamic. */
  profiles: readonly EngineProfile[];
}

/** How Triton is to serve a model. */
export interface TritonServing {
  /** Largest batch that Triton makes; default: the largest that the engine takes. */
  maxBatchSize?: number;
  /** Instances on each GPU. Default: 1. */
  instanceCount?: number;
  /** Numbers of the GPUs. Default: all that the server has. */
  gpus?: readonly number[];
  /** Batch sizes that the dynamic batcher sends at once. Default: none, it takes what is there. */
  preferredBatchSizes?: readonly number[];
  /** How long the dynamic batcher may hold a request, in microseconds. Default: 0. */
  maxQueueDelayUs?: number;
}

const DATA_TYPES: Readonly<Record<string, string>> = {
  float32: 'TYPE_FP32',
  float16: 'TYPE_FP16',
  bfloat16: 'TYPE_BF16',
  int8: 'TYPE_INT8',
  uint8: 'TYPE_UINT8',
  int32: 'TYPE_INT32',
  int64: 'TYPE_INT64',
  bool: 'TYPE_BOOL',
};

function dataType({ name, type }: EngineValue): { enumerator: string } {
  const enumerator = DATA_TYPES[type];
  if (enumerator !== undefined) return { enumerator };
  throw new TensorRTError(
    'MODEL_UNSUPPORTED',
    `Triton has no element type for "${name}", which is ${type}`,
    { remedy: 'Build an engine whose inputs and outputs are float, int8, uint8, int32 or bool.' },
  );
}

/** The range of the first extent over all inputs in each profile; undefined without profiles. */
function batchRanges({ inputs, profiles }: EngineInterface) {
  return profiles.map((profile) => {
    const of = (end: 'min' | 'opt' | 'max') =>
      inputs.flatMap(({ name }) => {
        const range = Object.hasOwn(profile, name) ? profile[name] : undefined;
        return range === undefined ? [] : [range[end][0] ?? 1];
      });
    return {
      min: Math.max(...of('min')),
      opt: Math.min(...of('opt')),
      max: Math.min(...of('max')),
    };
  });
}

/** Whether Triton can make batches: the first extent of all inputs and outputs is dynamic. */
export function isBatched({ inputs, outputs }: EngineInterface): boolean {
  return [...inputs, ...outputs].every(({ shape }) => shape[0] === -1);
}

/** What the batch size comes to, and what the user should know about it. */
interface Batching {
  max: number;
  notes: string[];
}

function batchingOf(engine: EngineInterface, { maxBatchSize }: TritonServing): Batching {
  if (maxBatchSize !== undefined) integer('maxBatchSize', maxBatchSize, 0);
  if (!isBatched(engine)) {
    if (maxBatchSize !== undefined && maxBatchSize > 0) {
      const what = '0, because the first extent of an input or output is fixed,';
      throw expected('maxBatchSize', what, maxBatchSize, 'range');
    }
    const note =
      'max_batch_size is 0: the first extent of an input or output is fixed, so that a request holds whole tensors';
    return { max: 0, notes: [note] };
  }
  if (maxBatchSize === 0) {
    return { max: 0, notes: ['max_batch_size is 0: Triton makes no batches'] };
  }
  const ranges = batchRanges(engine);
  if (ranges.length === 0) {
    if (maxBatchSize === undefined) {
      throw expected('maxBatchSize', 'a number, because the engine tells none,', maxBatchSize);
    }
    return { max: maxBatchSize, notes: [] };
  }
  const largest = Math.max(...ranges.map(({ max }) => max));
  const smallest = Math.min(...ranges.map(({ min }) => min));
  const max = maxBatchSize ?? largest;
  if (max < smallest || max > largest) {
    const what = `a batch that the engine takes, ${smallest} to ${largest},`;
    throw expected('maxBatchSize', what, max, 'range');
  }
  const notes = [`max_batch_size is ${max}: dims leave out the first extent, the batch`];
  if (smallest > 1) {
    notes.push(`Requests of fewer than ${smallest} rows fail: no profile of the engine takes them`);
  }
  return { max, notes };
}

/** Extents as Triton wants them: without the batch; a number alone has one. */
function dimsOf({ shape }: EngineValue, batched: boolean): PbMessage {
  const dims = batched ? shape.slice(1) : shape;
  return dims.length === 0 ? { dims: [1], reshape: { shape: [] as number[] } } : { dims };
}

function dynamicBatching(max: number, serving: TritonServing): PbMessage | undefined {
  const { preferredBatchSizes: preferred, maxQueueDelayUs: delay } = serving;
  if (delay !== undefined) integer('maxQueueDelayUs', delay, 0);
  preferred?.forEach((size) => {
    integer('preferredBatchSizes', size, 1, Math.max(max, 1));
  });
  if (max > 1) {
    return {
      ...(preferred === undefined || preferred.length === 0
        ? {}
        : { preferred_batch_size: preferred }),
      ...defined({ max_queue_delay_microseconds: delay }),
    };
  }
  const option = preferred !== undefined ? 'preferredBatchSizes' : 'maxQueueDelayUs';
  const value = preferred ?? delay;
  if (value === undefined) return undefined;
  throw expected(option, `nothing, because the largest batch is ${max},`, value, 'range');
}

/** Requests that every instance answers before it takes others: one of each profile's OPT shapes. */
function warmups(engine: EngineInterface, max: number): PbMessage[] {
  const ranges = batchRanges(engine);
  const profiles = engine.profiles.length === 0 ? [{} as EngineProfile] : engine.profiles;
  return profiles.map((profile, index) => ({
    name: `opt_${index}`,
    batch_size: max === 0 ? 1 : Math.min(ranges[index]?.opt ?? 1, max),
    inputs: engine.inputs.map((input) => {
      const range = Object.hasOwn(profile, input.name) ? profile[input.name] : undefined;
      const shape = (range?.opt ?? input.shape).map((extent) => Math.max(extent, 1));
      const dims = dimsOf({ ...input, shape }, max > 0).dims;
      const type = dataType(input);
      // Random integers may be no indices of anything.
      const data = /^(float|bfloat)/.test(input.type) ? { random_data: true } : { zero_data: true };
      return { key: input.name, value: { data_type: type, dims, ...data } };
    }),
  }));
}

function instanceGroup(engine: EngineInterface, serving: TritonServing): PbMessage {
  const { gpus, instanceCount = 1 } = serving;
  gpus?.forEach((gpu) => {
    integer('gpus', gpu, 0);
  });
  return {
    count: integer('instanceCount', instanceCount, 1),
    kind: { enumerator: 'KIND_GPU' },
    ...(gpus === undefined || gpus.length === 0 ? {} : { gpus }),
    // Triton takes the first profile only unless it is told of the others.
    ...(engine.profiles.length < 2
      ? {}
      : { profile: engine.profiles.map((_, index) => String(index)) }),
  };
}

/** A model's configuration for Triton. */
export interface TritonConfig {
  /** The ModelConfig message. */
  config: PbMessage;
  /** Its `max_batch_size`. */
  maxBatchSize: number;
  /** What the user should know, a sentence each. */
  notes: string[];
}

/**
 * The configuration with which Triton serves an engine.
 *
 * @param name Name of the model.
 * @param engine What the engine takes and gives.
 * @param serving How it is to be served.
 * @param labelled Name of the output that has labels.
 * @throws RangeError for what the engine does not take; TensorRTError `MODEL_UNSUPPORTED`.
 */
export function tritonConfig(
  name: string,
  engine: EngineInterface,
  serving: TritonServing,
  labelled?: string,
): TritonConfig {
  const { max, notes } = batchingOf(engine, serving);
  const batching = dynamicBatching(max, serving);
  const config: PbMessage = {
    name,
    platform: 'tensorrt_plan',
    default_model_filename: TRITON_PLAN,
    max_batch_size: max,
    input: engine.inputs.map((input) => ({
      name: input.name,
      data_type: dataType(input),
      ...dimsOf(input, max > 0),
    })),
    output: engine.outputs.map((output) => ({
      name: output.name,
      data_type: dataType(output),
      ...dimsOf(output, max > 0),
      ...(output.name === labelled ? { label_filename: TRITON_LABELS } : {}),
    })),
    instance_group: [instanceGroup(engine, serving)],
    dynamic_batching: batching,
    optimization: { cuda: { graphs: true } },
    model_warmup: warmups(engine, max),
  };
  return { config, maxBatchSize: max, notes };
}
