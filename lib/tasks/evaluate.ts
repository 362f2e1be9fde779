import type { Labels } from '../dataset/index.js';
import { defined } from '../defined.js';
import { TensorRTError } from '../errors.js';
import { type FoundSize, imageSizes, type Recipe } from '../preprocess/index.js';
import { throttle } from '../progress.js';
import { type Accuracy, AccuracyCounter } from './accuracy.js';
import { type BatchingOptions, type BrokenImage, type TaskBatch, taskBatches } from './batches.js';
import {
  type Classifier,
  type ClassifierOptions,
  type ImageScores,
  type ModelSource,
  openClassifier,
  resolveModel,
} from './classifier.js';
import { type Comparison, ComparisonCounter, type ComparisonState } from './comparison.js';
import { checkRecipe } from './image-size.js';
import { type ImageSource, type ImageSourceOptions, imageSource } from './image-source.js';
import { checkLabelCount, folderClasses, type LabelsInput, taskLabels } from './labels.js';
import { type Provider, recordedRecipe } from './open-engine.js';
import { type BatchMemory, inFlight, type OwnedMemory, ringMemory } from './pipeline.js';
import { type RecipeOptions, taskRecipe } from './recipe.js';
import { type Shard, shardOf } from './shard.js';

/** Options of {@link evaluate}. */
export interface EvaluateOptions
  extends Omit<ClassifierOptions, 'label'>,
    RecipeOptions,
    ImageSourceOptions,
    BatchingOptions {
  /**
   * Class names, which the folders of the images are called by; by default `*classes.json` beside
   * the model or the images. `false` compares two models on images of unknown class.
   */
  labels?: LabelsInput | false;
  /** Another model, to be compared with the first on the same images. */
  against?: ModelSource;
  /**
   * What runs the other model when it is an ONNX one: `onnxruntime` by default, whatever runs the first.
   * TensorRT builds it in float32 without TF32, so that it stands for the model as it was trained.
   */
  againstProvider?: Provider;
}

/** What was found out about one model. */
export interface ModelEvaluation {
  /** The model. */
  model: string;
  /** How often it is right; absent without labels. */
  accuracy?: Accuracy;
  /** Whether softmax was applied to its outputs, because they are no probabilities. */
  softmaxApplied: boolean;
  /** What ran it. */
  provider: string;
  /** Milliseconds in which it was running, all images together. */
  inferenceMs: number;
}

/** Result of {@link evaluate}. */
export interface EvaluateResult {
  /** The model. */
  model: ModelEvaluation;
  /** The other model, when there is one. */
  against?: ModelEvaluation;
  /** How close the two are. */
  comparison?: Comparison;
  /** Images that were evaluated. */
  images: number;
  /** Images that were skipped. */
  broken: BrokenImage[];
  /** How the images were prepared. */
  recipe: Recipe;
  /** The file that the recipe comes from, when it was found and not named. */
  recipeFile?: string;
  /** The file that the class names come from. */
  labelsFile?: string;
}

/** What {@link evaluateImages} gives. */
export interface CountedEvaluation {
  /** The figures. */
  result: EvaluateResult;
  /** All images, of which a shard takes some. */
  whole: ImageSource;
  /** What was compared, so that it can be joined. */
  comparison: ComparisonState | undefined;
}

interface Subject {
  classifier: Classifier;
  accuracy: AccuracyCounter | undefined;
}

function evaluation({ classifier, accuracy }: Subject): ModelEvaluation {
  return {
    model: classifier.label,
    ...(accuracy === undefined ? {} : { accuracy: accuracy.result() }),
    softmaxApplied: classifier.softmaxApplied,
    provider: classifier.provider,
    inferenceMs: classifier.inferenceMs,
  };
}

async function evaluationLabels(options: EvaluateOptions, places: readonly string[]) {
  if (options.labels === false) {
    if (options.against !== undefined) return undefined;
    throw new TypeError('Expected labels, or a model to compare against, but received neither');
  }
  const labels = await taskLabels(options.labels, places);
  if (labels !== undefined) return labels;
  throw new TensorRTError(
    'LABELS_INVALID',
    `No labels: there is no *classes.json beside ${places.join(' or ')}`,
    { remedy: 'Name the label file (--labels FILE).' },
  );
}

/**
 * Measures how often a classifier is right on images that lie in a folder for each class, and how
 * close another model is to it on the same images. Images stream: memory does not grow with their
 * number.
 *
 * @param model A classifier: an ONNX model or a TensorRT engine by path or bytes, or an open session
 *   (which stays open).
 * @param options Images, labels, recipe, the other model, what runs them, batch, progress, abort signal.
 * @throws TensorRTError `LABELS_INVALID` for a folder that is no class and for another number of
 *   labels than outputs; `IMAGE_INVALID`, `IMAGES_NOT_FOUND`, `FOLDER_UNREADABLE`, `RECIPE_INVALID`,
 *   `MODEL_…`.
 */
export async function evaluate(
  model: ModelSource,
  options: EvaluateOptions,
): Promise<EvaluateResult> {
  return (await evaluateImages(model, options)).result;
}

