import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { jsonText } from '../../lib/cli/context.js';
import { failureOf, writeFailure } from '../../lib/cli/failure.js';
import { Interrupted, OutputClosed } from '../../lib/cli/io.js';
import { progressText, showProgress } from '../../lib/cli/progress.js';
import { seedValue } from '../../lib/cli/values.js';
import { TensorRTError } from '../../lib/errors.js';
import { cli } from './command-line.js';

function fakeIo(isTTY: boolean, env: Record<string, string> = {}) {
  const stderr = new PassThrough();
  let text = '';
  stderr.on('data', (chunk) => {
    text += chunk;
  });
  Object.assign(stderr, { isTTY, columns: 100, cursorTo() {}, clearLine() {} });
  const io = { stdout: new PassThrough(), stderr, env, signal: new AbortController().signal };
  return { io, text: () => text };
}

describe('progressText', () => {
  it.each([
    [
      { phase: 'calibrate', done: 50, total: 200, unit: 'images', elapsedMs: 10_000 },
      '50 of 200 images, 5.0 images/s, 30.0 s left',
    ],
    [
      { phase: 'calibrate', done: 200, total: 200, unit: 'images', elapsedMs: 10_000 },
      '200 of 200 images, 20 images/s, 10.0 s',
    ],
    [
      { phase: 'download', done: 2 ** 20, total: 2 ** 22, unit: 'bytes', elapsedMs: 1000 },
      '1.0 MiB of 4.0 MiB, 1.0 MiB/s, 3.0 s left',
    ],
    [
      { phase: 'list', done: 12_000, unit: 'files', elapsedMs: 500 },
      '12,000 files, 24000 files/s, 500 ms',
    ],
    [{ phase: 'build', done: 0, elapsedMs: 65_000 }, '1 min 05 s'],
  ])('%j', (progress, text) => expect(progressText(progress)).toBe(text));
});

describe('showProgress', () => {
  const report = { phase: 'calibrate', done: 1, total: 4, unit: 'images', elapsedMs: 100 };

  it('draws on a terminal only', async () => {
    const terminal = fakeIo(true);
    const display = showProgress(terminal.io, false);
    display.onProgress(report);
    display.onProgress({ phase: 'build', done: 0, elapsedMs: 3000 });
    display.stop();
    display.stop();
    await new Promise((done) => setImmediate(done));
    expect(terminal.text()).toContain('1 of 4 images');
    expect(terminal.text()).toContain('25 %');
    expect(terminal.text()).toContain('build  3.0 s');
    for (const other of [fakeIo(false), fakeIo(true, { TERM: 'dumb' })]) {
      const silent = showProgress(other.io, false);
      silent.onProgress(report);
      silent.stop();
      await new Promise((done) => setImmediate(done));
      expect(other.text()).toBe('');
    }
    const quiet = fakeIo(true);
    showProgress(quiet.io, true).onProgress(report);
    expect(quiet.text()).toBe('');
  });
});

describe('failures', () => {
  it('show code, remedy and the library’s words, and no escape sequences', async () => {
    const { io, text } = fakeIo(false);
    const error = new TensorRTError('BUILD_FAILED', 'No \u001b[31mengine', {
      remedy: 'Try again.',
      detail: ['line one\nline two', 'last'],
    });
    expect(writeFailure(io, failureOf(error, [], new Map()), { json: false, verbose: false })).toBe(
      1,
    );
    await new Promise((done) => setImmediate(done));
    expect(text()).toBe(
      'error BUILD_FAILED: No \ufffd[31mengine\nTry again.\n    line one\n    line two\n    last\n',
    );
  });

  it('keep faults of the program apart from wrong usage', () => {
    const typed = new Map([['--save-engine', '--saveEngine']]);
    const of = (error: unknown) => {
      const { status, code, message } = failureOf(error, ['--count', '--save-engine'], typed);
      return [status, code, message];
    };
    expect(of(new TypeError('x is not a function'))).toEqual([
      1,
      'INTERNAL',
      'x is not a function',
    ]);
    expect(of('thrown')).toEqual([1, 'INTERNAL', 'thrown']);
    expect(of(new RangeError('Expected a file for saveEngine but received 3'))).toEqual([
      2,
      'USAGE',
      'Expected a file for --saveEngine but received 3',
    ]);
    expect(of(new RangeError('Expected an integer for depth but received 3'))).toEqual([
      2,
      'USAGE',
      'Expected an integer for depth but received 3',
    ]);
    expect(of(new Interrupted('SIGTERM')).slice(0, 2)).toEqual([143, 'INTERRUPTED']);
  });

  it('are none when a signal or a closed pipe ended the command', async () => {
    const interrupted = await cli(['doctor'], {
      signal: AbortSignal.abort(new Interrupted('SIGINT')),
    });
    expect(interrupted.status).toBe(130);
    expect(interrupted.stderr).toContain('error INTERRUPTED: Ended by SIGINT');
    const closed = await cli(['doctor'], { signal: AbortSignal.abort(new OutputClosed()) });
    expect(closed).toEqual({ status: 0, stdout: '', stderr: '' });
  });
});

describe('values', () => {
  it('have JSON for what JSON lacks', () => {
    expect(JSON.parse(jsonText({ a: 2n ** 70n, b: Number.NaN, c: -1 / 0, d: 1.5 }))).toEqual({
      a: '1180591620717411303424',
      b: 'NaN',
      c: '-Infinity',
      d: 1.5,
    });
  });

  it('take seeds of any size', () => {
    expect(seedValue('--seed')('-5')).toBe(-5);
    expect(seedValue('--seed')('+1180591620717411303424')).toBe(2n ** 70n);
  });
});
