import { defined } from '../defined.js';
import { ExactSum } from './exact-sum.js';
import { topK } from './scores.js';

/** An image on which two models do not agree. */
export interface Disagreement {
  /** The image, as it was given. */
  source: string;
  /** Its class, when it is known. */
  actual?: string;
  /** What the first model took it for. */
  predicted: string;
  /** What the other model took it for. */
  against: string;
}

/** How close two models are on the same images. */
export interface Comparison {
  /** Images compared. */
  images: number;
  /** Images with the same class first. */
  agreed: number;
  /** agreed / images. */
  agreement: number;
  /** Images with the same class first whose confidence differs by at most {@link CONFIDENCE_TOLERANCE}. */
  matched: number;
  /** Mean of |a − b| over every output of every image. */
  meanLogitDifference: number;
  /** Largest |a − b|. */
  maxLogitDifference: number;
  /** Mean over the images of the cosine of the angle between the outputs. */
  meanCosine: number;
  /** Smallest of those cosines. */
  minCosine: number;
  /** Mean of the change of the confidence in the first model's class, without its sign. */
  meanConfidenceDifference: number;
  /** Largest such change. */
  maxConfidenceDifference: number;
  /** The first {@link MAX_DISAGREEMENTS} images with another class first. */
  disagreements: Disagreement[];
}

/** How far the confidence in a class may be off for {@link Comparison.matched}. */
export const CONFIDENCE_TOLERANCE = 0.05;

/** How many images {@link Comparison} lists by name, so that its size is bounded. */
export const MAX_DISAGREEMENTS = 100;

/** cos of the angle between two vectors; 1 when both are zero, 0 when one is. */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let dot = 0;
  let squareA = 0;
  let squareB = 0;
  for (let index = 0; index < a.length; index += 1) {
    dot += a[index]! * b[index]!;
    squareA += a[index]! ** 2;
    squareB += b[index]! ** 2;
  }
  if (squareA === 0 || squareB === 0) return squareA === squareB ? 1 : 0;
  return dot / (Math.sqrt(squareA) * Math.sqrt(squareB));
}

/** One image as two models see it. */
export interface ComparedImage {
  /** The image. */
  source: string;
  /** Its class, when it is known. */
  actual?: string;
  /** The first model's outputs as they came. */
  scores: ArrayLike<number>;
  /** The first model's outputs as probabilities. */
  confidence: ArrayLike<number>;
  /** The other model's outputs as they came. */
  againstScores: ArrayLike<number>;
  /** The other model's outputs as probabilities. */
  againstConfidence: ArrayLike<number>;
}

/** What a {@link ComparisonCounter} has counted, so that counts of parts can be joined. */
export interface ComparisonState {
  /** Images compared. */
  images: number;
  /** Images with the same class first. */
  agreed: number;
  /** Images that match: see {@link Comparison.matched}. */
  matched: number;
  /** Numbers compared. */
  values: number;
  /** Exact sum of the distances of the outputs, in numbers that do not overlap. */
  difference: number[];
  /** Largest distance. */
  maxDifference: number;
  /** Exact sum of the cosines. */
  cosine: number[];
  /** Smallest cosine; infinite without an image. */
  minCosine: number;
  /** Exact sum of the changes of confidence. */
  confidence: number[];
  /** Largest such change. */
  maxConfidence: number;
  /** The first images with another class first. */
  disagreements: Disagreement[];
}

/**
 * Compares two models image by image, in bounded memory. Sums are exact, so that the figures of parts of
 * the images join to those of all.
 */
export class ComparisonCounter {
  readonly #label: (index: number) => string;
  #images = 0;
  #agreed = 0;
  #matched = 0;
  #values = 0;
  readonly #difference = new ExactSum();
  #maxDifference = 0;
  readonly #cosine = new ExactSum();
  #minCosine = Number.POSITIVE_INFINITY;
  readonly #confidence = new ExactSum();
  #maxConfidence = 0;
  readonly #disagreements: Disagreement[] = [];

  /** @param label Name of the class with an index. */
  constructor(label: (index: number) => string) {
    this.#label = label;
  }

  /** Counts one image. */
  add(image: ComparedImage): void {
    const { scores, againstScores } = image;
    const first = topK(scores, 1)[0]!;
    const second = topK(againstScores, 1)[0]!;
    this.#images += 1;
    if (first === second) this.#agreed += 1;
    else if (this.#disagreements.length < MAX_DISAGREEMENTS) {
      this.#disagreements.push({
        source: image.source,
        ...defined({ actual: image.actual }),
        predicted: this.#label(first),
        against: this.#label(second),
      });
    }
    let sum = 0;
    for (let index = 0; index < scores.length; index += 1) {
      const difference = Math.abs(scores[index]! - againstScores[index]!);
      sum += difference;
      this.#maxDifference = Math.max(this.#maxDifference, difference);
    }
    this.#difference.add(sum);
    this.#values += scores.length;
    const angle = cosine(scores, againstScores);
    this.#cosine.add(angle);
    this.#minCosine = Math.min(this.#minCosine, angle);
    const change = Math.abs(image.confidence[first]! - image.againstConfidence[first]!);
    if (first === second && change <= CONFIDENCE_TOLERANCE) this.#matched += 1;
    this.#confidence.add(change);
    this.#maxConfidence = Math.max(this.#maxConfidence, change);
  }

  /** Adds what another counter has counted, but for the disagreements it lists. */
  merge(state: ComparisonState): void {
    this.#images += state.images;
    this.#agreed += state.agreed;
    this.#matched += state.matched;
    this.#values += state.values;
    for (const part of state.difference) this.#difference.add(part);
    for (const part of state.cosine) this.#cosine.add(part);
    for (const part of state.confidence) this.#confidence.add(part);
    this.#maxDifference = Math.max(this.#maxDifference, state.maxDifference);
    this.#minCosine = Math.min(this.#minCosine, state.minCosine);
    this.#maxConfidence = Math.max(this.#maxConfidence, state.maxConfidence);
  }

  /** Lists disagreements of the images that were added by {@link merge}, as far as there is room. */
  list(disagreements: readonly Disagreement[]): void {
    const room = MAX_DISAGREEMENTS - this.#disagreements.length;
    this.#disagreements.push(...disagreements.slice(0, room));
  }

  /** What was counted so far. */
  state(): ComparisonState {
    return {
      images: this.#images,
      agreed: this.#agreed,
      matched: this.#matched,
      values: this.#values,
      difference: this.#difference.state,
      maxDifference: this.#maxDifference,
      cosine: this.#cosine.state,
      minCosine: this.#minCosine,
      confidence: this.#confidence.state,
      maxConfidence: this.#maxConfidence,
      disagreements: [...this.#disagreements],
    };
  }

  /** The figures so far. */
  result(): Comparison {
    const images = Math.max(this.#images, 1);
    return {
      images: this.#images,
      agreed: this.#agreed,
      agreement: this.#agreed / images,
      matched: this.#matched,
      meanLogitDifference: this.#difference.value / Math.max(this.#values, 1),
      maxLogitDifference: this.#maxDifference,
      meanCosine: this.#cosine.value / images,
      minCosine: this.#images === 0 ? 0 : this.#minCosine,
      meanConfidenceDifference: this.#confidence.value / images,
      maxConfidenceDifference: this.#maxConfidence,
      disagreements: [...this.#disagreements],
    };
  }
}
