import type { LayerTimes, LoopTimes, Outputs } from '../../session/index.js';
import type { Tensor } from '../../tensor.js';
import { medianOf } from './statistics.js';

/** One iteration as trtexec exports it with `--exportTimes`: milliseconds since the first one. */
export interface ExportedTime {
  startEnqMs: number;
  endEnqMs: number;
  startH2dMs: number;
  endH2dMs: number;
  startComputeMs: number;
  endComputeMs: number;
  startD2hMs: number;
  endD2hMs: number;
  h2dMs: number;
  computeMs: number;
  d2hMs: number;
  /** Upload, computation and download. */
  latencyMs: number;
}

/**
 * The iterations of loops in trtexec's layout, in the order of their launches.
 *
 * @param loops One of each stream, measured with events.
 */
export function exportedTimes(loops: readonly LoopTimes[]): ExportedTime[] {
  const first = Math.min(...loops.map(({ beginMs }) => beginMs));
  const times = loops.flatMap((loop) => {
    // Each loop counts from its own first iteration.
    const shift = loop.beginMs - first;
    return Array.from(loop.upload, (h2dMs, index): ExportedTime => {
      const startEnqMs = shift + loop.enqueueStart[index]!;
      const startH2dMs = shift + loop.uploadStart[index]!;
      const computeMs = loop.compute[index]!;
      const d2hMs = loop.download[index]!;
      const startComputeMs = startH2dMs + h2dMs;
      const startD2hMs = startComputeMs + computeMs;
      return {
        startEnqMs,
        endEnqMs: startEnqMs + loop.enqueue[index]!,
        startH2dMs,
        endH2dMs: startComputeMs,
        startComputeMs,
        endComputeMs: startD2hMs,
        startD2hMs,
        endD2hMs: startD2hMs + d2hMs,
        h2dMs,
        computeMs,
        d2hMs,
        latencyMs: h2dMs + computeMs + d2hMs,
      };
    });
  });
  return times.sort((a, b) => a.startEnqMs - b.startEnqMs);
}

/** Means over some iterations one after the other, in milliseconds, as trtexec's trace has them. */
export interface ExportedAverage {
  /** Computation on the GPU. */
  computeMs: number;
  /** Upload, computation and download. */
  latencyMs: number;
  /** Launching. */
  enqueueMs: number;
}

/**
 * Means over every `runs` iterations; what is left at the end makes none.
 *
 * @param loops One of each stream, measured with events.
 * @param runs Iterations in each mean.
 */
export function exportedAverages(loops: readonly LoopTimes[], runs: number): ExportedAverage[] {
  const times = exportedTimes(loops);
  return Array.from({ length: Math.floor(times.length / runs) }, (_, index) => {
    const part = times.slice(index * runs, (index + 1) * runs);
    const mean = (of: (time: ExportedTime) => number) =>
      part.reduce((sum, time) => sum + of(time), 0) / runs;
    return {
      computeMs: mean(({ computeMs }) => computeMs),
      latencyMs: mean(({ latencyMs }) => latencyMs),
      enqueueMs: mean(({ startEnqMs, endEnqMs }) => endEnqMs - startEnqMs),
    };
  });
}

/** A layer as trtexec exports it with `--exportProfile`. */
export interface ExportedLayer {
  /** Layer, as TensorRT names it. */
  name: string;
  /** Of all runs together. */
  timeMs: number;
  /** Of one run, the mean. */
  averageMs: number;
  /** Of one run, the median. */
  medianMs: number;
  /** Of the time of all layers. */
  percentage: number;
}

/** What trtexec exports with `--exportProfile`: the number of runs, then the layers. */
export type ExportedProfile = [{ count: number }, ...ExportedLayer[]];

/** Layer times in trtexec's layout. */
export function exportedProfile(layers: readonly LayerTimes[]): ExportedProfile {
  const sums = layers.map(({ milliseconds }) => milliseconds.reduce((sum, ms) => sum + ms, 0));
  const total = sums.reduce((sum, ms) => sum + ms, 0);
  const count = layers[0]?.milliseconds.length ?? 0;
  const entries = layers.map(({ name, milliseconds }, index): ExportedLayer => {
    const timeMs = sums[index]!;
    return {
      name,
      timeMs,
      averageMs: timeMs / milliseconds.length,
      medianMs: medianOf(Float64Array.from(milliseconds).sort()),
      percentage: total === 0 ? 0 : (timeMs / total) * 100,
    };
  });
  return [{ count }, ...entries];
}

/** An output as trtexec exports it with `--exportOutput`. */
export interface ExportedOutput {
  /** Name. */
  name: string;
  /** Extents, joined as `1x19`. */
  dimensions: string;
  /** Elements in row-major order. */
  values: number[];
}

/** Outputs in trtexec's layout. Whole numbers beyond 2^53 lose digits. */
export function exportedOutputs(outputs: Outputs): ExportedOutput[] {
  return Object.entries(outputs).map(([name, tensor]) => {
    const { dims, data } = tensor as Tensor;
    return {
      name,
      dimensions: dims.join('x'),
      values: Array.from(data as ArrayLike<number>, Number),
    };
  });
}
