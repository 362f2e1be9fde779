import { CommanderError } from 'commander';
import { defined } from '../defined.js';
import { messageOf, TensorRTError } from '../errors.js';
import { jsonText } from './context.js';
import { type CliIo, Interrupted, OutputClosed } from './io.js';
import { UsageError } from './usage.js';

/** An error as the command line shows it. */
export interface Failure {
  /** Exit status. */
  status: number;
  /** A code of docs/errors.md, or `USAGE`, `INTERRUPTED`, `INTERNAL`. */
  code: string;
  /** What went wrong. */
  message: string;
  /** What to do about it. */
  remedy?: string;
  /** The library's own words. */
  detail: readonly string[];
  /** For `--verbose`. */
  stack?: string;
}

/** `count` → `--count`: how an option of the API is spelled on the command line. */
function flagOf(option: string): string {
  return `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/**
 * The message of a wrong argument with the flag in place of the API's option; `undefined` when the
 * option is none of the command's flags, so that a fault of the program is not taken for wrong usage.
 */
function argumentMessage(error: unknown, flags: readonly string[]): string | undefined {
  if (!(error instanceof TypeError || error instanceof RangeError)) return undefined;
  if (!error.message.startsWith('Expected ')) return undefined;
  const match = / for ([A-Za-z]+) (?=but )/.exec(error.message);
  if (match === null) return error.message;
  const flag = flagOf(match[1]!);
  return flags.includes(flag) ? error.message.replace(match[0], ` for ${flag} `) : error.message;
}

/**
 * What to show for anything thrown.
 *
 * @param error What was thrown.
 * @param flags Flags of the command, to name options as they are typed.
 * @param typed How flags in camel case were typed.
 */
export function failureOf(
  error: unknown,
  flags: readonly string[],
  typed: ReadonlyMap<string, string>,
): Failure {
  const stack = error instanceof Error && error.stack !== undefined ? { stack: error.stack } : {};
  const asTyped = (text: string) => {
    let result = text;
    for (const [flag, spelling] of typed) {
      result = result.replace(new RegExp(`${flag}(?![a-z-])`, 'g'), spelling);
    }
    return result;
  };
  if (error instanceof Interrupted) {
    const { status, message } = error;
    return { status, code: 'INTERRUPTED', message, detail: [] };
  }
  if (error instanceof UsageError) {
    const remedy = defined({ remedy: error.remedy });
    return { status: 2, code: 'USAGE', message: asTyped(error.message), ...remedy, detail: [] };
  }
  if (error instanceof TensorRTError) {
    const { code, message, remedy, detail } = error;
    return {
      status: 1,
      code,
      message,
      ...defined({ remedy }),
      detail,
      ...stack,
    };
  }
  const message = argumentMessage(error, flags);
  if (message !== undefined) {
    return { status: 2, code: 'USAGE', message: asTyped(message), detail: [], ...stack };
  }
  return { status: 1, code: 'INTERNAL', message: messageOf(error), detail: [], ...stack };
}

/** Text from files and libraries may hold escape sequences; a terminal must not obey them. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is sought.
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\ufffd');
}

/**
 * Writes an error: a JSON document on stdout with `json`, text on stderr otherwise.
 *
 * @returns The exit status.
 */
export function writeFailure(
  io: CliIo,
  failure: Failure,
  options: { json: boolean; verbose: boolean },
): number {
  const { status, code, message, remedy, detail, stack } = failure;
  const trace = options.verbose && stack !== undefined;
  if (options.json) {
    const error = { code, message, remedy, detail, ...(trace ? { stack } : {}) };
    io.stdout.write(`${jsonText({ error })}\n`);
    return status;
  }
  const lines = [code === 'USAGE' ? `error: ${message}` : `error ${code}: ${message}`];
  if (remedy !== undefined) lines.push(remedy);
  lines.push(...detail.flatMap((text) => text.split('\n')).map((text) => `    ${text}`));
  if (trace) lines.push(stack);
  io.stderr.write(`${printable(lines.join('\n'))}\n`);
  return status;
}

/** Whether commander only ended early: help or the version was asked for. */
export function endedEarly(error: unknown): boolean {
  return error instanceof OutputClosed || (error instanceof CommanderError && error.exitCode === 0);
}
