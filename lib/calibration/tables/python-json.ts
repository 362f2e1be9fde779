import { TensorRTError } from '../../errors.js';
import type { JsonObject, JsonValue } from './json-value.js';

/** Nesting that no table needs; deeper input is refused before it can exhaust the stack. */
const MAX_DEPTH = 32;
/** Elements of one array: a histogram has thousands. */
const MAX_ELEMENTS = 1 << 20;
/** Digits of one integer, as CPython limits them: longer ones take quadratic time. */
const MAX_INTEGER_DIGITS = 4300;
/** Arrays from this length on become typed arrays when all their elements are of one kind. */
const TYPED_FROM = 32;

const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const SPACE = /[ \t\n\r]*/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON strings exclude exactly these.
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const HEX4 = /[0-9a-fA-F]{4}/y;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

/**
 * Reads JSON as Python's `json` module writes it: `NaN`, `Infinity` and `-Infinity` are numbers,
 * integers stay apart from floats, members keep their order. Stricter than Python in one point: a
 * name that occurs twice in an object is an error.
 *
 * @param text The document.
 * @param source Its name, for messages.
 * @throws TensorRTError `TABLE_INVALID` with line and column.
 */
export function parsePythonJson(text: string, source: string): JsonValue {
  return new Parser(text, source).document();
}

class Parser {
  private readonly text: string;
  private readonly source: string;
  private position = 0;

  constructor(text: string, source: string) {
    this.text = text;
    this.source = source;
  }

  document(): JsonValue {
    const value = this.value(0);
    this.space();
    if (this.position < this.text.length) throw this.error('Expected the end of the document');
    return value;
  }

  private value(depth: number): JsonValue {
    if (depth > MAX_DEPTH) throw this.error(`Nested more than ${MAX_DEPTH} levels deep`);
    this.space();
    switch (this.text[this.position]) {
      case '{':
        return this.object(depth);
      case '[':
        return this.array(depth);
      case '"':
        return this.string();
      case 't':
        return this.literal('true', true);
      case 'f':
        return this.literal('false', false);
      case 'n':
        return this.literal('null', null);
      case 'N':
        return this.literal('NaN', Number.NaN);
      case 'I':
        return this.literal('Infinity', Number.POSITIVE_INFINITY);
      default:
        if (this.text.startsWith('-I', this.position)) {
          return this.literal('-Infinity', Number.NEGATIVE_INFINITY);
        }
        return this.number();
    }
  }

  private object(depth: number): JsonObject {
    const members = new Map<string, JsonValue>();
    this.position += 1;
    if (this.accept('}')) return members;
    do {
      this.space();
      const start = this.position;
      if (this.text[start] !== '"') throw this.error('Expected a name in double quotes');
      const name = this.string();
      if (members.has(name)) {
        throw this.error(`The name ${JSON.stringify(name)} occurs twice in one object`, start);
      }
      if (!this.accept(':')) throw this.error("Expected ':' after a name");
      members.set(name, this.value(depth + 1));
    } while (this.accept(','));
    if (!this.accept('}')) throw this.error("Expected ',' or '}'");
    return members;
  }

  private array(depth: number): JsonValue {
    const elements: JsonValue[] = [];
    this.position += 1;
    if (this.accept(']')) return elements;
    do {
      if (elements.length >= MAX_ELEMENTS) {
        throw this.error(`An array has more than ${MAX_ELEMENTS} elements`);
      }
      elements.push(this.value(depth + 1));
    } while (this.accept(','));
    if (!this.accept(']')) throw this.error("Expected ',' or ']'");
    return compact(elements);
  }

  private string(): string {
    const start = this.position;
    const pieces: string[] = [];
    this.position += 1;
    for (;;) {
      pieces.push(this.match(PLAIN) ?? '');
      const character = this.text[this.position];
      if (character === '"') break;
      if (character === undefined) throw this.error('A string without its end', start);
      if (character !== '\\') throw this.error('A control character in a string');
      const letter = this.text[this.position + 1] ?? '';
      this.position += 2;
      if (letter === 'u') {
        const hex = this.match(HEX4);
        if (hex === undefined) throw this.error('Expected four hexadecimal digits');
        pieces.push(String.fromCharCode(Number.parseInt(hex, 16)));
      } else {
        const plain = Object.hasOwn(ESCAPES, letter) ? ESCAPES[letter] : undefined;
        if (plain === undefined) throw this.error('An unknown escape', this.position - 2);
        pieces.push(plain);
      }
    }
    this.position += 1;
    return pieces.length === 1 ? (pieces[0] as string) : pieces.join('');
  }

  private number(): number | bigint {
    const start = this.position;
    NUMBER.lastIndex = start;
    const match = NUMBER.exec(this.text);
    if (match === null) throw this.error('Expected a value');
    this.position = NUMBER.lastIndex;
    if (match[1] !== undefined || match[2] !== undefined) return Number(match[0]);
    if (match[0].length > MAX_INTEGER_DIGITS) {
      throw this.error(`An integer of more than ${MAX_INTEGER_DIGITS} digits`, start);
    }
    return BigInt(match[0]);
  }

  private literal<T extends JsonValue>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.position)) throw this.error('Expected a value');
    this.position += word.length;
    return value;
  }

  private space(): void {
    SPACE.lastIndex = this.position;
    SPACE.test(this.text);
    this.position = SPACE.lastIndex;
  }

  private accept(character: string): boolean {
    this.space();
    if (this.text[this.position] !== character) return false;
    this.position += 1;
    return true;
  }

  private match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.position;
    const match = pattern.exec(this.text);
    if (match === null) return undefined;
    this.position = pattern.lastIndex;
    return match[0];
  }

  private error(what: string, position = this.position): TensorRTError {
    const before = this.text.slice(0, position);
    const lineStart = before.lastIndexOf('\n') + 1;
    let line = 1;
    for (let at = before.indexOf('\n'); at >= 0; at = before.indexOf('\n', at + 1)) line += 1;
    const found =
      position >= this.text.length
        ? 'the end of the file'
        : JSON.stringify(this.text.slice(position, position + 12));
    return new TensorRTError(
      'TABLE_INVALID',
      `${this.source}: ${what}, at line ${line}, column ${position - lineStart + 1}: ${found}`,
      { remedy: 'Write the table again with what produced it, or choose another file.' },
    );
  }
}

/** Boxed integers cost 32 bytes each; a histogram's need 8. */
function compact(elements: JsonValue[]): JsonValue {
  if (elements.length < TYPED_FROM) return elements;
  if (elements.every((element) => typeof element === 'number')) return Float64Array.from(elements);
  const integers = (element: JsonValue): element is bigint =>
    typeof element === 'bigint' && BigInt.asIntN(64, element) === element;
  return elements.every(integers) ? BigInt64Array.from(elements) : elements;
}
