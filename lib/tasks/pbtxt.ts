/** An enumerator of a protobuf message, which stands without quotes. */
export interface PbEnum {
  /** Name: `TYPE_FP32`. */
  enumerator: string;
}

/** Fields of a protobuf message in order; those that are undefined are left out. */
export interface PbMessage {
  readonly [field: string]: PbValue | undefined;
}

/** What a field of a protobuf message may hold. Lists are repeated fields. */
export type PbValue =
  | string
  | number
  | boolean
  | PbEnum
  | PbMessage
  | readonly number[]
  | readonly string[]
  | readonly PbMessage[];

const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '"': '\\"',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

function quoted(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not stand in the text.
  const escaped = text.replace(/[\\"\u0000-\u001f\u007f]/g, (character) => {
    const octal = character.charCodeAt(0).toString(8).padStart(3, '0');
    return ESCAPES[character] ?? `\\${octal}`;
  });
  return `"${escaped}"`;
}

function isEnum(value: object): value is PbEnum {
  return typeof (value as Partial<PbEnum>).enumerator === 'string';
}

function scalar(value: string | number | boolean): string {
  return typeof value === 'string' ? quoted(value) : String(value);
}

function fieldLines(name: string, value: PbValue, indent: string): string[] {
  if (typeof value !== 'object') return [`${indent}${name}: ${scalar(value)}`];
  if (Array.isArray(value)) {
    const messages = value.filter((item): item is PbMessage => typeof item === 'object');
    if (messages.length > 0) return messages.flatMap((item) => fieldLines(name, item, indent));
    const items = (value as readonly (string | number)[]).map(scalar);
    return [`${indent}${name}: [${items.join(', ')}]`];
  }
  if (isEnum(value)) return [`${indent}${name}: ${value.enumerator}`];
  const inner = messageLines(value as PbMessage, `${indent}  `);
  return inner.length === 0
    ? [`${indent}${name} {}`]
    : [`${indent}${name} {`, ...inner, `${indent}}`];
}

function messageLines(message: PbMessage, indent: string): string[] {
  return Object.entries(message).flatMap(([name, value]) =>
    value === undefined ? [] : fieldLines(name, value, indent),
  );
}

/**
 * A message in protobuf's text format.
 *
 * @param message Its fields.
 * @returns Lines, with a newline at the end.
 */
export function protobufText(message: PbMessage): string {
  return `${messageLines(message, '').join('\n')}\n`;
}
