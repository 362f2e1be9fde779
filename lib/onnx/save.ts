import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { clearField, create } from '@bufbuild/protobuf';
import { messageOf, systemCode, TensorRTError } from '../errors.js';
import { temporaryName, writeFile } from '../files.js';
import { shallowCopy } from './copy.js';
import { embed, isExternal, loadExternalData } from './external-data.js';
import {
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProtoSchema,
} from './generated/onnx_pb.js';
import { encodeModel, graphOf, MAX_MESSAGE_BYTES, type OnnxModel } from './model.js';
import { tensorBytes } from './tensors.js';
import { allTensors } from './walk.js';

/** Options of {@link saveModel}. */
export interface SaveModelOptions {
  /**
   * `auto` (default): weights go into `<name>.data` beside the model when it would be over 2 GiB.
   * `always`: they go there. `never`: they stay inside. `keep`: weights that are external stay
   * references to the files they are in, which is right only in the same folder.
   */
  externalData?: 'auto' | 'always' | 'never' | 'keep';
}

/** Smaller tensors stay in the model: shapes and scales are read by those who parse it. */
const EXTERNAL_FROM_BYTES = 1024;

/** Large tensors start on a page, so that a reader can map the file. */
const PAGE = 4096;

async function inlineAttributes(model: OnnxModel): Promise<void> {
  const weights = new Set(graphOf(model).initializer);
  const rest = [...allTensors(model.proto)].filter(({ tensor }) => !weights.has(tensor));
  await loadExternalData(rest, model.folder);
}

function referTo(
  tensor: TensorProto,
  location: string,
  offset: number,
  length: number,
): TensorProto {
  const copy = shallowCopy(TensorProtoSchema, tensor);
  clearField(copy, TensorProtoSchema.field.rawData);
  copy.floatData = [];
  copy.doubleData = [];
  copy.int32Data = [];
  copy.int64Data = [];
  copy.uint64Data = [];
  copy.dataLocation = TensorProto_DataLocation.EXTERNAL;
  copy.externalData = Object.entries({ location, offset, length }).map(([key, value]) =>
    create(StringStringEntryProtoSchema, { key, value: String(value) }),
  );
  return copy;
}

/** Writes the large weights to `file` and returns the graph that refers to them. */
async function writeWeights(model: OnnxModel, file: string, location: string): Promise<GraphProto> {
  const graph = shallowCopy(GraphProtoSchema, graphOf(model));
  graph.initializer = [...graph.initializer];
  const handle = await open(file, 'wx');
  try {
    let offset = 0;
    for (const [position, tensor] of graph.initializer.entries()) {
      if (tensor.stringData.length > 0) continue;
      const bytes = tensorBytes(tensor, model.folder);
      if (bytes.byteLength < EXTERNAL_FROM_BYTES && !isExternal(tensor)) continue;
      offset = Math.ceil(offset / PAGE) * PAGE;
      for (let done = 0; done < bytes.byteLength; ) {
        const part = Math.min(bytes.byteLength - done, 2 ** 30);
        done += (await handle.write(bytes, done, part, offset + done)).bytesWritten;
      }
      graph.initializer[position] = referTo(tensor, location, offset, bytes.byteLength);
      offset += bytes.byteLength;
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  return graph;
}

/** What is there and is no file must not be replaced: a folder cannot be, a device could. */
async function refuseOthers(path: string): Promise<void> {
  const info = await stat(path).catch(() => undefined);
  if (info === undefined || info.isFile()) return;
  throw new Error(`there is a ${info.isDirectory() ? 'folder' : 'device'} of that name`);
}

async function saveWithData(model: OnnxModel, path: string): Promise<void> {
  const location = `${basename(path)}.data`;
  const targets = [`${path}.data`, path].map((final) => ({
    final,
    temporary: temporaryName(final),
  }));
  const [data, file] = targets as [(typeof targets)[0], (typeof targets)[0]];
  try {
    await mkdir(dirname(path), { recursive: true });
    const proto = shallowCopy(ModelProtoSchema, model.proto);
    proto.graph = await writeWeights(model, data.temporary, location);
    const handle = await open(file.temporary, 'wx');
    try {
      await handle.writeFile(encodeModel(proto));
      await handle.sync();
    } finally {
      await handle.close();
    }
    // A model and another model's data would be worse than neither: find what blocks a name first.
    for (const { final } of targets) await refuseOthers(final);
    for (const { temporary, final } of targets) await rename(temporary, final);
  } catch (error) {
    await Promise.all(
      targets.map(({ temporary }) => rm(temporary, { force: true }).catch(() => {})),
    );
    if (error instanceof TensorRTError) throw error;
    throw new TensorRTError('WRITE_FAILED', `Cannot write ${path}: ${messageOf(error)}`, {
      remedy:
        systemCode(error) === 'ENOSPC'
          ? 'Free space on that disk, or choose another folder.'
          : 'Check the folder and its permissions.',
      cause: error,
    });
  }
}

/**
 * Writes a model so that it appears whole or not at all.
 *
 * @param model The model; it is not changed, except that external tensors of attributes are read
 *   into memory.
 * @param path Path of the .onnx file.
 * @param options See {@link SaveModelOptions}.
 * @throws TensorRTError `WRITE_FAILED`; `MODEL_TOO_LARGE` with `never` above 2 GiB;
 *   `MODEL_EXTERNAL_DATA` when weights that are still external cannot be read.
 */
export async function saveModel(
  model: OnnxModel,
  path: string,
  options: SaveModelOptions = {},
): Promise<void> {
  const how = options.externalData ?? 'auto';
  if (how === 'keep') return writeFile(path, encodeModel(model));
  await inlineAttributes(model);
  let bytes = 0;
  for (const { tensor } of allTensors(model.proto)) {
    const length = tensor.externalData.find(({ key }) => key === 'length')?.value;
    bytes += isExternal(tensor) ? Number(length ?? 0) : tensor.rawData.byteLength;
  }
  // Room for what is not weights: names, nodes, typed fields.
  if (how === 'always' || (how === 'auto' && bytes > MAX_MESSAGE_BYTES - 2 ** 26)) {
    return saveWithData(model, path);
  }
  const proto = shallowCopy(ModelProtoSchema, model.proto);
  proto.graph = shallowCopy(GraphProtoSchema, graphOf(model));
  proto.graph.initializer = proto.graph.initializer.map((tensor) => {
    if (!isExternal(tensor)) return tensor;
    const copy = shallowCopy(TensorProtoSchema, tensor);
    embed(copy, tensorBytes(tensor, model.folder));
    return copy;
  });
  return writeFile(path, encodeModel(proto));
}
