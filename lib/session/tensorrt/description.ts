import type { NativeEngineInfo } from './binding.js';

/** The shapes that one optimization profile takes, by input. */
export type ProfileShapes = Readonly<
  Record<string, { min: readonly number[]; opt: readonly number[]; max: readonly number[] }>
>;

/** Memory that a session holds, in bytes. */
export interface SessionMemory {
  /** Of the GPU: the engine's weights, as the driver's free memory changed when it was loaded. */
  engineBytes: number;
  /** Of the GPU: scratch memory, inputs and outputs of all contexts. */
  deviceBytes: number;
  /** Of the CPU, page-locked: what inputs and outputs in ordinary memory pass through. */
  stagingBytes: number;
  /** Of the CPU, page-locked: all pinned tensors of this process. */
  pinnedBytes: number;
  /** TensorRT's execution contexts: one a context and kind of shapes. */
  executionContexts: number;
  /** Free and total memory of the GPU, over all processes. */
  gpuFreeBytes: number;
  /** See `gpuFreeBytes`. */
  gpuTotalBytes: number;
}

/** What the profiles of an engine take; none when no shape is dynamic. */
export function profilesOf(engine: NativeEngineInfo): ProfileShapes[] {
  const dynamic = engine.inputs.filter(({ profiles }) => profiles.length > 0);
  if (dynamic.length === 0) return [];
  return Array.from({ length: engine.profiles }, (_, index) =>
    Object.fromEntries(dynamic.map(({ name, profiles }) => [name, profiles[index]!])),
  );
}
