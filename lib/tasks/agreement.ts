import { encodeModel, type OnnxModel } from '../onnx/index.js';
import { type Classifier, type ClassifierOptions, openClassifier } from './classifier.js';
import type { HeldBatches } from './held-batches.js';
import { topK } from './scores.js';

/** How close a form of a model is to the FP32 model on the same images. */
export interface AgreementScore {
  /** Images compared. */
  images: number;
  /** Images with the same class first. */
  agreed: number;
  /** agreed / images. */
  agreement: number;
  /** Mean of |a − b| over every output of every image. */
  logitDistance: number;
  /** {@link logitDistance} as a part of the mean of |a|, the FP32 model's outputs. */
  relativeDistance: number;
}

/** What {@link Reference.score} takes besides the model. */
export interface ScoreOptions {
  /** Stops between batches. */
  signal?: AbortSignal;
  /** Told how many more images are done. */
  onImages?: (images: number) => void;
}

type Outputs = Float32Array | Float64Array;

/** The FP32 model's outputs for a set of images, computed once, and what is compared with them. */
export class Reference {
  /** Images that there are. */
  readonly images: number;
  readonly #batches: HeldBatches;
  readonly #outputs: readonly Outputs[];
  readonly #options: ClassifierOptions;

  private constructor(
    batches: HeldBatches,
    outputs: readonly Outputs[],
    options: ClassifierOptions,
  ) {
    this.#batches = batches;
    this.#outputs = outputs;
    this.images = outputs.length;
    this.#options = options;
  }

  /**
   * Runs the FP32 model over all images.
   *
   * @param classifier The model; it stays open.
   * @param batches The images.
   * @param options How other forms of the model are opened.
   * @param call Abort signal, progress.
   */
  static async compute(
    classifier: Classifier,
    batches: HeldBatches,
    options: ClassifierOptions,
    call: ScoreOptions = {},
  ): Promise<Reference> {
    const outputs: Outputs[] = [];
    await eachImage(classifier, batches, call, (scores) => outputs.push(scores));
    return new Reference(batches, outputs, options);
  }

  /**
   * Runs another form of the model over the same images.
   *
   * @param model The model, such as the quantized one.
   * @param call Abort signal, progress.
   * @throws TensorRTError `MODEL_…`, `INFERENCE_FAILED`.
   */
  async score(model: OnnxModel, call: ScoreOptions = {}): Promise<AgreementScore> {
    const classifier = await openClassifier(encodeModel(model), this.#options);
    const counter = new AgreementCounter();
    let position = 0;
    try {
      await eachImage(classifier, this.#batches, call, (scores) => {
        counter.add(this.#outputs[position]!, scores);
        position += 1;
      });
    } finally {
      await classifier.release();
    }
    return counter.result();
  }
}

async function eachImage(
  classifier: Classifier,
  batches: HeldBatches,
  { signal, onImages }: ScoreOptions,
  look: (scores: Outputs) => void,
): Promise<void> {
  for await (const { tensor, sources } of batches.batches()) {
    signal?.throwIfAborted();
    for (const { scores } of await classifier.run(tensor, signal)) look(scores);
    onImages?.(sources.length);
  }
}

/** Compares outputs image by image. */
export class AgreementCounter {
  #images = 0;
  #agreed = 0;
  #values = 0;
  #difference = 0;
  #magnitude = 0;

  /**
   * Counts one image.
   *
   * @param reference The FP32 model's outputs.
   * @param scores The other model's.
   */
  add(reference: ArrayLike<number>, scores: ArrayLike<number>): void {
    this.#images += 1;
    if (topK(reference, 1)[0] === topK(scores, 1)[0]) this.#agreed += 1;
    this.#values += reference.length;
    for (let i = 0; i < reference.length; i += 1) {
      this.#difference += Math.abs(reference[i]! - scores[i]!);
      this.#magnitude += Math.abs(reference[i]!);
    }
  }

  /** The figures so far. */
  result(): AgreementScore {
    const relative = this.#magnitude === 0 ? 0 : this.#difference / this.#magnitude;
    return {
      images: this.#images,
      agreed: this.#agreed,
      agreement: this.#images === 0 ? 0 : this.#agreed / this.#images,
      logitDistance: this.#values === 0 ? 0 : this.#difference / this.#values,
      relativeDistance: relative,
    };
  }
}
