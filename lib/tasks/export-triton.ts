import { basename, join, parse } from 'node:path';
import { expected, integer } from '../arguments.js';
import { defined } from '../defined.js';
import { type EngineManifest, readPlanHeader } from '../engine/index.js';
import { checkedPlan, readPlan } from '../engine/plan-file.js';
import { messageOf, TensorRTError } from '../errors.js';
import { writeFiles } from '../files.js';
import type { LibraryOptions } from '../runtime/index.js';
import { InferenceSession } from '../session/tensorrt/index.js';
import { type LabelsInput, type TaskLabels, taskLabels } from './labels.js';
import { checkWritable } from './output.js';
import { protobufText } from './pbtxt.js';
import {
  type EngineInterface,
  type EngineValue,
  isBatched,
  TRITON_LABELS,
  TRITON_PLAN,
  type TritonServing,
  tritonConfig,
} from './triton-config.js';

/** Options of {@link exportTriton}. */
export interface ExportTritonOptions extends TritonServing, LibraryOptions {
  /** Folder of the model repository; made as needed, other models in it are left alone. */
  repository: string;
  /** Name of the model, and of its folder. Default: the engine's file name without its extension. */
  name?: string;
  /** Version of the model: a folder of its own. Default: 1. */
  modelVersion?: number;
  /**
   * Class names: a file, or the names. Default: `*classes.json` beside the engine when its number of
   * classes fits an output.
   */
  labels?: LabelsInput;
  /** Stops the export; it then rejects with `signal.reason`. */
  signal?: AbortSignal;
}

/** Result of {@link exportTriton}. */
export interface ExportTritonResult {
  /** Folder of the model in the repository. */
  folder: string;
  /** Name of the model. */
  name: string;
  /** Files that were written: plan, labels, configuration. */
  files: string[];
  /** Text of config.pbtxt. */
  config: string;
  /** Largest batch that Triton makes; 0 when it makes none. */
  maxBatchSize: number;
  /** The label file, when one was found and not named. */
  labelsFile?: string;
  /** What the user should know, a sentence each. */
  notes: string[];
  /** What will keep Triton from serving the model, a sentence each. */
  warnings: string[];
}

const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;

function nameOf(engine: string, name: string | undefined): string {
  const text =
    name ??
    parse(engine)
      .name.replace(/[^A-Za-z0-9_.-]/g, '_')
      .replace(/^[.-]+/, '');
  if (typeof text === 'string' && NAME.test(text)) return text;
  throw expected('name', 'letters, digits, "_", "." and "-"', text, 'range');
}

/** What an engine that has no manifest says itself, which takes a GPU. */
async function askEngine(
  engine: { plan: Uint8Array; planPath: string },
  options: ExportTritonOptions,
): Promise<EngineInterface> {
  const { family, libraryDir } = options;
  const { planPath: path } = engine;
  const values = (list: InferenceSession['inputs']): EngineValue[] =>
    list.map(({ name, type, shape }) => ({
      name,
      type,
      shape: shape.map((extent) => (typeof extent === 'number' ? extent : -1)),
    }));
  try {
    const session = await InferenceSession.create(engine, {
      ...defined({ family, libraryDir }),
    });
    const { inputs, outputs, profiles } = session;
    await session.release();
    return { inputs: values(inputs), outputs: values(outputs), profiles };
  } catch (error) {
    if (!(error instanceof TensorRTError)) throw error;
    throw new TensorRTError(
      error.code,
      `${path} has no manifest, and cannot be asked for its inputs: ${messageOf(error)}`,
      {
        remedy: `Put the manifest that \`tensorrt-node build\` wrote beside it (${basename(path)}.json), or export on the machine that runs the engine.`,
        detail: error.detail,
        cause: error,
      },
    );
  }
}

/** Numbers that an output has for each row; undefined where that is not known. */
function rowSize({ shape }: EngineValue, batched: boolean): number | undefined {
  const row = batched ? shape.slice(1) : shape;
  return row.includes(-1) ? undefined : row.reduce((product, extent) => product * extent, 1);
}

interface Labelled {
  output: string;
  labels: TaskLabels;
}

