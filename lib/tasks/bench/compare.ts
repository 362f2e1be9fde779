import { findModel } from '../../dataset/index.js';
import { defined } from '../../defined.js';
import type { BuildOptions } from '../../engine/index.js';
import { InferenceSession } from '../../session/index.js';
import { evaluate } from '../evaluate.js';
import { engineRecipe, recipeArithmetic } from '../recipe.js';
import { type BenchResult, benchOpened, sessionOptionsOf } from './bench.js';
import { type CompareImages, compareImages } from './compare-images.js';
import { type BenchEngine, benchEngine } from './engine.js';
import { type BenchOptions, benchSwitches } from './options.js';
import { BASELINE, parseVariants, type Variant } from './variants.js';

/** Options of {@link compareVariants}. */
export interface CompareOptions
  extends Omit<BenchOptions, 'profile' | 'outputs' | 'layerInfo' | 'loadInputs'> {
  /** Variants: precisions joined by `+`, such as `fp16` and `int8+fp16`; `fp32` is always among them. */
  compare: readonly string[];
  /** Ranges for INT8: a calibration folder, or a table. */
  calibration?: BuildOptions['calibration'];
  /** Images to compare on; without them speed alone is measured. */
  evaluate?: CompareImages;
}

/** How close a variant is to FP32 on the images. */
export interface VariantAccuracy {
  /** Images compared. */
  images: number;
  /** Part of them with FP32's class first. */
  agreement: number;
  /** Mean change of the confidence in FP32's class, without its sign. */
  meanConfidenceDifference: number;
  /** Largest such change. */
  maxConfidenceDifference: number;
  /** How often it is right; absent without labels. */
  top1?: number;
}

/** One variant with its speed and accuracy. */
export interface ComparedVariant {
  /** Name, such as `int8+fp16`. */
  variant: string;
  /** Median of `session.run` from ordinary memory, in milliseconds. */
  runMs: number;
  /** Median of the computation on the GPU, in milliseconds. */
  computeMs: number;
  /** Images a second in the native loop with pinned transfers. */
  imagesPerSecond: number;
  /** Times as fast as FP32, by `runMs`. */
  speedup: number;
  /** Size of the plan in bytes. */
  planBytes: number;
  /** Beside FP32; absent without images, and for FP32 itself but for `top1`. */
  accuracy?: VariantAccuracy;
  /** All that was measured of its speed. */
  bench: BenchResult;
}

/** Result of {@link compareVariants}. */
export interface CompareResult {
  /** The variants, FP32 first. */
  variants: ComparedVariant[];
  /** Which one to ship, and why. */
  ship: { variant: string; reason: string };
}

/** Part of the images on which a variant must give FP32's class to be shipped. */
export const SHIP_AGREEMENT = 0.99;
/** Mean change of confidence that a variant may have to be shipped. */
export const SHIP_CONFIDENCE = 0.05;

const percent = (part: number) => `${(part * 100).toFixed(1)} %`;

function closeEnough({ variant, accuracy }: ComparedVariant): boolean {
  if (variant === BASELINE || accuracy === undefined) return true;
  return (
    accuracy.agreement >= SHIP_AGREEMENT && accuracy.meanConfidenceDifference <= SHIP_CONFIDENCE
  );
}

/**
 * The variant to ship: the fastest of those that agree with FP32 on at least 99 % of the images with a
 * mean change of confidence of at most 0.05.
 *
 * @param variants FP32 first.
 */
export function chooseVariant(variants: readonly ComparedVariant[]): CompareResult['ship'] {
  const fastest = (list: readonly ComparedVariant[]) =>
    list.reduce((best, one) => (one.runMs < best.runMs ? one : best));
  const chosen = fastest(variants.filter(closeEnough));
  const { variant, accuracy, speedup } = chosen;
  const faster = `${speedup.toFixed(2)}x as fast as FP32`;
  const measured = variants.some((one) => one.variant !== BASELINE && one.accuracy !== undefined);
  if (!measured) return { variant, reason: `${faster}; its accuracy was not measured` };
  if (variant === BASELINE) {
    const quicker = fastest(variants);
    if (quicker === chosen) return { variant, reason: 'nothing else is faster' };
    return {
      variant,
      reason:
        `what is faster is too far from it: ${quicker.variant} agrees on ` +
        `${percent(quicker.accuracy!.agreement)} of the images`,
    };
  }
  return {
    variant,
    reason:
      `${faster}, agrees on ${percent(accuracy!.agreement)} of ${accuracy!.images} images, ` +
      `confidence changes by ${accuracy!.meanConfidenceDifference.toFixed(4)} on average`,
  };
}

