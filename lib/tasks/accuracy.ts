import { topK } from './scores.js';

/** What is known of one class after an evaluation. */
export interface ClassMetrics {
  /** The class. */
  label: string;
  /** Images of the class. */
  count: number;
  /** Those of them that were recognised. */
  correct: number;
  /** Images that were taken for the class, rightly or not. */
  predicted: number;
  /** correct / predicted; `null` when nothing was taken for the class. */
  precision: number | null;
  /** correct / count; `null` when there was no image of the class. */
  recall: number | null;
}

/** How often a model is right. */
export interface Accuracy {
  /** Images counted. */
  images: number;
  /** Images whose class came first. */
  correct: number;
  /** correct / images. */
  top1: number;
  /** Images whose class was among the first five, as a fraction. */
  top5: number;
  /** Each class, in the order of the model's outputs. */
  classes: ClassMetrics[];
  /** `confusion[actual][predicted]`: number of images. */
  confusion: number[][];
}

/** Counts right answers image by image; its size depends on the number of classes alone. */
export class AccuracyCounter {
  readonly #classes: readonly string[];
  readonly #confusion: number[][];
  #images = 0;
  #top5 = 0;

  constructor(classes: readonly string[]) {
    this.#classes = classes;
    this.#confusion = classes.map(() => new Array<number>(classes.length).fill(0));
  }

  /**
   * Counts one image.
   *
   * @param actual Index of its class.
   * @param scores The model's numbers for it, one a class.
   * @returns Index of the class that came first.
   */
  add(actual: number, scores: ArrayLike<number>): number {
    const best = topK(scores, 5);
    const predicted = best[0]!;
    this.#images += 1;
    if (best.includes(actual)) this.#top5 += 1;
    this.#confusion[actual]![predicted]! += 1;
    return predicted;
  }

  /** Adds the figures of other images. */
  merge({ images, top5, confusion }: Accuracy): void {
    this.#images += images;
    // The fraction of whole numbers far below 2^53 gives back the number.
    this.#top5 += Math.round(top5 * images);
    confusion.forEach((row, actual) => {
      row.forEach((count, predicted) => {
        this.#confusion[actual]![predicted]! += count;
      });
    });
  }

  /** The figures so far. */
  result(): Accuracy {
    const classes = this.#classes.map((label, index) => {
      const row = this.#confusion[index]!;
      const count = row.reduce((sum, value) => sum + value, 0);
      const predicted = this.#confusion.reduce((sum, other) => sum + other[index]!, 0);
      const correct = row[index]!;
      const precision = predicted === 0 ? null : correct / predicted;
      return {
        label,
        count,
        correct,
        predicted,
        precision,
        recall: count === 0 ? null : correct / count,
      };
    });
    const correct = classes.reduce((sum, metrics) => sum + metrics.correct, 0);
    const part = (value: number) => (this.#images === 0 ? 0 : value / this.#images);
    return {
      images: this.#images,
      correct,
      top1: part(correct),
      top5: part(this.#top5),
      classes,
      confusion: this.#confusion.map((row) => [...row]),
    };
  }
}
