/**
 * A JSON value as Python sees it. Objects are maps, so that a key such as `"126"` keeps its place and
 * `"__proto__"` is a key like any other; integers are `bigint` and floats are `number`, because
 * Python writes `1` and `1.0` differently; long arrays of one kind are typed arrays.
 */
export type JsonValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly JsonValue[]
  | Float64Array
  | BigInt64Array
  | JsonObject;

/** A JSON object: its members in the order of the file. */
export type JsonObject = ReadonlyMap<string, JsonValue>;
