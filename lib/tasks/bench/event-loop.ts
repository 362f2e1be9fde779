import { monitorEventLoopDelay } from 'node:perf_hooks';

/** How late the event loop was, in milliseconds, sampled every millisecond. */
export interface EventLoopDelay {
  /** Mean. */
  mean: number;
  /** Median. */
  p50: number;
  /** 99th percentile. */
  p99: number;
  /** Longest. */
  max: number;
}

/**
 * Watches the event loop while something runs.
 *
 * @param work What runs.
 */
export async function watchEventLoop<T>(
  work: () => Promise<T>,
): Promise<{ result: T; delay: EventLoopDelay }> {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  try {
    const result = await work();
    const ms = (nanoseconds: number) => nanoseconds / 1e6;
    return {
      result,
      delay: {
        mean: ms(histogram.mean),
        p50: ms(histogram.percentile(50)),
        p99: ms(histogram.percentile(99)),
        max: ms(histogram.max),
      },
    };
  } finally {
    histogram.disable();
  }
}
