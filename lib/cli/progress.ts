import cliProgress from 'cli-progress';
import type { OnProgress, Progress } from '../progress.js';
import { formatBytes, formatDuration } from '../report/index.js';
import type { CliIo } from './io.js';

/** Shows how far a long call is, on stderr. */
export interface ProgressDisplay {
  /** Give this to the call. */
  onProgress: OnProgress;
  /** Takes the bar off the terminal; may be repeated. */
  stop(): void;
}

/** Milliseconds between the lines that stand in for a bar where stderr is no terminal. */
const LINE_INTERVAL_MS = 10_000;

function amount(value: number, unit: string | undefined): string {
  return unit === 'bytes' ? formatBytes(value) : value.toLocaleString('en-US');
}

/** How far, how fast, how long still: what stands behind the bar, and in the plain lines. */
export function progressText({ done, total, unit, elapsedMs }: Progress): string {
  const parts: string[] = [];
  if (total !== undefined) parts.push(`${amount(done, unit)} of ${amount(total, unit)}`);
  else if (unit !== undefined) parts.push(amount(done, unit));
  if (unit !== undefined && unit !== 'bytes') parts[0] += ` ${unit}`;
  if (unit !== undefined && done > 0 && elapsedMs > 0) {
    const rate = done / (elapsedMs / 1000);
    const shown =
      unit === 'bytes' ? formatBytes(Math.round(rate)) : rate.toFixed(rate < 10 ? 1 : 0);
    parts.push(`${shown}${unit === 'bytes' ? '' : ` ${unit}`}/s`);
    if (total !== undefined && done < total) {
      parts.push(`${formatDuration(Math.max((total - done) / rate, 0.001) * 1000)} left`);
    }
  }
  if (total === undefined || done >= total) parts.push(formatDuration(elapsedMs));
  return parts.join(', ');
}

const HIDDEN: ProgressDisplay = { onProgress: () => {}, stop: () => {} };

/** A bar on a terminal, a line every ten seconds elsewhere, nothing when `quiet`. */
export function showProgress(io: CliIo, quiet: boolean): ProgressDisplay {
  if (quiet) return HIDDEN;
  return io.stderr.isTTY === true && io.env.TERM !== 'dumb' ? bar(io) : lines(io);
}

function lines(io: CliIo): ProgressDisplay {
  let last = performance.now();
  return {
    onProgress: (progress) => {
      if (performance.now() - last < LINE_INTERVAL_MS) return;
      last = performance.now();
      io.stderr.write(`${progress.phase}: ${progressText(progress)}\n`);
    },
    stop: () => {},
  };
}

function bar(io: CliIo): ProgressDisplay {
  let shown: cliProgress.SingleBar | undefined;
  let phase: string | undefined;
  const stop = () => {
    shown?.stop();
    shown = undefined;
  };
  return {
    stop,
    onProgress: (progress) => {
      const text = progressText(progress);
      if (shown === undefined || phase !== progress.phase) {
        stop();
        phase = progress.phase;
        // A build cannot say how much is left: its phase and its time are shown, and no bar.
        const format =
          progress.total === undefined ? '{phase}  {text}' : '{phase} {bar} {percentage} %  {text}';
        shown = new cliProgress.SingleBar(
          { format, stream: io.stderr, hideCursor: true, clearOnComplete: true, barsize: 24 },
          cliProgress.Presets.shades_classic,
        );
        shown.start(progress.total ?? 1, progress.done, { phase: progress.phase, text });
      }
      shown.update(progress.done, { phase: progress.phase, text });
    },
  };
}
