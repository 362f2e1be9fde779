import { isErrorCode, TensorRTError } from '../../errors.js';
import type { NativeFailure } from './binding.js';

/**
 * The error of a native failure.
 *
 * @param failure As the native module gives it.
 */
export function errorOf(failure: NativeFailure): TensorRTError {
  const code = isErrorCode(failure.code) ? failure.code : 'INFERENCE_FAILED';
  return new TensorRTError(code, failure.message, {
    detail: failure.detail,
    ...(failure.remedy === '' ? {} : { remedy: failure.remedy }),
  });
}

/**
 * What a native call threw, as this package's error; wrong arguments stay what they are.
 *
 * @param error Anything thrown.
 */
export function thrownBy(error: unknown): unknown {
  const failure = error as Partial<NativeFailure>;
  if (!(error instanceof Error) || !isErrorCode(failure.code)) return error;
  const { code, message, remedy = '', detail = [] } = failure as NativeFailure;
  return errorOf({ code, message, remedy, detail });
}
