import type { Labels } from '../dataset/index.js';
import { TensorRTError } from '../errors.js';
import type { Recipe } from '../preprocess/index.js';
import { throttle } from '../progress.js';
import { type Accuracy, AccuracyCounter } from './accuracy.js';
import { type BatchingOptions, type BrokenImage, modelBatches } from './batches.js';
import {
  type Classifier,
  type ClassifierOptions,
  type ImageScores,
  type ModelSource,
  modelPath,
  openClassifier,
  resolveModel,
} from './classifier.js';
import { type Comparison, ComparisonCounter } from './comparison.js';
import { checkRecipe } from './image-size.js';
import { type ImageSourceOptions, imageSource } from './image-source.js';
import { checkLabelCount, folderClasses, type LabelsInput, taskLabels } from './labels.js';
import { type RecipeOptions, taskRecipe } from './recipe.js';

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
  /** Milliseconds spent in the model, all images together. */
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
 * @param model An ONNX classifier: path, bytes, or an open session (which stays open).
 * @param options Images, labels, recipe, the other model, batch, progress, abort signal.
 * @throws TensorRTError `LABELS_INVALID` for a folder that is no class and for another number of
 *   labels than outputs; `IMAGE_INVALID`, `IMAGES_NOT_FOUND`, `FOLDER_UNREADABLE`, `RECIPE_INVALID`,
 *   `MODEL_…`.
 */
export async function evaluate(
  model: ModelSource,
  options: EvaluateOptions,
): Promise<EvaluateResult> {
  const { against, signal } = options;
  const models = await Promise.all(
    (against === undefined ? [model] : [model, against]).map(resolveModel),
  );
  const paths = models.map(modelPath).filter((path) => path !== undefined);
  const labels = await evaluationLabels(options, [...paths, options.images]);
  const { recipe, file } = await taskRecipe(options, paths);
  const source = await imageSource(options, signal === undefined ? {} : { signal });
  const actual = labels === undefined ? undefined : folderClasses(source.paths, labels);
  const subjects: Subject[] = [];
  try {
    for (const one of models) {
      const classifier = await openClassifier(one, options);
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
    const { paths: sources, root } = source;
    for await (const batch of modelBatches(sources, recipe, inputs, options, root, broken)) {
      const answers: ImageScores[][] = [];
      for (const { classifier } of subjects) {
        answers.push(await classifier.run(batch.tensor, signal));
      }
      batch.sources.forEach((name, row) => {
        const image = { source: name, position: actual?.[batch.indices[row]!] };
        const rows = answers.map((list) => list[row]!);
        countImage(subjects, rows, image, labels, comparison);
      });
      done += batch.sources.length;
      report(done + broken.length, sources.length, 'images');
    }
    const [measured, other] = subjects.map(evaluation);
    return {
      model: measured!,
      ...(other === undefined ? {} : { against: other }),
      ...(comparison === undefined ? {} : { comparison: comparison.result() }),
      images: done,
      broken,
      recipe,
      ...(file === undefined ? {} : { recipeFile: file }),
      ...(labels?.file === undefined ? {} : { labelsFile: labels.file }),
    };
  } finally {
    for (const { classifier } of subjects) await classifier.release();
  }
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
