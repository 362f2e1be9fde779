import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { expected } from '../arguments.js';
import { defined } from '../defined.js';
import { messageOf, systemCode, TensorRTError } from '../errors.js';
import { checkExternalData, loadExternalData } from './external-data.js';
import { type GraphProto, type ModelProto, ModelProtoSchema } from './generated/onnx_pb.js';
import { invalidModel, validateModel } from './validate.js';
import { allTensors } from './walk.js';

/** The largest protobuf message: 2 GiB less one byte. */
export const MAX_MESSAGE_BYTES = 2 ** 31 - 1;

/** An ONNX model in memory. */
export interface OnnxModel {
  /** The decoded model; unknown fields are kept in it. */
  proto: ModelProto;
  /** Where it was read from; absent for bytes. */
  path?: string;
  /** Folder that external data is relative to; absent when the model came as bytes alone. */
  folder?: string;
  /** SHA-256, in hex, of the bytes of the .onnx file as given (external data is not part of it). */
  sha256: string;
}

/** Options of {@link loadModel}. */
export interface LoadModelOptions {
  /**
   * Whether weights in external files are read into memory. When false, the references are checked
   * and left in place, and readers of tensors fetch each when asked. Default true.
   */
  externalData?: boolean;
  /** Folder of the external data of a model given as bytes; a model given by path has its own. */
  folder?: string;
}

function tooLarge(label: string, bytes: number): TensorRTError {
  return new TensorRTError(
    'MODEL_TOO_LARGE',
    `${label} has ${bytes} bytes, and a protobuf message holds at most ${MAX_MESSAGE_BYTES}`,
    {
      remedy:
        'Save the model with its weights as external data (onnx.save, save_as_external_data).',
    },
  );
}

async function readModelFile(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size > MAX_MESSAGE_BYTES) throw tooLarge(path, size);
    return await readFile(path);
  } catch (error) {
    if (error instanceof TensorRTError) throw error;
    const why = systemCode(error) === 'EISDIR' ? 'it is a folder' : messageOf(error);
    throw new TensorRTError('MODEL_NOT_FOUND', `Cannot read the model ${path}: ${why}`, {
      remedy: 'Give the path of an .onnx file that can be read.',
      cause: error,
    });
  }
}

/**
 * Reads an ONNX model.
 *
 * @param source Path of the .onnx file, or its bytes. Weights stay views of those bytes, so bytes
 *   must not be changed afterwards.
 * @param options See {@link LoadModelOptions}.
 * @throws TensorRTError `MODEL_NOT_FOUND` when the file cannot be read, `MODEL_INVALID` when it is
 *   not a complete model, `MODEL_TOO_LARGE` above 2 GiB, `MODEL_EXTERNAL_DATA` when external weights
 *   are missing, too short, or outside of the model's folder.
 */
export async function loadModel(
  source: string | Uint8Array,
  options: LoadModelOptions = {},
): Promise<OnnxModel> {
  if (typeof source !== 'string' && !(source instanceof Uint8Array)) {
    throw expected('source', 'a path or a Uint8Array', source);
  }
  const path = typeof source === 'string' ? source : undefined;
  const bytes = typeof source === 'string' ? await readModelFile(source) : source;
  const label = path ?? 'The model';
  if (bytes.byteLength > MAX_MESSAGE_BYTES) throw tooLarge(label, bytes.byteLength);
  let proto: ModelProto;
  try {
    proto = fromBinary(ModelProtoSchema, bytes);
  } catch (error) {
    throw invalidModel(label, `its bytes do not decode (${messageOf(error)})`, error);
  }
  validateModel(proto, label);
  const folder = path === undefined ? options.folder : dirname(path);
  const load = options.externalData ?? true;
  if (load || folder !== undefined) {
    if (load) await loadExternalData(allTensors(proto), folder);
    else checkExternalData(allTensors(proto), folder);
  }
  return {
    proto,
    ...defined({ path, folder }),
    sha256: createHash('sha256').update(bytes).digest('hex'),
  };
}

/** The graph of a model that {@link loadModel} or this package made. */
export function graphOf(model: OnnxModel): GraphProto {
  if (model.proto.graph === undefined) throw invalidModel(model.path ?? 'The model', 'no graph');
  return model.proto.graph;
}

/**
 * The bytes of a model as an .onnx file. Weights that are still external stay references.
 *
 * @throws TensorRTError `MODEL_TOO_LARGE` when one protobuf message cannot hold it.
 */
export function encodeModel(model: OnnxModel | ModelProto): Uint8Array<ArrayBuffer> {
  const proto = 'proto' in model ? model.proto : model;
  let weights = 0;
  for (const { tensor } of allTensors(proto)) weights += tensor.rawData.byteLength;
  if (weights > MAX_MESSAGE_BYTES) throw tooLarge('The model', weights);
  const bytes = toBinary(ModelProtoSchema, proto);
  if (bytes.byteLength > MAX_MESSAGE_BYTES) throw tooLarge('The model', bytes.byteLength);
  return bytes;
}

/**
 * SHA-256, in hex, of an .onnx file: what a calibration table is tied to. External data is not part
 * of it.
 *
 * @throws TensorRTError `MODEL_NOT_FOUND` when the file cannot be read.
 */
export async function modelDigest(source: string | Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  if (typeof source !== 'string') return hash.update(source).digest('hex');
  try {
    for await (const chunk of createReadStream(source)) hash.update(chunk as Buffer);
  } catch (error) {
    throw new TensorRTError('MODEL_NOT_FOUND', `Cannot read ${source}: ${messageOf(error)}`, {
      remedy: 'Give the path of an .onnx file that can be read.',
      cause: error,
    });
  }
  return hash.digest('hex');
}
