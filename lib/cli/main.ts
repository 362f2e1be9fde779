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

let outputFailed = false;
for (const [name, stream] of Object.entries({ output: process.stdout, error: process.stderr })) {
  stream.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    controller.abort(new OutputClosed());
    if (code === 'EPIPE' || outputFailed) return;
    outputFailed = true;
    // The command may have ended already: a write that fails says so only later.
    process.exitCode = 1;
    if (stream === process.stderr) return;
    process.stderr.write(`error WRITE_FAILED: Cannot write to standard ${name}: ${message}\n`);
  });
}

// After the handlers, because loading the commands takes a moment.
const { run } = await import('./run.js');

const status = await run(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signal: controller.signal,
});
process.exitCode = outputFailed ? 1 : status;
