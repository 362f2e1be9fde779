import { messageOf, systemCode, TensorRTError } from '../errors.js';

/** The error of a write that failed, for writers that stream and so cannot use `writeFiles`. */
export function writeFailed(path: string, error: unknown): TensorRTError {
  const full = systemCode(error) === 'ENOSPC';
  return new TensorRTError('WRITE_FAILED', `Cannot write ${path}: ${messageOf(error)}`, {
    remedy: full
      ? 'Free space on that disk, or choose another folder.'
      : 'Check the folder and its permissions.',
    cause: error,
  });
}
