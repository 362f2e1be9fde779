/**
 * Every code a {@link TensorRTError} can carry, with the sentence that docs/errors.md opens with.
 * A test holds this table and the headings of docs/errors.md against each other.
 */
export const ERROR_CODES = {
  MODULE_MISSING: 'A native module of this package is neither built nor shipped for this machine.',
  LIBRARY_NOT_FOUND: 'A TensorRT library was not found on this machine.',
  LIBRARY_INCOMPATIBLE:
    'A TensorRT library was found, but its version is not one this package drives.',
  DEVICE_NOT_FOUND: 'No usable NVIDIA GPU or driver.',
  ONNXRUNTIME_MISSING: 'The optional peer dependency onnxruntime-node is not installed.',
  MODEL_NOT_FOUND: 'No ONNX model at the given place.',
  MODEL_INVALID: 'The file is not a complete, well-formed ONNX model.',
  MODEL_UNSUPPORTED: 'The model holds something that the chosen target cannot run.',
  MODEL_EXTERNAL_DATA: 'The external data of a model is missing or lies outside its folder.',
  MODEL_TOO_LARGE: 'The model is too large for one protobuf message.',
  BUILD_FAILED: 'TensorRT could not build an engine.',
  ENGINE_INVALID: 'A file is not a TensorRT engine, or not the one that its manifest describes.',
  ENGINE_INCOMPATIBLE:
    'An engine was built by another TensorRT, or for another GPU, than is there.',
  PROFILE_INVALID: 'An optimization profile is missing or does not fit the model.',
  OPTION_UNSUPPORTED: 'The TensorRT library in use does not have the option.',
  MODEL_QUANTIZED: 'A calibration was given for a model that is quantized already.',
  RANGES_MISSING: 'INT8 was asked for, and nothing gives the ranges of the tensors.',
  TARGET_UNSUPPORTED: 'The build target is not supported by the TensorRT library in use.',
  OUT_OF_MEMORY: 'The memory of the GPU is exhausted.',
  QUEUE_FULL: 'More runs wait than the session allows.',
  INFERENCE_FAILED: 'A run of the model failed.',
  SESSION_RELEASED: 'The session was used after it was released.',
  IMAGE_INVALID: 'An image cannot be read or decoded.',
  IMAGES_NOT_FOUND: 'No image where images were expected.',
  FOLDER_UNREADABLE: 'A folder cannot be read.',
  FILE_NOT_FOUND: 'A file that an option names is not there.',
  LABELS_INVALID: 'A label file is missing, malformed or does not fit the model or the folders.',
  RECIPE_INVALID: 'A preprocessing recipe is malformed.',
  TABLE_INVALID: 'A calibration table is malformed.',
  TABLE_MISMATCH: 'A calibration table belongs to another model.',
  TABLE_INCOMPLETE: 'A calibration table lacks a range that is needed.',
  TABLE_INEXPRESSIBLE: 'A table holds something that the chosen format cannot express.',
  CALIBRATION_FAILED: 'Calibration could not produce a table.',
  DOWNLOAD_FAILED: 'A download failed.',
  CHECKSUM_MISMATCH: 'A file does not have the expected SHA-256.',
  ARCHIVE_INVALID: 'An archive is malformed, or holds something that is refused.',
  WRITE_FAILED: 'A file could not be written.',
} as const satisfies Record<string, string>;

/** A stable error code; see docs/errors.md. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** Whether something, such as the code that a native module gives, is one of {@link ERROR_CODES}. */
export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERROR_CODES, code);
}

/** What a {@link TensorRTError} carries besides its message. */
export interface TensorRTErrorOptions {
  /** What the reader can do about it: one sentence, imperative. */
  remedy?: string;
  /** The library's own words: log lines of the failed call, oldest first. */
  detail?: readonly string[];
  /** The error that led to this one. */
  cause?: unknown;
}

/**
 * Everything that goes wrong outside of a caller's arguments. Wrong arguments are `TypeError` or
 * `RangeError` (see `expected` in arguments.ts).
 */
export class TensorRTError extends Error {
  override readonly name = 'TensorRTError';
  /** Stable code; each is a heading of docs/errors.md. */
  readonly code: ErrorCode;
  /** What to do about it, when there is something to do. */
  readonly remedy: string | undefined;
  /** The library's own log lines of the failed call, oldest first; empty when there are none. */
  readonly detail: readonly string[];

  constructor(code: ErrorCode, message: string, options: TensorRTErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.remedy = options.remedy;
    this.detail = options.detail ?? [];
  }
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Node's `error.code` (`ENOENT`, `ENOSPC`, …) when there is one. */
export function systemCode(error: unknown): string | undefined {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}
