import { open, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { Command } from 'commander';
import { inspectTable, readTable, TABLE_FILES, tableFormat } from '../../calibration/index.js';
import { findModel } from '../../dataset/index.js';
import { inspectEngine, readPlanHeader } from '../../engine/index.js';
import { messageOf, TensorRTError } from '../../errors.js';
import { describeModel, loadModel } from '../../onnx/index.js';
import { engineText, modelText, tableText } from '../../report/index.js';
import { action, type Context } from '../context.js';
import type { CliIo } from '../io.js';
import { examples } from '../options.js';

/** What a file is, as far as its first bytes tell. */
export type FileKind = 'engine' | 'table' | 'onnx';

/** Bytes that are looked at. */
const HEAD = 4096;

/** Whether bytes are text, cut off anywhere: no control characters, and UTF-8 but for its last letters. */
function isText(bytes: Uint8Array): boolean {
  const text = new TextDecoder().decode(bytes).slice(0, -3);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: their absence is what makes text.
  return bytes.length > 0 && !/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffd]/.test(text);
}

/**
 * Tells ONNX models, calibration tables and engines apart by content; the name decides only where the
 * content cannot.
 */
export function sniffFile(head: Uint8Array, name: string): FileKind {
  if (readPlanHeader(head) !== undefined) return 'engine';
  // The root of ONNX Runtime's table always lies at 12; no protobuf message begins so.
  const isFlatBuffers = head[0] === 12 && head[1] === 0 && head[2] === 0 && head[3] === 0;
  if (isFlatBuffers || /\.(flatbuffers|cache)$/i.test(name)) return 'table';
  if (/\.onnx$/i.test(name)) return 'onnx';
  if (/\.(engine|plan|trt)$/i.test(name)) return 'engine';
  return isText(head) ? 'table' : 'onnx';
}

async function readHead(path: string): Promise<Uint8Array> {
  const handle = await open(path);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD), 0, HEAD, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

async function locate(path: string): Promise<{ path: string; kind: FileKind }> {
  try {
    if (!(await stat(path)).isDirectory()) {
      // The provenance of a table is shown with its ranges.
      if (basename(path) === TABLE_FILES.meta) return { path: dirname(path), kind: 'table' };
      return { path, kind: sniffFile(await readHead(path), path) };
    }
  } catch (error) {
    throw new TensorRTError('FILE_NOT_FOUND', `Cannot read ${path}: ${messageOf(error)}`, {
      remedy: 'Give the path of an ONNX model, a calibration table or an engine.',
      cause: error,
    });
  }
  for (const name of Object.values(TABLE_FILES)) {
    if (await stat(`${path}/${name}`).catch(() => undefined)) return { path, kind: 'table' };
  }
  return { path: await findModel(path), kind: 'onnx' };
}

async function inspectAction(context: Context, _: object, given: string): Promise<void> {
  const { path, kind } = await locate(given);
  switch (kind) {
    case 'engine': {
      const engine = await inspectEngine(path);
      context.line(engineText(engine));
      context.result({ kind, ...engine });
      return;
    }
    case 'onnx': {
      const model = describeModel(await loadModel(path, { externalData: false }));
      context.line(modelText(path, model));
      context.result({ kind, path, ...model });
      return;
    }
    case 'table': {
      const table = await readTable(path);
      const inspection = inspectTable(table);
      for (const warning of table.warnings) context.warn(warning);
      const isFile = !(await stat(path)).isDirectory();
      const format = isFile ? tableFormat(await readHead(path), path) : 'folder';
      context.line(tableText(path, format, inspection, table.meta));
      const { warnings: _warnings, ...rest } = inspection;
      context.result({ kind, path, format, ...rest, meta: table.meta });
      return;
    }
  }
}

/** `inspect FILE`. */
export function inspectCommand(io: CliIo): Command {
  return examples(
    new Command('inspect')
      .summary('say what a model, a table or an engine holds')
      .description('Say what an ONNX model, a calibration table or an engine holds.')
      .argument('<file>', 'file, or the folder of a calibration or a model')
      .action(action<[string], object>(io, inspectAction)),
    ['inspect model.onnx', 'inspect calibration', 'inspect model.engine --json'],
  );
}
