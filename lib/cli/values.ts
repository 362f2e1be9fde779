import { wrongValue } from './usage.js';

/** Turns the text of an option into its value; throws a UsageError that names the flag. */
export type ValueParser<T> = (text: string) => T;

/** A whole number from `min` to `max`. */
export function integerValue(
  flag: string,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
): ValueParser<number> {
  const what =
    max === Number.MAX_SAFE_INTEGER
      ? `an integer of at least ${min}`
      : `an integer from ${min} to ${max}`;
  return (text) => {
    const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(value) || value < min || value > max) {
      throw wrongValue(flag, what, text);
    }
    return value;
  };
}

/** Any whole number; one above 2^53 as a bigint, since a seed may be. */
export function seedValue(flag: string): ValueParser<number | bigint> {
  return (text) => {
    if (!/^[+-]?\d+$/.test(text)) throw wrongValue(flag, 'an integer', text);
    const value = Number(text);
    return Number.isSafeInteger(value) ? value : BigInt(text.replace(/^\+/, ''));
  };
}

/** A number over 0 and at most 1. */
export function fractionValue(flag: string): ValueParser<number> {
  return (text) => {
    const value = /^\d*\.?\d+(e-?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
    if (!(value > 0 && value <= 1)) {
      throw wrongValue(flag, 'a number over 0 and at most 1', text);
    }
    return value;
  };
}

/** A number for which `test` holds. */
export function numberValue(
  flag: string,
  what: string,
  test: (value: number) => boolean,
): ValueParser<number> {
  return (text) => {
    const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
    if (!Number.isFinite(value) || !test(value)) throw wrongValue(flag, what, text);
    return value;
  };
}

/** One of some words. */
export function choiceValue<const T extends string>(
  flag: string,
  choices: readonly T[],
): ValueParser<T> {
  return (text) => {
    if (choices.includes(text as T)) return text as T;
    throw wrongValue(flag, `one of ${choices.join(', ')}`, text);
  };
}

/** Values parsed one by one from a list with commas; an option that is repeated adds to its list. */
export function listValue<T>(
  flag: string,
  what: string,
  parse: (item: string) => T | undefined,
): (text: string, before: readonly T[] | undefined) => T[] {
  return (text, before) => {
    const items = text.split(',').map((item) => {
      const value = item === '' ? undefined : parse(item);
      if (value === undefined) throw wrongValue(flag, what, text);
      return value;
    });
    return [...(before ?? []), ...items];
  };
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** A length of time such as `30d` or `12h`, in milliseconds. */
export function ageValue(flag: string): ValueParser<number> {
  return (text) => {
    const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)([smhdw])$/.exec(text) ?? [];
    const seconds = SECONDS[unit];
    if (seconds === undefined) throw wrongValue(flag, 'a length of time such as 30d or 12h', text);
    return Number(number) * seconds * 1000;
  };
}

/** A size such as `4G`, `500M` or `0`, in bytes; units are powers of 1024. */
export function sizeValue(flag: string): ValueParser<number> {
  return (text) => {
    const match = /^(\d+(?:\.\d+)?)([KMGT])?(?:i?B)?$/i.exec(text);
    if (match === null) throw wrongValue(flag, 'a size such as 4G or 500M', text);
    return Math.floor(Number(match[1]) * 1024 ** ' KMGT'.indexOf((match[2] ?? ' ').toUpperCase()));
  };
}
