/**
 * Only those of some values that are there: options that a caller left out are left out of what is
 * passed on, too, where `{ signal: undefined }` would say that a signal was given.
 */
export function defined<T extends object>(
  values: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
