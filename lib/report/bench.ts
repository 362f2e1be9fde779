import type { BenchResult, EventLoopDelay, Overhead, TimeSummary } from '../tasks/index.js';
import { textTable } from './text-table.js';
import { formatBytes, formatNumber } from './units.js';

const ms = (value: number) => value.toFixed(4);
const us = (value: number) => (value * 1000).toFixed(1);

const STAGES = [
  ['latency', 'Latency (H2D + compute + D2H)'],
  ['enqueue', 'Enqueue'],
  ['h2d', 'H2D'],
  ['compute', 'GPU compute'],
  ['d2h', 'D2H'],
  ['host', 'Host wall'],
] as const;

function stages({ times }: BenchResult): string {
  const names = Object.keys(times.latency.percentiles);
  const row = (label: string, { min, mean, median, max, percentiles }: TimeSummary) => [
    label,
    ...[min, mean, median, ...names.map((name) => percentiles[name]!), max].map(ms),
  ];
  const header = ['ms', 'min', 'mean', 'median', ...names, 'max'];
  return textTable(
    STAGES.map(([stage, label]) => row(label, times[stage])),
    ['left', ...header.slice(1).map(() => 'right' as const)],
    header,
  );
}

const KINDS = { memory: 'ordinary memory', pinned: 'pinned memory', device: 'GPU memory' } as const;

function overheads(overhead: readonly Overhead[]): string {
  const rows = overhead.map((one) => [
    KINDS[one.memory],
    us(one.loop),
    us(one.run),
    formatNumber(one.runOverLoop, 4),
    us(one.runMinusLoop),
    us(one.ping),
    us(one.heldPing),
    us(one.runSync),
    formatNumber(one.runSyncOverLoop, 4),
  ]);
  const header = [
    'µs, median',
    'native loop',
    'run',
    'run/loop',
    'run−loop',
    'ping',
    'held ping',
    'runSync',
    'runSync/loop',
  ];
  return textTable(rows, ['left', ...header.slice(1).map(() => 'right' as const)], header);
}

function delays({ idle, loop, run }: BenchResult['eventLoopDelay']): string {
  const one = (label: string, { p50, p99, max }: EventLoopDelay) =>
    `${label} p50 ${p50.toFixed(2)}, p99 ${p99.toFixed(2)}, max ${max.toFixed(2)} ms`;
  const parts = [one('idle', idle), one('native loop', loop)];
  if (run !== undefined) parts.push(one('run', run));
  return `Event loop delay: ${parts.join('; ')}`;
}

function heading(result: BenchResult): string[] {
  const { engine, system, switches, cudaGraph } = result;
  const shapes = Object.entries(engine.shapes).map(([name, dims]) => `${name} ${dims.join('x')}`);
  const launched = cudaGraph.enabled
    ? 'CUDA graphs'
    : cudaGraph.problem === undefined
      ? 'no CUDA graphs'
      : `no CUDA graphs (${cudaGraph.problem})`;
  return [
    `${engine.label}: ${shapes.join(', ')}; ${switches.infStreams} stream(s), ${launched}, ` +
      `${switches.useSpinWait ? 'polling' : 'waiting'}, ` +
      `${switches.noDataTransfers ? 'data on the GPU' : 'pinned transfers'}`,
    `${system.gpu?.name ?? 'unknown GPU'} (${system.gpu?.computeCapability ?? '?'}), ` +
      `TensorRT ${system.tensorrt}, Node ${system.node}`,
  ];
}

/**
 * A bench as text: throughput, the stages, what `run` adds, the event loop, memory, warnings.
 *
 * @param result Of `bench`.
 */
export function benchText(result: BenchResult): string {
  const { throughput, iterations, hostWallMs, gpuComputeMs, overhead, memory } = result;
  const lines = [
    ...heading(result),
    '',
    `Throughput: ${formatNumber(throughput, 6)} qps (${iterations} iterations in ` +
      `${(hostWallMs / 1000).toFixed(3)} s; GPU compute ${(gpuComputeMs / 1000).toFixed(3)} s)`,
    stages(result),
  ];
  if (overhead.length > 0) {
    lines.push('', overheads(overhead));
    for (const one of overhead) {
      const { handOver, worker, back } = one.stages;
      lines.push(
        `run, ${KINDS[one.memory]}: ${us(handOver)} µs to the worker, ${us(worker)} on it, ` +
          `${us(back)} back`,
      );
    }
  }
  lines.push(
    '',
    delays(result.eventLoopDelay),
    `Memory: ${formatBytes(memory.engineBytes + memory.deviceBytes)} of the GPU, ` +
      `${formatBytes(memory.stagingBytes)} pinned`,
    ...result.warnings.map(({ text }) => `warning: ${text}`),
  );
  return lines.join('\n');
}
