import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';
import { clearField } from '@bufbuild/protobuf';
import { defined } from '../defined.js';
import { messageOf, TensorRTError } from '../errors.js';
import { byteLength } from './data-types.js';
import {
  type TensorProto,
  TensorProto_DataLocation,
  TensorProtoSchema,
} from './generated/onnx_pb.js';
import type { FoundTensor } from './walk.js';

/** One read call is limited to just under 2 GiB. */
const MAX_READ = 2 ** 30;

/** Where the bytes of an external tensor lie. */
interface Location {
  file: string;
  offset: number;
  length: number;
}

function refuse(label: string, why: string, remedy: string, cause?: unknown): TensorRTError {
  return new TensorRTError('MODEL_EXTERNAL_DATA', `External data of tensor ${label}: ${why}`, {
    remedy,
    ...defined({ cause }),
  });
}

const PUT_BESIDE =
  'Put the data file into the folder of the model, under the name the model gives.';

/** Whether the bytes of a tensor lie in another file. */
export function isExternal(tensor: TensorProto): boolean {
  return tensor.dataLocation === TensorProto_DataLocation.EXTERNAL;
}

function wholeNumber(label: string, key: string, text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw refuse(label, `its ${key} is "${text}", not a whole number`, 'Export the model again.');
}

/** The file name inside the model's folder; refuses whatever could point out of it. */
function relativeName(label: string, location: string): string {
  const parts = location.split(/[/\\]/);
  if (location === '' || location.includes('\0')) {
    throw refuse(label, 'it names no file', 'Export the model again.');
  }
  if (isAbsolute(location) || /^[a-zA-Z]:/.test(location) || parts[0] === '') {
    throw refuse(label, `"${location}" is an absolute path, which is refused`, PUT_BESIDE);
  }
  if (parts.includes('..')) {
    throw refuse(label, `"${location}" leads out of the folder of the model`, PUT_BESIDE);
  }
  return location;
}

function locate({ tensor, label }: FoundTensor, folder: string | undefined): Location {
  if (folder === undefined) {
    throw refuse(
      label,
      'the model was given as bytes, so its folder is not known',
      'Give the path of the model, or its folder.',
    );
  }
  const entry = new Map(tensor.externalData.map(({ key, value }) => [key, value]));
  const name = relativeName(label, entry.get('location') ?? '');
  const path = join(folder, name);
  let size: number;
  let file: string;
  try {
    file = realpathSync(path);
    const info = statSync(file);
    if (!info.isFile()) throw new Error('it is not a file');
    size = info.size;
  } catch (error) {
    throw refuse(label, `cannot read ${path}: ${messageOf(error)}`, PUT_BESIDE, error);
  }
  const inside = relative(realpathSync(folder), file);
  if (inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
    throw refuse(label, `${path} is a link that leads out of the folder of the model`, PUT_BESIDE);
  }
  const offset = wholeNumber(label, 'offset', entry.get('offset') ?? '0');
  const wanted = byteLength(tensor);
  const given = entry.get('length');
  const length =
    given === undefined ? (wanted ?? size - offset) : wholeNumber(label, 'length', given);
  if (wanted !== undefined && length !== wanted) {
    throw refuse(
      label,
      `it has ${length} bytes, but its type and dims need ${wanted}`,
      'Export the model again.',
    );
  }
  if (length < 0 || offset + length > size) {
    throw refuse(
      label,
      `${path} has ${size} bytes, and bytes ${offset} to ${offset + length} are asked for`,
      'Copy the data file again: it is cut short.',
    );
  }
  return { file, offset, length };
}

/**
 * Checks that every external tensor's bytes are there, without reading them.
 *
 * @throws TensorRTError `MODEL_EXTERNAL_DATA`.
 */
export function checkExternalData(
  tensors: Iterable<FoundTensor>,
  folder: string | undefined,
): void {
  for (const found of tensors) if (isExternal(found.tensor)) locate(found, folder);
}

/**
 * The bytes of one external tensor, read now and by the calling thread.
 *
 * @throws TensorRTError `MODEL_EXTERNAL_DATA`.
 */
