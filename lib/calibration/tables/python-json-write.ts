import type { JsonObject, JsonValue } from './json-value.js';
import { pythonFloat } from './python-float.js';

/**
 * `json.dumps(value)` of Python: one line, `", "` and `": "`, everything outside ASCII escaped,
 * `NaN` and `Infinity` as literals, floats as `repr` gives them.
 */
export function writePythonJson(value: JsonValue): string {
  const pieces: string[] = [];
  write(value, pieces);
  return pieces.join('');
}

function write(value: JsonValue, pieces: string[]): void {
  if (value === null || typeof value === 'boolean' || typeof value === 'bigint') {
    pieces.push(String(value));
  } else if (typeof value === 'number') {
    pieces.push(jsonFloat(value));
  } else if (typeof value === 'string') {
    pieces.push(jsonString(value));
  } else if (value instanceof Float64Array) {
    pieces.push('[', Array.from(value, jsonFloat).join(', '), ']');
  } else if (value instanceof BigInt64Array) {
    pieces.push('[', value.join(', '), ']');
  } else if (Array.isArray(value)) {
    pieces.push('[');
    value.forEach((element: JsonValue, index) => {
      if (index > 0) pieces.push(', ');
      write(element, pieces);
    });
    pieces.push(']');
  } else {
    let separator = '{';
    for (const [name, member] of value as JsonObject) {
      pieces.push(separator, jsonString(name), ': ');
      write(member, pieces);
      separator = ', ';
    }
    pieces.push(separator === '{' ? '{}' : '}');
  }
}

function jsonFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value < 0 ? '-Infinity' : 'Infinity';
  return pythonFloat(value);
}

/** Python escapes everything above `~`, DEL included, as UTF-16 code units. */
function jsonString(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
