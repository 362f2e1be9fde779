import { basename, dirname } from 'node:path';
import { type CalibrationTable, checkModel, readTable } from '../calibration/index.js';
import { findModel } from '../dataset/index.js';
import { writeFile, writeFiles } from '../files.js';
import { describeModel, encodeModel, loadModel, saveModel } from '../onnx/index.js';
import { type RecipeInput, resolveRecipe } from '../preprocess/index.js';
import {
  type QuantizationReport,
  type QuantizeOptions,
  quantizeModel,
} from '../quantization/index.js';
import { checkWritable } from './output.js';
import { recipeFile, taskRecipe } from './recipe.js';

/** Options of {@link quantizeFile}. */
export interface QuantizeFileOptions extends QuantizeOptions {
  /** Calibration folder or table file, or a table in memory; with `fp16` it may be absent. */
  calibration?: string | CalibrationTable;
  /** Path of the quantized model. */
  out: string;
  /** Stops before anything is written. */
  signal?: AbortSignal;
}

/** Result of {@link quantizeFile}. */
export interface QuantizeFileResult {
  /** The quantized model. */
  model: string;
  /** Files that were written: the model, and its recipe when the table, or the model, has one. */
  files: string[];
  /** What was quantized, what was not, and why. */
  report: QuantizationReport;
  /** What a user should know: a table that does not say which model it belongs to, and the like. */
  warnings: string[];
}

/** The recipe of the calibration; without a table the one that lies beside the model. */
async function recipeFor(table: CalibrationTable | undefined, path: string) {
  if (table === undefined) {
    const { recipe, file } = await taskRecipe({}, [path]);
    return file === undefined ? undefined : recipe;
  }
  const { recipe } = table.meta ?? {};
  return recipe === undefined ? undefined : resolveRecipe(recipe as RecipeInput);
}

/** The largest model that is written together with its recipe, in bytes; above, weights go outside. */
const ONE_FILE_BYTES = 2 ** 30;

/**
 * Writes the INT8 form of an ONNX model, with QuantizeLinear and DequantizeLinear, from a calibration
 * table; with `fp16` the rest in half precision, and without a table just that. The recipe of the
 * calibration goes into `<out>.recipe.json`, where `classify` and `evaluate`
 * find it.
 *
 * @param model Path of an ONNX model, or of a folder that holds one.
 * @param options The table, where to write, and everything that {@link quantizeModel} takes.
 * @throws TensorRTError `TABLE_MISMATCH` for a table of another model, `TABLE_INCOMPLETE`,
 *   `TABLE_INVALID`, `FILE_NOT_FOUND`, `MODEL_…`, `WRITE_FAILED`. Nothing is written then.
 * @throws TypeError or RangeError for a wrong option.
 */
export async function quantizeFile(
  model: string,
  options: QuantizeFileOptions,
): Promise<QuantizeFileResult> {
  const { calibration, out, signal, ...rest } = options;
  await checkWritable(dirname(out));
  const path = await findModel(model);
  const table = typeof calibration === 'string' ? await readTable(calibration) : calibration;
  const warnings = [...(table?.warnings ?? [])];
  const loaded = await loadModel(path);
  // What is quantized already is left alone, whatever table comes with it: often that of the float model.
  if (table !== undefined && !describeModel(loaded).quantized) {
    const unknown = checkModel(table, { sha256: loaded.sha256, file: basename(path) });
    if (unknown !== undefined) warnings.push(unknown);
  }
  signal?.throwIfAborted();
  const { model: quantized, report } = quantizeModel(loaded, table?.amaxes(), rest);
  const recipe = await recipeFor(table, path);
  signal?.throwIfAborted();
  const files = [out];
  const recipeText = recipe === undefined ? undefined : `${JSON.stringify(recipe, null, 2)}\n`;
  const weights = loaded.proto.graph?.initializer ?? [];
  const bytes = weights.reduce((sum, { rawData }) => sum + rawData.byteLength, 0);
  const set: [string, Uint8Array | string][] = [];
  if (recipeText !== undefined) {
    files.push(recipeFile(out));
    set.push([recipeFile(out), recipeText]);
  }
  if (bytes < ONE_FILE_BYTES) await writeFiles([[out, encodeModel(quantized)], ...set]);
  else {
    await saveModel(quantized, out);
    for (const [name, text] of set) await writeFile(name, text);
  }
  return { model: out, files, report, warnings };
}