/** The labels, and the output that they name the numbers of. */
async function findLabelled(
  path: string,
  { outputs, ...engine }: EngineInterface,
  input: LabelsInput | undefined,
): Promise<Labelled | undefined> {
  const labels = await taskLabels(input, [path], { allowDuplicates: true });
  if (labels === undefined) return undefined;
  const floats = outputs.filter(({ type }) => /^(float|bfloat)/.test(type));
  const batched = isBatched({ outputs, ...engine });
  const count = labels.classes.length;
  const output =
    floats.find((one) => rowSize(one, batched) === count) ??
    (labels.found ? undefined : floats.find((one) => rowSize(one, batched) === undefined));
  if (output !== undefined) return { output: output.name, labels };
  if (labels.found) return undefined;
  const sizes = floats.map((one) => `${one.name} with ${rowSize(one, batched) ?? '?'}`).join(', ');
  throw new TensorRTError(
    'LABELS_INVALID',
    `${labels.file ?? 'The list of labels'} has ${count} classes, and ${path} has no output with so many (${sizes})`,
    { remedy: 'Give the label file that belongs to the model.' },
  );
}

function labelText(classes: readonly string[], file: string | undefined): string {
  const broken = classes.find((label) => /[\r\n]/.test(label));
  if (broken === undefined) return `${classes.join('\n')}\n`;
  throw new TensorRTError(
    'LABELS_INVALID',
    `${file ?? 'The list of labels'}: ${JSON.stringify(broken)} has several lines, and Triton's labels have one`,
    { remedy: 'Give every label in one line.' },
  );
}

/** What Triton needs that the files do not show. */
function serverNotes(manifest: EngineManifest | undefined): string[] {
  if (manifest === undefined || manifest.library.family === 'tensorrt_rtx') return [];
  const gpu = manifest.keyParts?.gpu?.name;
  const where = gpu === undefined ? '' : ` and an ${gpu}`;
  return [`The server needs TensorRT ${manifest.library.version}, which built the engine${where}`];
}

/**
 * Writes an engine into a model repository of NVIDIA's Triton Inference Server: `config.pbtxt` with its
 * inputs, outputs, batching, instances, CUDA graphs and warm-up, the plan as version, labels.
 *
 * Inputs and outputs are taken from the engine's manifest, which needs no GPU; an engine without one
 * is loaded. Triton makes batches when the first extent of all inputs and outputs is dynamic.
 *
 * @param engine Path of the plan.
 * @param options See {@link ExportTritonOptions}.
 * @throws TypeError, RangeError for wrong options, among them a batch that no profile takes.
 * @throws TensorRTError `FILE_NOT_FOUND`, `ENGINE_INVALID`; `LABELS_INVALID`; `MODEL_UNSUPPORTED` for
 *   element types that Triton does not have; `WRITE_FAILED`; without a manifest what
 *   `InferenceSession.create` throws.
 */
export async function exportTriton(
  engine: string,
  options: ExportTritonOptions,
): Promise<ExportTritonResult> {
  if (typeof engine !== 'string') throw expected('engine', 'a path', engine);
  const { repository, modelVersion = 1, signal } = options;
  if (typeof repository !== 'string' || repository === '') {
    throw expected('repository', 'a folder', repository);
  }
  const name = nameOf(engine, options.name);
  integer('modelVersion', modelVersion, 1);
  signal?.throwIfAborted();
  const folder = join(repository, name);
  await checkWritable(folder);
  const { plan, manifest } = await checkedPlan(engine, await readPlan(engine));
  const opened = { plan, planPath: engine };
  const described: EngineInterface = manifest ?? (await askEngine(opened, options));
  const labelled = await findLabelled(engine, described, options.labels);
  const { config, maxBatchSize, notes } = tritonConfig(name, described, options, labelled?.output);
  const text = protobufText(config);
  const files: [path: string, content: Uint8Array | string][] = [
    [join(folder, String(modelVersion), TRITON_PLAN), plan],
  ];
  if (labelled !== undefined) {
    const { classes, file } = labelled.labels;
    files.push([join(folder, TRITON_LABELS), labelText(classes, file)]);
  }
  // Last, so that no server finds a configuration without its plan.
  files.push([join(folder, 'config.pbtxt'), text]);
  signal?.throwIfAborted();
  await writeFiles(files);
  const found = labelled?.labels.found === true ? labelled.labels.file : undefined;
  return {
    folder,
    name,
    files: files.map(([path]) => path),
    config: text,
    maxBatchSize,
    ...defined({ labelsFile: found }),
    notes: [...notes, ...serverNotes(manifest)],
    warnings:
      readPlanHeader(plan)?.kind === 'tensorrt-rtx'
        ? [
            'This is an engine of TensorRT-RTX, which the TensorRT backend of Triton does not load; build with TensorRT',
          ]
        : [],
  };
}
