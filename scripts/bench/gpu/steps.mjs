import { spawn } from 'node:child_process';

/** What every step came to. */
export const steps = [];

/**
 * Does a step; what it reports and what it throws goes into `steps`.
 *
 * @param name What the step shows.
 * @param work Gets a function that takes figures.
 * @returns What `work` returns; undefined when it failed.
 */
export async function step(name, work) {
  const entry = { name };
  steps.push(entry);
  const start = performance.now();
  process.stderr.write(`${name} …\n`);
  try {
    return await work((figures) => Object.assign(entry, figures));
  } catch (error) {
    const { code, message, remedy, detail } = error;
    entry.error = { code, message: message ?? String(error), remedy, detail: detail?.slice(-5) };
    process.stderr.write(`  failed: ${entry.error.message}\n`);
    return undefined;
  } finally {
    entry.ms = Math.round(performance.now() - start);
    // At once: on a machine that is lent by the minute, a run may end before its report.
    process.stderr.write(`  ${JSON.stringify(entry)}\n`);
  }
}

/** Runs this script again, as a process that may crash. */
export function children(more) {
  const child = spawn(process.execPath, [process.argv[1], ...process.argv.slice(2), ...more]);
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) child[name].on('data', (data) => (text[name] += data));
  const timer = setTimeout(() => child.kill('SIGKILL'), 120_000);
  return new Promise((done) => {
    child.once('close', (status, signal) => {
      clearTimeout(timer);
      done({ status: status ?? signal, ...text });
    });
  });
}
