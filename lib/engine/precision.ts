import { expected } from '../arguments.js';
import { TensorRTError } from '../errors.js';
import type { OnnxModel } from '../onnx/index.js';
import type { Family } from '../runtime/index.js';
import type { BuildOptions } from './options.js';
import { type Target, unsupported } from './unsupported.js';

/** The options that let TensorRT choose other precisions than the model's. */
const IMPLICIT = ['int8', 'fp16', 'bf16', 'best'] as const;

/** What decides the precision of an engine, as the native module takes it. */
export interface Precision {
  /** Builder flags. */
  flags: string[];
  /** Whether float32 may be computed with the 10-bit mantissa of TF32. */
  tf32: boolean;
  /** What a user should know, one sentence each. */
  warnings: string[];
}

/** Whether a model says itself what is quantised. */
export function isQuantized(model: OnnxModel): boolean {
  const nodes = model.proto.graph?.node ?? [];
  return nodes.some(({ opType }) => opType === 'QuantizeLinear' || opType === 'DequantizeLinear');
}

/** Whether a family chooses precisions while it builds; the others take the model's types. */
export function choosesPrecision(family: Family): boolean {
  return family === 'tensorrt8' || family === 'tensorrt10';
}

/** Whether the options ask for what only {@link choosesPrecision} families have. */
export function wantsImplicitPrecision(options: BuildOptions): boolean {
  const { calibration, calibrator, layerPrecisions, layerOutputTypes } = options;
  return (
    IMPLICIT.some((name) => options[name] === true) ||
    [calibration, calibrator, layerPrecisions, layerOutputTypes].some((one) => one !== undefined)
  );
}

/**
 * Checks the types of the precision options.
 *
 * @throws TypeError
 */
export function checkPrecision(options: BuildOptions): void {
  for (const name of [...IMPLICIT, 'tf32', 'strict'] as const) {
    const value = options[name];
    if (value !== undefined && typeof value !== 'boolean') {
      throw expected(name, 'true or false', value);
    }
  }
  if (options.calibration !== undefined && options.calibrator !== undefined) {
    throw expected('calibration', 'no table beside a calibrator', options.calibration, 'range');
  }
}

/** Families 11 and RTX: the model's types are the engine's. */
function typedPrecision(options: BuildOptions, target: Target, quantized: boolean): string[] {
  const why = 'its engines have the precision of the model';
  if (options.calibration !== undefined) {
    const remedy = 'Give the table to `quantize`, and build the model that it writes.';
    throw unsupported(target, 'calibration of its own', why, remedy);
  }
  if (options.fp16 === true || options.best === true) {
    const remedy = 'Build a model that `quantize --fp16` made.';
    throw unsupported(target, options.fp16 === true ? 'fp16' : 'best', why, remedy);
  }
  if (options.bf16 === true) {
    throw unsupported(target, 'bf16', why, 'Build a model whose weights are bfloat16.');
  }
  if (options.int8 !== true) return [];
  if (!quantized) {
    throw unsupported(target, 'int8', why, 'Build a model that `quantize` made from a table.');
  }
  return ['int8 does nothing here: the model says itself what is INT8'];
}

/**
 * The precision flags of a build.
 *
 * @param options The caller's.
 * @param target The library that builds.
 * @param model The model.
 * @throws TensorRTError `OPTION_UNSUPPORTED` for what the library does not have, `MODEL_QUANTIZED` for
 *   ranges beside Q/DQ operators, `RANGES_MISSING` for int8 without any.
 */
export function precisionOf(options: BuildOptions, target: Target, model: OnnxModel): Precision {
  const { best = false, calibration, tf32 = true } = options;
  const calibrator = options.calibrator;
  const quantized = isQuantized(model);
  if (quantized && (calibration !== undefined || calibrator !== undefined)) {
    const what = calibration === undefined ? 'calibrator' : 'calibration table';
    throw new TensorRTError(
      'MODEL_QUANTIZED',
      `The model holds QuantizeLinear operators, beside which a ${what} has no effect`,
      { remedy: `Leave the ${what} out, or build the model that it was quantized from.` },
    );
  }
  if (!choosesPrecision(target.family)) {
    return { flags: [], tf32, warnings: typedPrecision(options, target, quantized) };
  }
  const hasBf16 = target.family === 'tensorrt10';
  if (options.bf16 === true && !hasBf16) {
    throw unsupported(target, 'bf16', 'it came with TensorRT 10', 'Use fp16, or TensorRT 10.');
  }
  const warnings: string[] = [];
  const ranges = quantized || calibration !== undefined || calibrator !== undefined;
  if (options.int8 === true && !ranges) {
    throw new TensorRTError(
      'RANGES_MISSING',
      'INT8 needs the ranges of the tensors, and the build has none',
      { remedy: 'Give calibration (a table from `calibrate`), a calibrator, or a Q/DQ model.' },
    );
  }
  if (best && !ranges) {
    warnings.push('best leaves INT8 out: the build has no calibration table and no calibrator');
  }
  const flags = [
    ...(ranges ? ['int8'] : []),
    ...(options.fp16 === true || best ? ['fp16'] : []),
    ...(options.bf16 === true || (best && hasBf16) ? ['bf16'] : []),
  ];
  return { flags, tf32, warnings };
}
