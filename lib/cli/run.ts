import { type Command, CommanderError } from 'commander';
import { jsonText } from './context.js';
import { endedEarly, failureOf, writeFailure } from './failure.js';
import { type CliIo, ExitStatus } from './io.js';
import { createProgram } from './program.js';
import {
  checkHelpTopic,
  helpHint,
  knownFlags,
  namedCommand,
  normalizeFlags,
  pathOf,
  UsageError,
  unknownName,
} from './usage.js';

/** Commander's complaint in our words, with the nearest name that exists. */
function usageOf(error: CommanderError, program: Command, argv: readonly string[]): UsageError {
  const command = namedCommand(program, argv);
  const help = helpHint(command);
  const quoted = /'([^']*)'/.exec(error.message)?.[1] ?? '';
  switch (error.code) {
    case 'commander.unknownOption':
      return unknownName('option', quoted, knownFlags(command), help);
    case 'commander.unknownCommand': {
      const names = command.commands.map((one) => one.name());
      return unknownName('command', quoted, names, help);
    }
    case 'commander.excessArguments':
      return new UsageError(`Too many arguments for ${pathOf(command)}`, help);
    case 'commander.missingArgument':
      return new UsageError(`Missing argument ${quoted.toUpperCase()}`, help);
    case 'commander.optionMissingArgument':
      return new UsageError(`Missing value for ${quoted}`, help);
    case 'commander.help':
      return new UsageError(`Missing command after ${pathOf(command)}`, help);
    default:
      return new UsageError(error.message.replace(/^error: o/, 'O'), help);
  }
}

/**
 * Runs one command line.
 *
 * @param argv Arguments without node and script.
 * @param io Streams, environment and abort signal.
 * @returns The exit status: 0 done, 1 failed, 2 wrong usage, 130 or 143 ended by a signal.
 */
export async function run(argv: readonly string[], io: CliIo): Promise<number> {
  const end = argv.indexOf('--');
  const before = end === -1 ? argv : argv.slice(0, end);
  const json = before.includes('--json');
  const verbose = before.includes('--verbose') || (io.env.DEBUG ?? '') !== '';
  let shown = '';
  const program = createProgram(io, {
    writeOut: (text) => {
      if (json) shown += text;
      else io.stdout.write(text);
    },
    // Commander's own words are replaced; the help that it shows for a missing command is kept.
    writeErr: (text) => {
      if (!text.startsWith('error:') && !json) io.stderr.write(text);
    },
  });
  const { argv: normalized, typed } = normalizeFlags(program, argv);
  try {
    checkHelpTopic(program, normalized);
    await program.parseAsync(normalized, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof ExitStatus) return error.status;
    if (endedEarly(error)) {
      if (json && shown !== '') {
        const version = (error as CommanderError).code === 'commander.version';
        io.stdout.write(`${jsonText({ [version ? 'version' : 'help']: shown.trim() })}\n`);
      }
      return 0;
    }
    if (error instanceof CommanderError && error.code === 'commander.help' && !json) return 2;
    const cause = io.signal.aborted ? io.signal.reason : error;
    const named = cause instanceof CommanderError ? usageOf(cause, program, normalized) : cause;
    const flags = knownFlags(namedCommand(program, normalized));
    const failure = failureOf(named, flags, typed);
    return endedEarly(cause) ? 0 : writeFailure(io, failure, { json, verbose });
  }
}
