import { defined } from '../defined.js';
import type { OnnxModel } from '../onnx/index.js';
import { type OnProgress, throttle } from '../progress.js';
import { type QuantizeOptions, type QuantizeResult, quantizeModel } from '../quantization/index.js';
import { type AgreementScore, Reference } from './agreement.js';
import { type ClassifierOptions, openClassifier } from './classifier.js';
import type { HeldBatches } from './held-batches.js';
import type { ScoreCache } from './sensitivity-cache.js';
import type { SensitivityUnit } from './sensitivity-units.js';

/** The int8 form of a model in which more and more may stay float. */
export class PartlyFloat {
  readonly #model: OnnxModel;
  readonly #amaxes: ReadonlyMap<string, number>;
  readonly #options: QuantizeOptions;

  /**
   * @param model The float model.
   * @param amaxes Its ranges.
   * @param options How it is quantized otherwise.
   */
  constructor(model: OnnxModel, amaxes: ReadonlyMap<string, number>, options: QuantizeOptions) {
    this.#model = model;
    this.#amaxes = amaxes;
    this.#options = options;
  }

  /** The model with these parts float. */
  form(float: readonly SensitivityUnit[]): QuantizeResult {
    const nodes = float.flatMap((unit) => unit.nodes);
    const exclude = [...(this.#options.exclude ?? []), ...nodes];
    return quantizeModel(this.#model, this.#amaxes, { ...this.#options, exclude });
  }
}

/** What {@link FloatScorer.open} takes. */
export interface FloatScorerOptions {
  /** Path of the float model. */
  path: string;
  /** The forms to score. */
  forms: PartlyFloat;
  /** The images. */
  batches: HeldBatches;
  /** Scores that are known. */
  cache: ScoreCache;
  /** How sessions are opened. */
  session: ClassifierOptions;
  /** Number of images, for progress. */
  total: number;
  signal?: AbortSignal;
  onProgress?: OnProgress;
}

/** Scores forms of a model against its FP32 outputs, each once. */
export class FloatScorer {
  readonly #options: FloatScorerOptions;
  readonly #reference: Reference;
  #onImages: (images: number) => void = () => {};

  private constructor(options: FloatScorerOptions, reference: Reference) {
    this.#options = options;
    this.#reference = reference;
  }

  /** Computes the FP32 outputs. */
  static async open(options: FloatScorerOptions): Promise<FloatScorer> {
    const { path, batches, session, total, signal, onProgress } = options;
    const report = throttle(onProgress, 'reference');
    let done = 0;
    const classifier = await openClassifier(path, session);
    try {
      const reference = await Reference.compute(classifier, batches, session, {
        ...defined({ signal }),
        onImages: (images) => {
          done += images;
          report(done, total, 'images');
        },
      });
      return new FloatScorer(options, reference);
    } finally {
      await classifier.release();
    }
  }

  /** Images that are compared. */
  get images(): number {
    return this.#reference.images;
  }

  /**
   * Begins a phase of progress.
   *
   * @param phase Its name.
   * @param forms How many forms will be scored; absent when nobody knows.
   */
  begin(phase: string, forms?: number): void {
    const report = throttle(this.#options.onProgress, phase);
    const total = forms === undefined ? undefined : forms * this.images;
    let done = 0;
    this.#onImages = (images) => {
      done += images;
      report(done, total, 'images');
    };
  }

  /** The score with these parts float. */
  async score(float: readonly SensitivityUnit[]): Promise<AgreementScore> {
    const { signal, cache, forms } = this.#options;
    signal?.throwIfAborted();
    const nodes = float.flatMap((unit) => unit.nodes);
    const known = cache.get(nodes);
    if (known !== undefined) {
      this.#onImages(this.images);
      return known;
    }
    const score = await this.#reference.score(forms.form(float).model, {
      ...defined({ signal }),
      onImages: this.#onImages,
    });
    await cache.set(nodes, score);
    return score;
  }
}
