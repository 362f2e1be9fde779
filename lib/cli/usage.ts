import type { Command } from 'commander';
import { nearest, squash } from '../nearest.js';

export { editDistance, nearest } from '../nearest.js';

/** Wrong usage of the command line: exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  /** What to do about it. */
  readonly remedy: string | undefined;

  constructor(message: string, remedy?: string) {
    super(message);
    this.remedy = remedy;
  }
}

/** The value of an option as messages show it. */
export function received(value: string): string {
  return value === '' ? 'an empty value' : JSON.stringify(value);
}

/** The error for a wrong value. */
export function wrongValue(flag: string, what: string, value: string): UsageError {
  return new UsageError(`Expected ${what} for ${flag} but received ${received(value)}`);
}

/** `tensorrt-node dataset list`: a command with those it stands under. */
export function pathOf(command: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at !== null; at = at.parent) names.unshift(at.name());
  return names.join(' ');
}

/** Where a user finds how a command is used. */
export function helpHint(command: Command): string {
  return `See \`${pathOf(command)} --help\`.`;
}

/** The error for a required option that was not given. */
export function missingFlag(command: Command, flags: string): UsageError {
  return new UsageError(`Missing option ${flags}`, helpHint(command));
}

/** Long flags that a command knows, its parents' included. */
export function knownFlags(command: Command): string[] {
  const flags: string[] = [];
  for (let at: Command | null = command; at !== null; at = at.parent) {
    for (const option of at.createHelp().visibleOptions(at)) {
      if (option.long !== undefined && option.long !== null) flags.push(option.long);
    }
  }
  return flags;
}

/** The command that the arguments name: `dataset list DIR` → the command `list`. */
export function namedCommand(program: Command, argv: readonly string[]): Command {
  let command = program;
  for (const argument of argv) {
    if (argument === '--') break;
    if (argument.startsWith('-')) continue;
    const next = command.commands.find(
      (one) => one.name() === argument || one.aliases().includes(argument),
    );
    if (next === undefined) break;
    command = next;
  }
  return command;
}

/**
 * Rewrites flags in camel case, as trtexec spells them, to the kebab-case ones that the named command
 * knows: `--saveEngine=x` → `--save-engine=x`. Everything else stays as it is.
 *
 * @param program The program with all of its commands.
 * @param argv Arguments without node and script.
 * @returns The arguments, and how each rewritten flag was typed.
 */
export function normalizeFlags(
  program: Command,
  argv: readonly string[],
): { argv: string[]; typed: Map<string, string> } {
  const known = new Map(
    knownFlags(namedCommand(program, argv)).map((flag) => [squash(flag), flag]),
  );
  const typed = new Map<string, string>();
  let literal = false;
  const result = argv.map((argument) => {
    literal ||= argument === '--';
    const match = /^(--[a-z][A-Za-z0-9]*[A-Z][A-Za-z0-9]*)(=.*)?$/s.exec(argument);
    if (literal || match === null) return argument;
    const flag = known.get(squash(match[1]!));
    if (flag === undefined) return argument;
    typed.set(flag, match[1]!);
    return `${flag}${match[2] ?? ''}`;
  });
  return { argv: result, typed };
}

/**
 * Commander shows the whole help for `help NAME` when NAME is no command; here it is an error.
 *
 * @param program The program.
 * @param argv Arguments.
 */
export function checkHelpTopic(program: Command, argv: readonly string[]): void {
  const words = argv.filter((argument) => !argument.startsWith('-'));
  const topic = words.indexOf('help') === 0 ? words[1] : undefined;
  if (topic === undefined || topic === 'help') return;
  const names = program.commands.map((command) => command.name());
  if (!names.includes(topic)) throw unknownName('command', topic, names, helpHint(program));
}

/** The error for a name that does not exist, with the nearest that does. */
export function unknownName(
  what: string,
  typed: string,
  choices: readonly string[],
  remedy: string,
): UsageError {
  const word = typed.replace(/=.*/s, '');
  const near = nearest(word, choices);
  const suggestion = near === undefined ? '' : `; did you mean ${near}?`;
  return new UsageError(`Unknown ${what} ${word}${suggestion}`, remedy);
}