export function readExternalTensor(tensor: TensorProto, folder: string | undefined): Uint8Array {
  const label = `"${tensor.name}"`;
  const { file, offset, length } = locate({ tensor, label }, folder);
  const bytes = new Uint8Array(length);
  let done = 0;
  try {
    const descriptor = openSync(file, 'r');
    try {
      while (done < length) {
        const count = readSync(
          descriptor,
          bytes,
          done,
          Math.min(length - done, MAX_READ),
          offset + done,
        );
        if (count === 0) throw new Error('the file ended early');
        done += count;
      }
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw refuse(label, `cannot read ${file}: ${messageOf(error)}`, PUT_BESIDE, error);
  }
  return bytes;
}

async function readFully(handle: FileHandle, target: Uint8Array, offset: number): Promise<void> {
  let done = 0;
  while (done < target.byteLength) {
    const count = Math.min(target.byteLength - done, MAX_READ);
    const { bytesRead } = await handle.read(target, done, count, offset + done);
    if (bytesRead === 0) throw new Error('the file ended early');
    done += bytesRead;
  }
}

/** Puts `bytes` into a tensor in place of its reference to another file. */
export function embed(tensor: TensorProto, bytes: Uint8Array): void {
  tensor.rawData = bytes;
  tensor.externalData = [];
  clearField(tensor, TensorProtoSchema.field.dataLocation);
}

/**
 * Reads every external tensor into memory; afterwards the model needs no other file.
 *
 * @throws TensorRTError `MODEL_EXTERNAL_DATA`.
 */
export async function loadExternalData(
  tensors: Iterable<FoundTensor>,
  folder: string | undefined,
): Promise<void> {
  const handles = new Map<string, FileHandle>();
  try {
    for (const found of tensors) {
      if (!isExternal(found.tensor)) continue;
      const { file, offset, length } = locate(found, folder);
      try {
        let handle = handles.get(file);
        if (handle === undefined) {
          handle = await open(file, 'r');
          handles.set(file, handle);
        }
        // Its own memory, so that the array is aligned for every element type.
        const bytes = new Uint8Array(length);
        await readFully(handle, bytes, offset);
        embed(found.tensor, bytes);
      } catch (error) {
        throw refuse(found.label, `cannot read ${file}: ${messageOf(error)}`, PUT_BESIDE, error);
      }
    }
  } finally {
    for (const handle of handles.values()) await handle.close();
  }
}

/** Bytes that are read and hashed at a time. */
const HASHED_AT_ONCE = 2 ** 22;

/**
 * SHA-256, in hex, over the bytes of all external tensors in the order of the model. Where in their
 * files they lie is not part of it.
 *
 * @param signal Stops the reading.
 * @returns The digest; undefined when no tensor is external.
 * @throws TensorRTError `MODEL_EXTERNAL_DATA`; `signal.reason`.
 */
export async function externalDataDigest(
  tensors: Iterable<FoundTensor>,
  folder: string | undefined,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const external = [...tensors].filter(({ tensor }) => isExternal(tensor));
  if (external.length === 0) return undefined;
  const hash = createHash('sha256');
  const buffer = new Uint8Array(HASHED_AT_ONCE);
  const handles = new Map<string, FileHandle>();
  try {
    for (const found of external) {
      const { file, offset, length } = locate(found, folder);
      hash.update(`${length};`);
      try {
        const handle = handles.get(file) ?? (await open(file, 'r'));
        handles.set(file, handle);
        for (let done = 0; done < length; done += HASHED_AT_ONCE) {
          signal?.throwIfAborted();
          const part = buffer.subarray(0, Math.min(HASHED_AT_ONCE, length - done));
          await readFully(handle, part, offset + done);
          hash.update(part);
        }
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        throw refuse(found.label, `cannot read ${file}: ${messageOf(error)}`, PUT_BESIDE, error);
      }
    }
  } finally {
    for (const handle of handles.values()) await handle.close();
  }
  return hash.digest('hex');
}
