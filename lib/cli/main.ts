import { Interrupted, OutputClosed } from './io.js';

/**
 * How long after a signal the next one is taken for the same: a terminal sends Ctrl-C to every process
 * of the group, and npm and npx pass it on once more.
 */
const SAME_SIGNAL_MS = 500;

const controller = new AbortController();

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  const onSignal = () => {
    controller.abort(new Interrupted(signal));
    // Then the system's own handling is back, without the listeners of dependencies: a second Ctrl-C
    // ends the process at once, whatever keeps it busy.
    setTimeout(() => process.removeAllListeners(signal), SAME_SIGNAL_MS).unref();
  };
  process.on(signal, onSignal);
}

// A dependency (signal-exit) ends the process when a file meets the limit of `ulimit -f`, unless someone
// else listens; the failed write is to be reported, and what was there kept.
process.on('SIGXFSZ', () => {});

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    controller.abort(new OutputClosed());
  });
}

// After the handlers, because loading the commands takes a moment.
const { run } = await import('./run.js');

process.exitCode = await run(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signal: controller.signal,
});
