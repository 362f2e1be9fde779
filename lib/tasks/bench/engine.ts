import { stat } from 'node:fs/promises';
import { findModel } from '../../dataset/index.js';
import { defined } from '../../defined.js';
import { type BuildOptions, type BuildResult, buildEngine } from '../../engine/index.js';
import { engineRecipe, recipeArithmetic } from '../recipe.js';
import type { BenchOptions } from './options.js';

/** What a bench runs, and where it comes from. */
export interface BenchEngine {
  /** Path of the plan, or its bytes. */
  source: string | Uint8Array;
  /** What messages call it. */
  label: string;
  /** Size of the plan in bytes. */
  planBytes: number;
  /** How it was built, when it was given as an ONNX model. */
  build?: Omit<BuildResult, 'plan'>;
}

async function isOnnx(path: string): Promise<boolean> {
  if (path.toLowerCase().endsWith('.onnx')) return true;
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

/** With the recipe's numbers in the engine, where it takes images as bytes and nothing says how. */
async function withRecipe(
  build: BuildOptions,
  path: string,
  options: BenchOptions,
): Promise<BuildOptions> {
  if (build.imageInput !== true) return build;
  const found = await engineRecipe(options, path, build.calibration);
  return { ...build, imageInput: recipeArithmetic(found.recipe) };
}

/**
 * The engine of a bench: the plan itself, or what is built of an ONNX model through the engine cache.
 *
 * @param model Path of a plan, of an ONNX model (`….onnx`), or of a folder that holds one.
 * @param options Library, and how to build.
 * @throws As `buildEngine`; TensorRTError `RECIPE_INVALID`.
 */
export async function benchEngine(model: string, options: BenchOptions): Promise<BenchEngine> {
  if (!(await isOnnx(model))) {
    // One that is not there is for the session to say.
    const planBytes = (await stat(model).catch(() => undefined))?.size ?? 0;
    return { source: model, label: model, planBytes };
  }
  const { shapes, build = {}, family, libraryDir, deviceId, signal, onProgress } = options;
  const path = await findModel(model);
  const profile =
    shapes === undefined
      ? undefined
      : Object.fromEntries(
          Object.entries(shapes).map(([name, dims]) => [name, { min: dims, opt: dims, max: dims }]),
        );
  const { plan, ...rest } = await buildEngine(path, {
    ...defined({ family, libraryDir }),
    ...(profile === undefined ? {} : { profiles: [profile] }),
    ...defined({ signal, onProgress }),
    ...(await withRecipe(build, path, options)),
    ...defined({ deviceId }),
  });
  return { source: plan, label: path, planBytes: plan.byteLength, build: rest };
}
