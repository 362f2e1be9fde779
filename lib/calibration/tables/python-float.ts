/**
 * `repr(float)` of Python: the shortest digits that read back as the same float64, positional for
 * 1e-4 ≤ |x| < 1e16 and always with a point, else with an exponent of at least two digits.
 *
 * @param value Any number; `inf`, `-inf`, `nan` and `-0.0` come out as Python spells them.
 */
export function pythonFloat(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  const size = Math.abs(value);
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  // JavaScript finds the same shortest digits; only the notation differs.
  if (size < 1e-4 || size >= 1e16) {
    const [mantissa, power] = value.toExponential().split('e') as [string, string];
    const exponent = Number(power);
    return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  const text = String(value);
  return text.includes('.') ? text : `${text}.0`;
}

// No two parts can match the same digits: damaged files must not make it backtrack for long.
const NUMBER = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const SPECIAL = /^([+-]?)(?:(inf|infinity)|nan)$/i;

/**
 * The number that a line of a table spells, in the forms that Python writes and C++'s `std::stof`
 * reads; `undefined` for anything else.
 */
export function parseFloatText(text: string): number | undefined {
  if (NUMBER.test(text)) return Number(text);
  const special = SPECIAL.exec(text);
  if (special === null) return undefined;
  if (special[2] === undefined) return Number.NaN;
  return special[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}