/** {@link evaluate} over all images or those of a shard, with what joining shards takes. */
export async function evaluateImages(
  model: ModelSource,
  options: EvaluateOptions,
  shard?: Shard,
): Promise<CountedEvaluation> {
  const { against, signal } = options;
  const models = await Promise.all(
    (against === undefined ? [model] : [model, against]).map(resolveModel),
  );
  const paths = models.map(({ path }) => path).filter((path) => path !== undefined);
  const labels = await evaluationLabels(options, [...paths, options.images]);
  const recorded = models.flatMap(({ engine }) => {
    return engine === undefined ? [] : (recordedRecipe(engine) ?? []);
  });
  const { recipe, file } = await taskRecipe(options, paths, recorded);
  const whole = await imageSource(options, defined({ signal }));
  const source = shard === undefined ? whole : shardOf(whole, shard, options.batch ?? 1);
  const actual = labels === undefined ? undefined : folderClasses(source.paths, labels);
  const subjects: Subject[] = [];
  const { root } = source;
  let sizes: Promise<FoundSize[]> | undefined;
  const call = defined({ signal });
  const images = {
    ...options,
    sizes: () => {
      sizes ??= imageSizes(whole.paths, recipe, { root, ...call });
      return sizes;
    },
  };
  let memory: BatchMemory | undefined;
  try {
    for (const [index, one] of models.entries()) {
      const classifier = await openClassifier(
        one,
        index === 0 ? options : referenceOptions(options),
        images,
      );
      const accuracy = labels === undefined ? undefined : new AccuracyCounter(labels.classes);
      subjects.push({ classifier, accuracy });
      checkRecipe(classifier.input, recipe);
      if (labels !== undefined && classifier.classes !== undefined) {
        checkLabelCount(labels, classifier.classes, classifier.label);
      }
    }
    const comparison =
      against === undefined
        ? undefined
        : new ComparisonCounter((index) => labels?.classes[index] ?? String(index));
    const broken: BrokenImage[] = [];
    const report = throttle(options.onProgress, 'evaluate');
    const inputs = subjects.map(({ classifier }) => classifier.input);
    let done = 0;
    const { paths: sources } = source;
    const depth = Math.max(...subjects.map(({ classifier }) => classifier.concurrency));
    const ring = ringMemory(depth, (bytes) => allocate(subjects, bytes));
    memory = ring;
    const batches = taskBatches(sources, recipe, inputs, options, root, broken, (bytes) =>
      ring.next(bytes),
    );
    const runs = inFlight(batches, (batch) => answersOf(subjects, batch, recipe, signal), depth);
    for await (const [batch, answers] of runs) {
      batch.sources.forEach((name, row) => {
        const image = { source: name, position: actual?.[batch.indices[row]!] };
        const rows = answers.map((list) => list[row]!);
        countImage(subjects, rows, image, labels, comparison);
      });
      done += batch.sources.length;
      report(done + broken.length, sources.length, 'images');
    }
    const [measured, other] = subjects.map(evaluation);
    const result = {
      model: measured!,
      ...defined({ against: other }),
      ...(comparison === undefined ? {} : { comparison: comparison.result() }),
      images: done,
      broken,
      recipe,
      ...defined({ recipeFile: file, labelsFile: labels?.file }),
    };
    return { result, whole, comparison: comparison?.state() };
  } finally {
    memory?.dispose();
    for (const { classifier } of subjects) await classifier.release();
  }
}

/** How the other model is run: as it was trained. */
function referenceOptions(options: EvaluateOptions): ClassifierOptions {
  const { againstProvider = 'onnxruntime', build, ...rest } = options;
  const cache = defined({ cache: build?.cache });
  return { ...rest, provider: againstProvider, build: { tf32: false, ...cache } };
}

/** Memory that the GPU of the first session that has one reads. */
function allocate(subjects: readonly Subject[], bytes: number): OwnedMemory {
  const chosen = subjects.find(({ classifier }) => classifier.concurrency > 1) ?? subjects[0]!;
  return chosen.classifier.allocate(bytes);
}

/** The answers of every model, the first model's first; those on a GPU work at the same time. */
async function answersOf(
  subjects: readonly Subject[],
  { tensor }: TaskBatch,
  recipe: Recipe,
  signal: AbortSignal | undefined,
): Promise<ImageScores[][]> {
  const settled = await Promise.allSettled(
    subjects.map(({ classifier }) => classifier.run(tensor, signal, recipe)),
  );
  // What failed first is told when nothing reads the batch any more.
  return settled.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

/** Counts one image: a row for each model, the first model's first. */
function countImage(
  subjects: readonly Subject[],
  answers: readonly ImageScores[],
  image: { source: string; position: number | undefined },
  labels: Labels | undefined,
  comparison: ComparisonCounter | undefined,
): void {
  const { source, position } = image;
  subjects.forEach(({ accuracy, classifier }, which) => {
    const { scores } = answers[which]!;
    if (labels !== undefined) checkLabelCount(labels, scores.length, classifier.label);
    if (position !== undefined) accuracy?.add(position, scores);
  });
  const [first, second] = answers;
  if (comparison === undefined || first === undefined || second === undefined) return;
  checkSameOutputs(subjects, first.scores.length, second.scores.length);
  comparison.add({
    source,
    ...(position === undefined || labels === undefined
      ? {}
      : { actual: labels.classes[position]! }),
    scores: first.scores,
    confidence: first.confidence,
    againstScores: second.scores,
    againstConfidence: second.confidence,
  });
}

function checkSameOutputs(subjects: readonly Subject[], first: number, second: number): void {
  if (first === second) return;
  const [a, b] = subjects.map(({ classifier }) => classifier.label);
  throw new TensorRTError(
    'MODEL_UNSUPPORTED',
    `${a} has ${first} outputs and ${b} has ${second}: they cannot be compared`,
    { remedy: 'Compare two forms of the same model.' },
  );
}
