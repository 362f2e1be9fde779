/** Checks of callers' arguments: every message names the option, what was expected and what came. */

function describe(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'undefined';
  if (typeof value === 'string') return `${JSON.stringify(value)} of type string`;
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') {
    return `${String(value)} of type ${typeof value}`;
  }
  if (Array.isArray(value)) return `an array of length ${value.length}`;
  if (typeof value === 'function') return `function ${value.name || '(anonymous)'}`;
  return `an instance of ${(value as object).constructor?.name ?? 'Object'}`;
}

/**
 * The error for a wrong argument: `TypeError` when the type is wrong, `RangeError` when the type is
 * right and the value is not.
 *
 * @param option Name of the option as the caller spells it.
 * @param what What was expected, as a noun phrase: "a positive integer".
 * @param received The value that came.
 * @param kind Which error class; `type` by default.
 */
export function expected(
  option: string,
  what: string,
  received: unknown,
  kind: 'type' | 'range' = 'type',
): TypeError | RangeError {
  const message = `Expected ${what} for ${option} but received ${describe(received)}`;
  return kind === 'type' ? new TypeError(message) : new RangeError(message);
}

/** `value` when it is an integer in [min, max]; otherwise throws. */
export function integer(
  option: string,
  value: unknown,
  min: number = Number.MIN_SAFE_INTEGER,
  max: number = Number.MAX_SAFE_INTEGER,
): number {
  const bounds =
    max === Number.MAX_SAFE_INTEGER
      ? min === Number.MIN_SAFE_INTEGER
        ? 'an integer'
        : `an integer of at least ${min}`
      : `an integer from ${min} to ${max}`;
  if (typeof value !== 'number') throw expected(option, bounds, value);
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    throw expected(option, bounds, value, 'range');
  }
  return value;
}

/** `value` when it is a finite number for which `test` holds; otherwise throws. */
export function number(
  option: string,
  value: unknown,
  what: string,
  test: (value: number) => boolean,
): number {
  if (typeof value !== 'number') throw expected(option, what, value);
  if (!Number.isFinite(value) || !test(value)) throw expected(option, what, value, 'range');
  return value;
}

/** `value` when it is one of `choices`; otherwise throws. */
export function oneOf<const T extends string>(
  option: string,
  value: unknown,
  choices: readonly T[],
): T {
  if (choices.includes(value as T)) return value as T;
  const list = choices.map((choice) => JSON.stringify(choice)).join(', ');
  throw expected(option, `one of ${list}`, value, typeof value === 'string' ? 'range' : 'type');
}

/** Throws for what is neither an `AbortSignal` nor left out. */
export function checkSignal(value: unknown): void {
  if (value === undefined) return;
  const { addEventListener, removeEventListener } = (value ?? {}) as Partial<AbortSignal>;
  if (typeof addEventListener === 'function' && typeof removeEventListener === 'function') return;
  throw expected('signal', 'an AbortSignal', value);
}

/**
 * Checks what every long call takes.
 *
 * @param options The caller's options, with signal and progress function.
 * @throws TypeError for options that are none, for another signal than an `AbortSignal`, and for an
 *   `onProgress` that is no function.
 */
export function checkCall(options: unknown): void {
  if (typeof options !== 'object' || options === null) {
    throw expected('options', 'an object', options);
  }
  const { signal, onProgress } = options as Record<string, unknown>;
  checkSignal(signal);
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw expected('onProgress', 'a function', onProgress);
  }
}
