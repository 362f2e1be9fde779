import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { expected } from '../arguments.js';
import { defined } from '../defined.js';
import { messageOf, systemCode, TensorRTError } from '../errors.js';
import { isStream, writeFiles } from '../files.js';
import type { Family, TensorDescription } from '../runtime/index.js';
import type { BuildResult } from './build.js';
import { parseResult, stringifyResult } from './cache/json.js';
import type { CacheKeyParts } from './cache/key.js';
import type { BuildWarning } from './failures.js';
import type { ImageInputInfo } from './image-input.js';
import { countOutputTypes } from './layers.js';
import type { OptimizationProfile } from './options.js';

/** Value of `format` in a manifest. */
export const MANIFEST_FORMAT = 'tensorrt-node-engine';

/** What lies beside a plan as `<plan>.json`. */
export interface EngineManifest {
  /** Always `tensorrt-node-engine`. */
  format: typeof MANIFEST_FORMAT;
  /** Version of this layout. */
  version: 1;
  /** The plan: name, size in bytes, SHA-256 in hex. */
  plan: { file: string; bytes: number; sha256: string };
  /** The library that built it. */
  library: { family: Family; version: string };
  /** Compute capabilities it was built for; absent when the library chose. */
  computeCapabilities?: readonly number[];
  /** The ONNX model: SHA-256 in hex, file name. */
  model: { sha256: string; file?: string };
  /** Inputs; -1 where an extent is dynamic. */
  inputs: readonly TensorDescription[];
  /** Outputs. */
  outputs: readonly TensorDescription[];
  /** Optimization profiles. */
  profiles: readonly OptimizationProfile[];
  /** Number of layers by the element type of their output; empty without a layer report. */
  layerTypes: Readonly<Record<string, number>>;
  /** What the engine itself does to images of bytes; absent when its input is the model's. */
  imageInput?: ImageInputInfo;
  /** What is done to an image before the engine sees it. */
  recipe?: unknown;
  /** What TensorRT warned about; absent in manifests of earlier versions. */
  warnings?: readonly BuildWarning[];
  /** Build time in milliseconds. */
  buildMs: number;
  /** When it was built, ISO 8601. */
  created: string;
  /** Key in the engine cache, SHA-256 in hex of `keyParts`; absent when the build had none. */
  key?: string;
  /** Everything that decided the plan; absent when the build had no key. */
  keyParts?: CacheKeyParts;
  /** In the engine cache: everything else that the build gave, so that a cached one gives it too. */
  result?: StoredResult;
}

/** What a build gives besides the plan and what belongs to one call. */
export type StoredResult = Omit<BuildResult, 'plan' | 'planPath' | 'modelPath' | 'cache'>;

/** Options of {@link saveEngine}. */
export interface SaveEngineOptions {
  /** Preprocessing recipe that goes into the manifest; JSON-serialisable. */
  recipe?: unknown;
}

/** Path of the manifest of a plan. */
export function manifestPath(planPath: string): string {
  return `${planPath}.json`;
}

/**
 * Writes an engine: the plan, which trtexec loads too, and its manifest beside it. Both appear whole
 * or not at all. Beside a device or a pipe, such as /dev/null, there is no manifest.
 *
 * @param result What `buildEngine` gave.
 * @param path Path of the plan.
 * @param options See {@link SaveEngineOptions}.
 * @returns Paths of the files, the plan first, and the manifest.
 * @throws TensorRTError `WRITE_FAILED`.
 */
export async function saveEngine(
  result: BuildResult,
  path: string,
  options: SaveEngineOptions = {},
): Promise<{ files: string[]; manifest: EngineManifest }> {
  if (typeof path !== 'string' || path === '') throw expected('path', 'a path', path);
  const manifest = manifestOf(result, path, options.recipe);
  const files = await writeEngine(path, result.plan, manifest);
  return { files, manifest };
}

/**
 * The manifest of what a build gave.
 *
 * @param result What `buildEngine` gave.
 * @param path Path of the plan.
 * @param recipe Preprocessing recipe; JSON-serialisable.
 */
export function manifestOf(result: BuildResult, path: string, recipe?: unknown): EngineManifest {
  const { plan, modelPath, computeCapabilities, cache } = result;
  return {
    format: MANIFEST_FORMAT,
    version: 1,
    plan: {
      file: basename(path),
      bytes: plan.byteLength,
      sha256: createHash('sha256').update(plan).digest('hex'),
    },
    library: result.library,
    ...defined({ computeCapabilities }),
    model: {
      sha256: result.modelSha256,
      ...(modelPath === undefined ? {} : { file: basename(modelPath) }),
    },
    inputs: result.inputs,
    outputs: result.outputs,
    profiles: result.profiles,
    layerTypes: countOutputTypes(result.layers),
    ...defined({ imageInput: result.imageInput, recipe }),
    warnings: result.warnings,
    buildMs: Math.round(result.elapsedMs),
    created: result.created,
    ...defined({ key: cache.key, keyParts: cache.keyParts }),
  };
}

/**
 * Writes a plan and its manifest; both appear whole or not at all.
 *
 * @returns Paths of what was written.
 * @throws TensorRTError `WRITE_FAILED`.
 */
export async function writeEngine(
  path: string,
  plan: Uint8Array,
  manifest: EngineManifest,
): Promise<string[]> {
  const files: [path: string, content: Uint8Array | string][] = [[path, plan]];
  if (!(await isStream(path))) {
    files.push([manifestPath(path), `${stringifyResult(manifest, 2)}\n`]);
  }
  await writeFiles(files);
  return files.map(([file]) => file);
}

function isManifest(value: unknown): value is EngineManifest {
  const manifest = value as Partial<EngineManifest> | null;
  return (
    typeof manifest === 'object' &&
    manifest?.format === MANIFEST_FORMAT &&
    manifest.version === 1 &&
    typeof manifest.plan?.sha256 === 'string' &&
    Array.isArray(manifest.inputs) &&
    Array.isArray(manifest.outputs) &&
    Array.isArray(manifest.profiles)
  );
}

/**
 * Reads the manifest of a plan.
 *
 * @param planPath Path of the plan.
 * @returns The manifest; undefined when there is none.
 * @throws TensorRTError `ENGINE_INVALID` when it is malformed.
 */
export async function readManifest(planPath: string): Promise<EngineManifest | undefined> {
  const file = manifestPath(planPath);
  let value: unknown;
  try {
    value = parseResult(await readFile(file, 'utf8'));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw malformed(file, messageOf(error), error);
  }
  if (!isManifest(value)) throw malformed(file, 'it is not an engine manifest of version 1');
  return value;
}

function malformed(file: string, why: string, cause?: unknown): TensorRTError {
  return new TensorRTError('ENGINE_INVALID', `Cannot use the manifest ${file}: ${why}`, {
    remedy: 'Build the engine again, or delete the manifest: a plan loads without one.',
    cause,
  });
}