interface Built {
  variant: Variant;
  engine: BenchEngine;
  bench: BenchResult;
}

/**
 * With the recipe's numbers in the engines that take images as bytes: one recipe for all of them, though
 * not all have the table that it may come from.
 */
async function withRecipe(
  variants: Variant[],
  model: string,
  images: CompareImages | undefined,
  options: CompareOptions,
): Promise<Variant[]> {
  if (variants.every((variant) => variant.options.imageInput === undefined)) return variants;
  const path = await findModel(model);
  const { recipe } = await engineRecipe(images ?? options, path, options.calibration);
  const imageInput = recipeArithmetic(recipe);
  return variants.map((variant) =>
    variant.options.imageInput === undefined
      ? variant
      : { ...variant, options: { ...variant.options, imageInput } },
  );
}

async function measureVariant(variant: Variant, model: string, options: CompareOptions) {
  // Precisions are the variant's alone.
  const { int8, fp16, bf16, best, tf32, calibration, calibrator, imageInput, ...common } =
    options.build ?? {};
  const build = { ...common, ...variant.options };
  const engine = await benchEngine(model, { ...options, build });
  const bench = await benchOpened(engine, { ...options, overhead: true });
  return { variant, engine, bench };
}

async function accuracyOf(
  baseline: InferenceSession,
  other: InferenceSession,
  images: CompareImages,
  { signal, onProgress }: CompareOptions,
): Promise<{ accuracy: VariantAccuracy; baselineTop1?: number }> {
  const result = await evaluate(baseline, {
    ...images,
    against: other,
    ...defined({ signal, onProgress }),
  });
  const { agreement, meanConfidenceDifference, maxConfidenceDifference } = result.comparison!;
  const own = result.against?.accuracy?.top1;
  const first = result.model.accuracy?.top1;
  return {
    accuracy: {
      images: result.images,
      agreement,
      meanConfidenceDifference,
      maxConfidenceDifference,
      ...defined({ top1: own }),
    },
    ...defined({ baselineTop1: first }),
  };
}

function row({ variant, bench }: Built, baselineMs: number): ComparedVariant {
  const runMs = bench.overhead[0]!.run;
  const batch = Object.values(bench.engine.shapes)[0]?.[0] ?? 1;
  return {
    variant: variant.name,
    runMs,
    computeMs: bench.times.compute.median,
    imagesPerSecond: bench.throughput * batch,
    speedup: baselineMs / runMs,
    planBytes: bench.engine.planBytes,
    bench,
  };
}

/**
 * Builds a model in several precisions, through the engine cache, measures the speed of each and, with
 * images, how close it is to FP32, and says which one to ship.
 *
 * @param model Path of an ONNX model, or of a folder that holds one.
 * @param options Variants, calibration, images, and what `bench` takes. CUDA graphs are on by default.
 * @throws As `bench` and `evaluate`.
 */
export async function compareVariants(
  model: string,
  options: CompareOptions,
): Promise<CompareResult> {
  const named = parseVariants(options.compare, options.calibration);
  const { evaluate: asked, calibration, recipe, size, divisor } = options;
  // Before anything is built: what is wrong with them is known at once.
  const images =
    asked &&
    (await compareImages(model, { ...defined({ recipe, size, divisor }), ...asked }, calibration));
  const variants = await withRecipe(named, model, images, options);
  const settings = { ...options, useCudaGraph: options.useCudaGraph ?? true };
  const built: Built[] = [];
  for (const variant of variants) {
    built.push(await measureVariant(variant, model, settings));
  }
  const baselineMs = built[0]!.bench.overhead[0]!.run;
  const rows = built.map((one) => row(one, baselineMs));
  if (images !== undefined) {
    const opened = { ...sessionOptionsOf(settings, benchSwitches(settings)), contexts: 2 };
    const open = ({ engine }: Built) => InferenceSession.create(engine.source, opened);
    const baseline = await open(built[0]!);
    try {
      for (const [index, one] of built.entries()) {
        if (index === 0 && built.length > 1) continue;
        const other = await open(one);
        try {
          const { accuracy, baselineTop1 } = await accuracyOf(baseline, other, images, settings);
          rows[index]!.accuracy = accuracy;
          rows[0]!.accuracy ??= {
            images: accuracy.images,
            agreement: 1,
            meanConfidenceDifference: 0,
            maxConfidenceDifference: 0,
            ...defined({ top1: baselineTop1 }),
          };
        } finally {
          await other.release();
        }
      }
    } finally {
      await baseline.release();
    }
  }
  return { variants: rows, ship: chooseVariant(rows) };
}
