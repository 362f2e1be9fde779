/** JSON of whatever a build gives: bytes and maps, which JSON has no form for, included. */

const BYTES = '$bytes';
const MAP = '$map';

/** What {@link parseResult} reads again. */
export function stringifyResult(value: unknown, indent?: number): string {
  return JSON.stringify(
    value,
    function replace(this: Record<string, unknown>, key, item: unknown) {
      const original = this[key];
      if (original instanceof Uint8Array) {
        return { [BYTES]: Buffer.from(original).toString('base64') };
      }
      if (item instanceof Map) return { [MAP]: [...item] };
      return item;
    },
    indent,
  );
}

/** Reads what {@link stringifyResult} wrote, or any other JSON. */
export function parseResult(text: string): unknown {
  return JSON.parse(text, (_key, item: unknown) => {
    if (typeof item !== 'object' || item === null) return item;
    const { [BYTES]: bytes, [MAP]: map } = item as Record<string, unknown>;
    if (typeof bytes === 'string') return new Uint8Array(Buffer.from(bytes, 'base64'));
    if (Array.isArray(map)) return new Map(map as [unknown, unknown][]);
    return item;
  });
}
