import { integer } from '../arguments.js';
import { defined } from '../defined.js';
import { imageSizes, type Recipe } from '../preprocess/index.js';
import { throttle } from '../progress.js';
import { type BatchingOptions, type BrokenImage, taskBatches } from './batches.js';
import {
  type ClassifierOptions,
  type ModelSource,
  openClassifier,
  resolveModel,
} from './classifier.js';
import { checkRecipe } from './image-size.js';
import { checkLabelCount, type LabelsInput, taskLabels } from './labels.js';
import { recordedRecipe } from './open-engine.js';
import { inFlight, ringMemory } from './pipeline.js';
import { type RecipeOptions, taskRecipe } from './recipe.js';
import { topK } from './scores.js';

/** Options of {@link classify}. */
export interface ClassifyOptions extends ClassifierOptions, RecipeOptions, BatchingOptions {
  /** Class names; by default `*classes.json` beside the model, else the classes are numbered. */
  labels?: LabelsInput;
  /** Classes to return for each image; 5 by default. */
  topK?: number;
  /** Folder that relative image paths start from; the working folder by default. */
  root?: string;
}

/** A class, and how sure the model is of it. */
export interface Prediction {
  /** Name of the class; its number when there are no names. */
  label: string;
  /** Position among the model's outputs. */
  index: number;
  /** Probability, from 0 to 1. */
  confidence: number;
}

/** What a model makes of one image. */
export interface ImageClassification {
  /** The image, as it was given. */
  source: string;
  /** Its position among the images given. */
  position: number;
  /** The most probable classes, most probable first. */
  predictions: Prediction[];
}

/** Result of {@link classify}. */
export interface ClassifyResult {
  /** An entry for each image, in the order given; broken ones are left out. */
  results: ImageClassification[];
  /** Images that were skipped. */
  broken: BrokenImage[];
  /** Whether softmax was applied, because the model's outputs are no probabilities. */
  softmaxApplied: boolean;
  /** How the images were prepared. */
  recipe: Recipe;
  /** The file that the recipe comes from, when it was found and not named. */
  recipeFile?: string;
  /** The file that the class names come from. */
  labelsFile?: string;
  /** What ran the model. */
  provider: string;
  /** Milliseconds in which the model was running, all images together. */
  inferenceMs: number;
}

/** A stream of classifications, and what is known about it once it has ended. */
export interface Classification extends AsyncIterable<ImageClassification> {
  /** Everything but the results; `softmaxApplied`, `broken` and the time are final at the end. */
  summary(): Omit<ClassifyResult, 'results'>;
}

/**
 * Classifies images one by one, as they are ready: memory does not grow with their number. Images of
 * several sizes may come out of order; `position` tells.
 *
 * @param model A classifier: an ONNX model or a TensorRT engine by path or bytes, or an open session
 *   (which stays open).
 * @param images Paths or http(s) addresses.
 * @param options Labels, recipe, number of classes, batch, what runs the model, progress, abort signal.
 * @throws TensorRTError `MODEL_…`, `LABELS_INVALID`, `RECIPE_INVALID`, `IMAGE_INVALID` for an image that
 *   cannot be read unless `skipBroken` is set.
 */
export async function classifyStream(
  model: ModelSource,
  images: readonly string[],
  options: ClassifyOptions = {},
): Promise<Classification> {
  const wanted = integer('topK', options.topK ?? 5, 1);
  const resolved = await resolveModel(model);
  const { path, engine } = resolved;
  const places = path === undefined ? [] : [path];
  const labels = await taskLabels(options.labels, places, { allowDuplicates: true });
  const recorded = engine === undefined ? undefined : recordedRecipe(engine);
  const { recipe, file } = await taskRecipe(
    options,
    places,
    recorded === undefined ? [] : [recorded],
  );
  const { signal, root } = options;
  const classifier = await openClassifier(resolved, options, {
    ...options,
    sizes: () =>
      imageSizes(images, recipe, {
        ...defined({ root, signal }),
      }),
  });
  const broken: BrokenImage[] = [];
  const report = throttle(options.onProgress, 'classify');
  try {
    checkRecipe(classifier.input, recipe);
    if (labels !== undefined && classifier.classes !== undefined) {
      checkLabelCount(labels, classifier.classes, classifier.label);
    }
  } catch (error) {
    await classifier.release();
    throw error;
  }

  async function* stream(): AsyncGenerator<ImageClassification> {
    let done = 0;
    const depth = classifier.concurrency;
    const memory = ringMemory(depth, (bytes) => classifier.allocate(bytes));
    try {
      const batches = taskBatches(
        images,
        recipe,
        [classifier.input],
        options,
        root,
        broken,
        (bytes) => memory.next(bytes),
      );
      const runs = inFlight(batches, ({ tensor }) => classifier.run(tensor, signal, recipe), depth);
      for await (const [batch, answers] of runs) {
        for (const [row, { confidence }] of answers.entries()) {
          if (labels !== undefined) checkLabelCount(labels, confidence.length, classifier.label);
          yield {
            source: batch.sources[row]!,
            position: batch.indices[row]!,
            predictions: topK(confidence, wanted).map((index) => ({
              label: labels?.classes[index] ?? String(index),
              index,
              confidence: confidence[index]!,
            })),
          };
        }
        done += answers.length;
        report(done + broken.length, images.length, 'images');
      }
    } finally {
      memory.dispose();
      await classifier.release();
    }
  }

  const results = stream();
  return {
    [Symbol.asyncIterator]: () => results,
    summary: () => ({
      broken,
      softmaxApplied: classifier.softmaxApplied,
      recipe,
      ...defined({ recipeFile: file, labelsFile: labels?.file }),
      provider: classifier.provider,
      inferenceMs: classifier.inferenceMs,
    }),
  };
}

/**
 * Classifies images: {@link classifyStream}, collected and in the order given.
 *
 * @param model A classifier: an ONNX model or a TensorRT engine by path or bytes, or an open session
 *   (which stays open).
 * @param images Paths or http(s) addresses.
 * @param options Labels, recipe, number of classes, batch, what runs the model, progress, abort signal.
 * @throws TensorRTError as {@link classifyStream}.
 */
export async function classify(
  model: ModelSource,
  images: readonly string[],
  options: ClassifyOptions = {},
): Promise<ClassifyResult> {
  const stream = await classifyStream(model, images, options);
  const results: ImageClassification[] = [];
  for await (const result of stream) results.push(result);
  results.sort((a, b) => a.position - b.position);
  return { results, ...stream.summary() };
}
