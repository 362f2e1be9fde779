import type { Command } from 'commander';

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

/** Letters that two spellings of an option share: `--saveEngine` and `--save-engine`. */
function squash(name: string): string {
  return name.replaceAll('-', '').toLowerCase();
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

/** Edits (insert, delete, replace, swap of neighbours) between two words. */
export function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let row = 1; row <= a.length; row += 1) {
    const line = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1];
      let best = Math.min(
        rows[row - 1]![column]! + 1,
        line[column - 1]! + 1,
        rows[row - 1]![column - 1]! + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        best = Math.min(best, rows[row - 2]![column - 2]! + 1);
      }
      line.push(best);
    }
    rows.push(line);
  }
  return rows[a.length]![b.length]!;
}

/**
 * The word that is nearest to what was typed, however it is spelled (camel case, hyphens).
 *
 * @param typed What was typed.
 * @param choices Words that are known.
 * @returns `undefined` when none is near: more than a third of the letters, or over 3, differ.
 */
export function nearest(typed: string, choices: readonly string[]): string | undefined {
  const word = squash(typed);
  let best: string | undefined;
  let least = Math.min(3, Math.max(1, Math.floor(word.length / 3)));
  for (const choice of choices) {
    const other = squash(choice);
    // What was typed in part counts as near: `--compute` for `--compute-capabilities`.
    const distance = word.length >= 4 && other.startsWith(word) ? 0.5 : editDistance(word, other);
    if (distance < least || (distance === least && best === undefined)) {
      best = choice;
      least = distance;
    }
  }
  return best;
}
