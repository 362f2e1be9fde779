/** Where a command line writes: the process's own streams, or a test's. */
export interface CliIo {
  /** Results only: text, or one JSON document. */
  stdout: NodeJS.WritableStream;
  /** Progress, warnings, errors. */
  stderr: NodeJS.WritableStream & { isTTY?: boolean };
  /** Environment variables. */
  env: Readonly<Record<string, string | undefined>>;
  /** Ends the command; its reason says why, an {@link Interrupted} for a signal. */
  signal: AbortSignal;
}

/** Exit status of a command that a signal ended: 128 and the signal's number, as shells expect. */
const SIGNAL_STATUS = { SIGINT: 130, SIGTERM: 143 } as const;

/** Why a command was ended from outside. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  /** The signal that came. */
  readonly signal: keyof typeof SIGNAL_STATUS;

  constructor(signal: keyof typeof SIGNAL_STATUS) {
    super(`Ended by ${signal}; nothing half written was left behind`);
    this.signal = signal;
  }

  /** The exit status. */
  get status(): number {
    return SIGNAL_STATUS[this.signal];
  }
}

/** Why a command is ended when nobody reads its output any more (`… | head`): no failure. */
export class OutputClosed extends Error {
  override readonly name = 'OutputClosed';
}

/** A command that did its work, and whose result is to show in the exit status. */
export class ExitStatus extends Error {
  override readonly name = 'ExitStatus';
  /** The exit status. */
  readonly status: number;

  constructor(status: number) {
    super(`Exit status ${status}`);
    this.status = status;
  }
}
