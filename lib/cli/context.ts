import type { Command } from 'commander';
import type { LongCallOptions } from '../progress.js';
import type { CliIo } from './io.js';
import { missingOption } from './options.js';
import { type ProgressDisplay, showProgress } from './progress.js';
import { missingFlag } from './usage.js';

/** Options that every command takes. */
export interface GlobalOptions {
  /** One JSON document on stdout in place of text. */
  json?: boolean;
  /** No progress and no warnings. */
  quiet?: boolean;
  /** Stack traces. */
  verbose?: boolean;
}

/** What a command works with: how it is told to stop, and where it says what. */
export class Context {
  /** Ends the command. */
  readonly signal: AbortSignal;
  /** Whether results are one JSON document. */
  readonly json: boolean;
  /** Environment variables. */
  readonly env: CliIo['env'];
  /** Warnings so far, for the JSON document. */
  readonly warnings: string[] = [];
  readonly #io: CliIo;
  readonly #quiet: boolean;
  #display: ProgressDisplay | undefined;
  #ended = false;

  constructor(io: CliIo, options: GlobalOptions) {
    this.#io = io;
    this.signal = io.signal;
    this.env = io.env;
    this.json = options.json === true;
    this.#quiet = options.quiet === true;
  }

  /** For every long call: the signal, and the progress bar. */
  get call(): Required<LongCallOptions> {
    this.#display ??= showProgress(this.#io, this.#quiet);
    const { onProgress } = this.#display;
    return {
      signal: this.signal,
      onProgress: (progress) => {
        if (!this.#ended) onProgress(progress);
      },
    };
  }

  /** Takes the bar away; every output does so first. What is still at work brings it back. */
  stopProgress(): void {
    this.#display?.stop();
  }

  /** No bar from here on: its timer would keep the process from ending. */
  end(): void {
    this.#ended = true;
    this.stopProgress();
  }

  /** Something the user should know and that stops nothing; each is said once. */
  warn(message: string): void {
    if (this.warnings.includes(message)) return;
    this.warnings.push(message);
    this.note(`warning: ${message}`);
  }

  /** A line on stderr. */
  note(message: string): void {
    this.stopProgress();
    if (!this.#quiet) this.#io.stderr.write(`${message}\n`);
  }

  /** A line of the text result; nothing with `--json`. */
  line(text: string): void {
    this.stopProgress();
    if (!this.json) this.#io.stdout.write(`${text}\n`);
  }

  /** The JSON document of the command; nothing without `--json`. */
  result(value: Readonly<Record<string, unknown>>): void {
    this.stopProgress();
    if (!this.json) return;
    const warnings = this.warnings.length === 0 ? {} : { warnings: this.warnings };
    this.#io.stdout.write(`${jsonText({ ...value, ...warnings })}\n`);
  }
}

/** JSON has no NaN, no infinity and no bigint: they are strings in our documents. */
export function jsonText(value: unknown): string {
  return JSON.stringify(
    value,
    (_key, item: unknown) => {
      if (typeof item === 'bigint') return item.toString();
      if (item instanceof Float64Array) return Array.from(item);
      if (typeof item === 'number' && !Number.isFinite(item)) return String(item);
      return item;
    },
    2,
  );
}

/** What a command does, given its context. */
export type Action<Args extends unknown[], Options> = (
  context: Context,
  options: Options & GlobalOptions,
  ...args: Args
) => Promise<void>;

/** Makes a commander action of ours: commander passes arguments, options, command. */
export function action<Args extends unknown[], Options>(
  io: CliIo,
  work: Action<Args, Options>,
): (...received: unknown[]) => Promise<void> {
  return async (...received) => {
    const command = received.at(-1) as Command;
    const missing = missingOption(command);
    if (missing !== undefined) throw missingFlag(command, missing);
    const options = command.optsWithGlobals<Options & GlobalOptions>();
    const context = new Context(io, options);
    try {
      io.signal.throwIfAborted();
      await work(context, options, ...(received.slice(0, -2) as Args));
    } finally {
      context.end();
    }
  };
}
