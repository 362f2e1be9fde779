import { TensorRTError } from '../errors.js';
import type { Family } from '../runtime/index.js';

/** The library that builds. */
export interface Target {
  /** Family. */
  family: Family;
  /** Version, for example `10.15.1`. */
  version: string;
}

/** `TensorRT 8.6.1`, `TensorRT-RTX 1.7.1`. */
export function targetName({ family, version }: Target): string {
  return `${family === 'tensorrt_rtx' ? 'TensorRT-RTX' : 'TensorRT'} ${version}`;
}

/**
 * The error for an option that a version of TensorRT does not have.
 *
 * @param target The library.
 * @param option The option.
 * @param why What the library does in its place.
 * @param remedy What to use instead.
 */
export function unsupported(
  target: Target,
  option: string,
  why: string,
  remedy: string,
): TensorRTError {
  return new TensorRTError('OPTION_UNSUPPORTED', `${targetName(target)} has no ${option}: ${why}`, {
    remedy,
  });
}
