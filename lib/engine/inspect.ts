import { defined } from '../defined.js';
import type { EngineManifest } from './manifest.js';
import { checkedPlan, invalidEngine, readPlan } from './plan-file.js';

/** What the first bytes of a plan say. */
export interface PlanHeader {
  /** Whose plan it is. */
  kind: 'tensorrt' | 'tensorrt-rtx';
  /** Version that built it; absent where the header does not say so (before TensorRT 8.6). */
  version?: string;
  /** Size in bytes that the header states (TensorRT-RTX). */
  bytes?: number;
}

/** What {@link inspectEngine} finds, without a GPU. */
export interface EngineInspection {
  /** Path of the plan. */
  path: string;
  /** Size in bytes. */
  bytes: number;
  /** SHA-256 of the plan, in hex. */
  sha256: string;
  /** What the plan's own header says. */
  header: PlanHeader;
  /** The manifest beside it; absent when there is none. */
  manifest?: EngineManifest;
}

/**
 * Reads the header of a plan.
 *
 * @param bytes The plan, or its first 32 bytes.
 * @returns What it says; undefined when the bytes are no plan.
 */
export function readPlanHeader(bytes: Uint8Array): PlanHeader | undefined {
  if (bytes.byteLength < 32) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = String.fromCharCode(...bytes.subarray(0, 4));
  const version = `${view.getUint8(24)}.${view.getUint8(25)}.${view.getUint8(26)}`;
  if (magic === 'ftrt' || magic === 'ptrt') {
    // trtexec's --getPlanVersionOnly looks at the same place, and knows this layout (0) only.
    const known = view.getUint32(4, true) === 0 && view.getUint8(24) >= 8;
    return { kind: 'tensorrt', ...(known ? { version } : {}) };
  }
  if (magic !== 'vtrt') return undefined;
  // Observed in plans of RTX 1.7.1: size at 16, then major, minor, patch, build.
  return { kind: 'tensorrt-rtx', version, bytes: Number(view.getBigUint64(16, true)) };
}

/**
 * Says what an engine file is, without a GPU: its header, and its manifest when it has one.
 *
 * @param path Path of the plan.
 * @throws TensorRTError `FILE_NOT_FOUND`; `ENGINE_INVALID` when the file is no plan, is truncated, or
 *   is not the one that its manifest describes.
 */
export async function inspectEngine(path: string): Promise<EngineInspection> {
  const { plan: _, ...inspection } = await readEngine(path);
  return inspection;
}

/** {@link inspectEngine}, and the plan. */
export async function readEngine(
  path: string,
): Promise<EngineInspection & { plan: Uint8Array<ArrayBuffer> }> {
  const read = await readPlan(path);
  const { plan, sha256 } = read;
  const header = readPlanHeader(plan);
  if (header === undefined) throw invalidEngine(path, 'it does not begin like a TensorRT plan');
  if (header.bytes !== undefined && header.bytes !== plan.byteLength) {
    throw invalidEngine(
      path,
      `it has ${plan.byteLength} bytes and its header says ${header.bytes}`,
    );
  }
  const { manifest } = await checkedPlan(path, read);
  return {
    plan,
    path,
    bytes: plan.byteLength,
    sha256,
    header,
    ...defined({ manifest }),
  };
}
