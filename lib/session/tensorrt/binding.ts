/**
 * What a family's native module exports for sessions. Types only; the other side of this contract is
 * native/node/session_module.cc and session_object.cc.
 */

/** Options of `openSession`; checked before. */
export interface NativeOpenOptions {
  inferLibrary: string;
  planPath?: string;
  planBytes?: Uint8Array;
  deviceId: number;
  contexts: number;
  graph: boolean;
  spin: boolean;
  spinMicroseconds: number;
  aheadMicroseconds: number;
  maxQueued: number;
  profile?: number;
  warmUp: boolean;
}

/** A failure as it crosses: TypeScript makes a TensorRTError of it. */
export interface NativeFailure {
  code: string;
  message: string;
  remedy: string;
  detail: string[];
}

/** The shapes of one kind of run, prepared once. */
export interface NativeShapes {
  id: number;
  profile: number;
  inputs: number[][];
  outputs: number[][];
}

/** One input or output; -1 is a dynamic extent. */
export interface NativeBindingInfo {
  name: string;
  type: string;
  shape: number[];
  profiles: { min: number[]; opt: number[]; max: number[] }[];
}

/** What the plan says of itself. */
export interface NativeEngineInfo {
  name: string;
  inputs: NativeBindingInfo[];
  outputs: NativeBindingInfo[];
  profiles: number;
  planBytes: number;
  libraryVersion: string;
  /** Of an engine without dynamic shapes. */
  shapes?: NativeShapes;
}

/** Device memory. */
export type NativeDeviceMemory = { readonly __deviceMemory: never };

/** Where the data of one tensor is. */
export type NativeTensor = ArrayBufferView | NativeDeviceMemory;

/** Options of the native benchmark loop. */
export interface NativeLoopOptions {
  transfers: 'none' | 'pinned' | 'memory';
  graph: boolean;
  spin: boolean;
  events: boolean;
  iterations: number;
  seconds: number;
  warmUpSeconds: number;
}

/** Times in milliseconds, one an iteration; the stages are empty without events. */
export interface NativeLoopResult {
  host: Float64Array;
  enqueue: Float64Array;
  enqueueStart: Float64Array;
  uploadStart: Float64Array;
  upload: Float64Array;
  compute: Float64Array;
  download: Float64Array;
  beginMs: number;
  endMs: number;
  graph: boolean;
}

/** Times of one layer, one a run. */
export interface NativeLayerTimes {
  name: string;
  milliseconds: Float64Array;
}

/** Memory in bytes. */
export interface NativeMemory {
  engineBytes: number;
  deviceBytes: number;
  stagingBytes: number;
  pinnedBytes: number;
  executionContexts: number;
  gpuFreeBytes: number;
  gpuTotalBytes: number;
  graphProblem: string;
}

/** One session. Methods with an `id` complete through the callback of `onDone`. */
export interface NativeSession {
  /** The callback is held weakly while nothing is pending. Number 0: a run is about to be done. */
  onDone(
    callback: (
      id: number,
      failure: NativeFailure | undefined,
      value: NativeShapes | NativeLoopResult | NativeLayerTimes[] | undefined,
    ) => void,
  ): void;
  run(
    id: number,
    shapes: number,
    inputs: readonly NativeTensor[],
    outputs: readonly (NativeTensor | undefined)[],
  ): void;
  runSync(
    shapes: number,
    inputs: readonly NativeTensor[],
    outputs: readonly (NativeTensor | undefined)[],
  ): void;
  /** The worker keeps it for so long, busy. */
  ping(id: number, holdMicroseconds: number): void;
  /** Calls back at once for what is done; with `more`, nothing else does until the next poll without. */
  poll(more: boolean): void;
  prepare(id: number, shapes: readonly (readonly number[])[]): void;
  prepareSync(shapes: readonly (readonly number[])[]): NativeShapes;
  loop(
    id: number,
    shapes: number,
    inputs: readonly NativeTensor[],
    outputs: readonly (NativeTensor | undefined)[],
    options: NativeLoopOptions,
  ): void;
  profile(
    id: number,
    shapes: number,
    inputs: readonly NativeTensor[],
    outputs: readonly (NativeTensor | undefined)[],
    iterations: number,
  ): void;
  /** The inspector's JSON. */
  layerInformation(): string;
  /** When the worker took and ended what was called back last: milliseconds of the steady clock. */
  lastTimes(): [taken: number, done: number];
  /** True when the work was still queued; it then never completes. */
  cancel(id: number): boolean;
  memory(): NativeMemory;
  close(): Promise<void>;
}

/** The part of a family's module that is for sessions. */
export interface SessionBinding {
  openSession(options: NativeOpenOptions): Promise<{
    failure?: NativeFailure;
    session?: NativeSession;
    engine?: NativeEngineInfo;
  }>;
  allocateDevice(deviceId: number, bytes: number): NativeDeviceMemory;
  freeDevice(memory: NativeDeviceMemory): void;
  copyDevice(memory: NativeDeviceMemory, data: ArrayBufferView, upload: boolean): void;
  /** Locks whole pages inside the buffer; the offset of the first, and its address. */
  pin(deviceId: number, buffer: ArrayBuffer, bytes: number): [offset: number, address: number];
  unpin(address: number): void;
}
